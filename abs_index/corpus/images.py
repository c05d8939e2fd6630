"""Bytes of an image file → an upright RGB picture on white, whatever the file is; everything else is a reject.

Formats are told by content: JPEG, PNG, GIF, TIFF, WebP and BMP. Nothing else is given to Pillow, and Pillow's own
guessing is not used, so that no plugin for EPS, PDF or the like ever sees a file of a corpus. The size is checked from
the header, before anything is decoded.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,  # noqa: F401  registered, because a JPEG of several pictures is handed on to it
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from abs_index.corpus.document import Document, Figure, Reject
from abs_index.corpus.libtiff import silence_libtiff
from abs_index.corpus.rejects import EMPTY_FILE, IMAGE_DAMAGED, IMAGE_FORMAT, IMAGE_TOO_LARGE
from abs_index.errors import RejectedError
from abs_index.recipe import CorpusSettings

# Pillow warns about metadata that are not used here, and about sizes that are checked here; what matters, it raises.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
silence_libtiff()

_DEFAULTS = CorpusSettings()


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture: `image` in mode RGB, upright, transparency on white, 8 bits a channel.

    `width` and `height` are those of the file (upright, in pixels); `image` is smaller where a `target` was given and
    the file is much larger. `format` is "JPEG", "PNG", "GIF", "TIFF", "WEBP" or "BMP".
    """

    image: Image.Image
    width: int
    height: int
    format: str


def decode_image(content: bytes, *, settings: CorpusSettings = _DEFAULTS, target: int | None = None) -> DecodedImage:
    """Decodes the first frame or page of an image file. Safe to call from several threads.

    With `target`, a large picture may come back reduced, with both sides still at least `2 * target`: enough for any
    resize to `target` pixels, several times faster for large JPEGs.

    Raises RejectedError: EMPTY_FILE; IMAGE_FORMAT with what the file is instead; IMAGE_TOO_LARGE with the limit;
    IMAGE_DAMAGED with what the decoder said.
    """
    if not content:
        raise RejectedError(EMPTY_FILE)
    name = identify_image(content)
    if name not in _OPENERS:
        raise RejectedError(IMAGE_FORMAT, name or "not a known kind of picture")
    try:
        return _decode(content, name, settings, target)
    except MemoryError:
        raise RejectedError(IMAGE_TOO_LARGE, f"{name}: not enough memory") from None
    except Image.DecompressionBombError as error:
        raise RejectedError(IMAGE_TOO_LARGE, f"{name}: {error}") from None
    except _UNKNOWN_LAYOUT as error:
        raise RejectedError(IMAGE_FORMAT, f"{name}: {error}") from None
    except _DAMAGE as error:
        raise RejectedError(IMAGE_DAMAGED, f"{name}: {_one_line(error)}") from None


def decode_figure(
    document: Document, figure: Figure, *, settings: CorpusSettings = _DEFAULTS, target: int | None = None
) -> tuple[str, DecodedImage | None, tuple[Reject, ...]]:
    """The picture of a figure: the first of its images that decodes.

    Returns its name in `document.files` ("" where there is none), the picture (None where there is none), and a
    reject for each image that was tried before it and could not be used.
    """
    rejects: list[Reject] = []
    for name in figure.images:
        try:
            content = document.files.read(name)
            return name, decode_image(content, settings=settings, target=target), tuple(rejects)
        except RejectedError as error:
            path = document.files.prefix + name
            rejects.append(Reject(path, error.reason, error.detail, document.id, figure.id))
    return "", None, tuple(rejects)


def identify_image(content: bytes) -> str:
    """What a file is by its first bytes: "JPEG", "SVG", "PDF" …, "" where it is nothing that could be a picture."""
    for start, name in _SIGNATURES:
        if content.startswith(start):
            return name
    return _identify_other(content[:4096])


def is_picture(head: bytes) -> bool:
    """Whether a file that starts with `head` is in one of the formats that `decode_image` reads."""
    return identify_image(head) in _OPENERS


class _UnknownLayoutError(Exception):
    """A file of a known format with a kind of pixels that is not supported."""


_UNKNOWN_LAYOUT = (_UnknownLayoutError,)

# What Pillow raises for damaged files, found in its sources and by feeding it damaged files.
_DAMAGE = (
    OSError,  # among them UnidentifiedImageError
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    EOFError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)

_OPENERS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\x09\0\0\x03", "WMF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"\0\0\x01\0", "ICO"),
)

_LARGE_PIXELS = 16_000_000
_one_large_at_a_time = Lock()


def _identify_other(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] == b"\x01\0\0\0" and head[40:44] == b" EMF":
        return "EMF"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "AVIF" if brand[:3] == b"avi" else "HEIC" if brand[:3] in (b"hei", b"mif") else "video"
    if head[:2] == b"\x1f\x8b":
        return "SVG" if b"<svg" in _gunzip_head(head) else "gzip"
    text = head.lower()
    if b"<svg" in text or "<svg".encode("utf-16-le") in text or "<svg".encode("utf-16-be") in text:
        return "SVG"
    if b"<html" in text or b"<!doctype html" in text:
        return "HTML"
    return ""


def _gunzip_head(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 4096)
    except zlib.error:
        return b""


def _decode(content: bytes, name: str, settings: CorpusSettings, target: int | None) -> DecodedImage:
    try:
        return _load(content, name, settings, target)
    except (ValueError, SyntaxError):
        # A text or profile chunk that unpacks to more than Pillow allows, or is damaged; the picture may be sound.
        if name != "PNG":
            raise
        return _load(_without_metadata(content), name, settings, target)


def _load(content: bytes, name: str, settings: CorpusSettings, target: int | None) -> DecodedImage:
    if name == "WEBP":
        _check_webp_canvas(content, settings)
    with _open(content, name) as image:
        width, height = image.size
        _check_size(name, width, height, settings)
        # Several large pictures at once would need gigabytes.
        with _one_large_at_a_time if width * height > _LARGE_PIXELS else nullcontext():
            if target is not None:
                image.draft(None, (2 * target, 2 * target))
            image.load()
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                width, height = image.size  # Pillow has turned the page upright
                _make_black_zero(image)
            turn = _turn(image)
            rgb = to_rgb(_reduce(image, target))
    if turn is not None:
        rgb = rgb.transpose(turn)
        if turn in _SIDEWAYS:
            width, height = height, width
    return DecodedImage(rgb, width, height, name)


def _make_black_zero(page: TiffImagePlugin.TiffImageFile) -> None:
    """Pillow inverts pages that count from white, but not those of 16 bits."""
    if page.mode == "I;16" and page.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
        page.im = Image.fromarray(~np.asarray(page)).im


def _open(content: bytes, name: str) -> ImageFile:
    try:
        return _OPENERS[name](BytesIO(content))
    except SyntaxError as error:
        if "unknown pixel mode" in str(error) or "Unsupported BMP" in str(error):
            raise _UnknownLayoutError(_one_line(error)) from None
        raise


def _check_size(name: str, width: int, height: int, settings: CorpusSettings) -> None:
    if width * height > settings.max_image_pixels:
        limit = f"the limit is {settings.max_image_pixels:,} pixels (max_image_pixels)"
        raise RejectedError(IMAGE_TOO_LARGE, f"{name} of {width} x {height} pixels; {limit}")


def _check_webp_canvas(content: bytes, settings: CorpusSettings) -> None:
    """WebP is the one format that takes memory for the whole canvas as soon as it is opened."""
    if content[12:16] == b"VP8X" and len(content) >= 30:
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
        _check_size("WEBP", width, height, settings)


def _reduce(image: Image.Image, target: int | None) -> Image.Image:
    """The picture, made smaller by a whole factor where both sides stay at least `2 * target`."""
    factor = min(image.size) // (2 * target) if target else 1
    if factor < 2 or image.mode not in ("L", "RGB", "RGBA", "LA", "CMYK") or "transparency" in image.info:
        return image
    return image.reduce(factor)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]}
_ORIENTATION = 0x0112


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How to make the picture upright. Damaged EXIF data count as none."""
    try:
        return _TURNS.get(int(image.getexif().get(_ORIENTATION, 1)))
    except _DAMAGE:
        return None


def to_rgb(image: Image.Image) -> Image.Image:
    """Any picture of Pillow as RGB: transparency on white, deep channels scaled to 8 bits.

    Raises RejectedError (IMAGE_FORMAT) for colour spaces that cannot be converted.
    """
    if image.mode.startswith(("I", "F")):
        return _deep_to_rgb(image)
    if image.has_transparency_data:
        rgba = _with_byte_transparency(image).convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(rgba, mask=rgba.getchannel("A"))
        return paper
    if image.mode == "LAB":
        raise RejectedError(IMAGE_FORMAT, "colour space LAB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _with_byte_transparency(image: Image.Image) -> Image.Image:
    """A 16-bit PNG names its transparent colour in 16 bits while Pillow has kept the upper 8 of the pixels."""
    colour = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(colour, tuple) and max(colour) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    return image


def _deep_to_rgb(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = values >> 8 if values.dtype == np.uint16 else _scale(values)
    colour = image.info.get("transparency")
    if isinstance(colour, int):
        grey = np.where(values == colour, 255, grey)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _scale(values: np.ndarray) -> np.ndarray:
    """Values of a 32-bit or floating-point picture to 0…255: by the usual ranges, else from lowest to highest."""
    finite = np.isfinite(values)
    values = np.where(finite, values, 0)
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        for top in (1.0, 255.0, 65535.0):
            if high <= top and (top > 1.0 or values.dtype.kind == "f"):
                return values * (255.0 / top)
    return (values - low) * (255.0 / max(high - low, 1e-12))


_PNG_START = 8
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}


def _without_metadata(png: bytes) -> bytes:
    """The same PNG with the chunks that make the picture, and no others."""
    kept = [png[:_PNG_START]]
    start = _PNG_START
    while start + 12 <= len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] in _PNG_KEPT:
            kept.append(png[start:end])
        start = end
    return b"".join(kept)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
