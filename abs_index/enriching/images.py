"""Where the images of a user's documents come from: files below one folder, and hosts that the user has named."""

from __future__ import annotations

import os
import re
from pathlib import Path

from abs_index.corpus.folder import FolderFiles
from abs_index.corpus.rejects import IMAGE_MISSING
from abs_index.enriching.fetch import Fetcher
from abs_index.enriching.reasons import HOST_NOT_ALLOWED, NO_IMAGE_ROOT, OUTSIDE_ROOT, UNKNOWN_SCHEME
from abs_index.errors import RejectedError, UsageError
from abs_index.recipe import CorpusSettings

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://|(data):", re.IGNORECASE)


class ImageSource:
    """Reads images by the names that documents give them. Safe to use from several threads.

    Raises UsageError for a `root` that is no folder.
    """

    def __init__(self, root: Path | None, fetcher: Fetcher | None, settings: CorpusSettings) -> None:
        if root is not None and not root.is_dir():
            raise UsageError(f"--image-root {root}: no such folder")
        self._root = Path(os.path.realpath(root)) if root else None
        self._files = FolderFiles(root, settings) if root else None
        self._fetcher = fetcher

    def read(self, name: str) -> bytes:
        """The bytes of an image. Raises RejectedError: missing, outside the folder, host not allowed, too large …"""
        url = _URL.match(name)
        if url is None:
            return self._read_file(name)
        scheme = (url[1] or url[2]).lower()
        if scheme not in ("http", "https"):
            raise RejectedError(UNKNOWN_SCHEME, scheme)
        if self._fetcher is None:
            raise RejectedError(HOST_NOT_ALLOWED, "no host is; see --allow-host")
        return self._fetcher.fetch(name)

    def _read_file(self, name: str) -> bytes:
        if self._root is None or self._files is None:
            raise RejectedError(NO_IMAGE_ROOT, name[:200])
        if not _is_file_name(name):
            raise RejectedError(IMAGE_MISSING, "not the name of a file")
        # Resolving follows links and "..": what counts is where the file really is.
        real = Path(os.path.realpath(self._root / name))
        if name.startswith(("/", "~")) or not real.is_relative_to(self._root):
            raise RejectedError(OUTSIDE_ROOT, name[:200])
        if self._files.size(name) is None:
            raise RejectedError(IMAGE_MISSING, name[:200])
        return self._files.read(name)


def _is_file_name(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return "\0" not in name
