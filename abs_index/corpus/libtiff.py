"""Keeps the C library for TIFF from writing to the console."""

from __future__ import annotations

import ctypes
from pathlib import Path

import PIL


def silence_libtiff() -> None:
    """Takes the message handlers away from the libtiff that Pillow brings along.

    They print what is wrong with a damaged file to standard error, beside the error that Pillow raises for it anyhow.
    Where Pillow uses a libtiff of the system, nothing is changed.
    """
    package = Path(PIL.__file__).parent
    for library in (*package.parent.glob("pillow.libs/libtiff*"), *package.glob(".dylibs/libtiff*")):
        libtiff = ctypes.CDLL(str(library))
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(libtiff, name)
            handler.argtypes, handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
            handler(None)
