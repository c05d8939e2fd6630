"""Archives of the corpus: what is one, by its content, and how it is opened."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import Literal
from zipfile import is_zipfile

from abs_index.corpus.archive_tar import TarFiles
from abs_index.corpus.archive_zip import ZipFiles
from abs_index.recipe import CorpusSettings

ArchiveKind = Literal["zip", "tar"]
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
OTHER_ARCHIVE_SUFFIXES = (".7z", ".rar", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".xml.gz", ".nxml.gz")
"""Archives that are not read, which is worth saying to those who have their documents in one."""

# Office files, EPUB, Java and the like are zips too: their first member tells them apart.
_NOT_PACKAGES = (b"[Content_Types].xml", b"mimetype", b"_rels/", b"docProps/", b"META-INF/", b"word/", b"xl/", b"ppt/")
_ZIP_NAME = 30


def archive_kind(head: bytes) -> ArchiveKind | None:
    """Whether a file that starts with `head` (some KiB) is an archive that may hold documents."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None if head[_ZIP_NAME:].startswith(_NOT_PACKAGES) else "zip"
    if head.startswith(b"\x1f\x8b"):
        return "tar" if _is_tar(_gunzip_head(head)) else None
    return "tar" if _is_tar(head) else None


def is_zip(path: Path) -> bool:
    """Whether a file is a zip whatever it starts with: self-extracting, with another file in front, or in a folder
    that office files have too. Slower than `archive_kind`."""
    try:
        return is_zipfile(path)
    except OSError:
        return False


def is_empty_archive(head: bytes) -> bool:
    """Whether a file that starts with `head` is a tar archive without members: nothing but zeros."""
    content = _gunzip_head(head) if head.startswith(b"\x1f\x8b") else head
    return len(content) >= tarfile.BLOCKSIZE and not content.strip(b"\0")


def open_archive(path: Path, kind: ArchiveKind, prefix: str, settings: CorpusSettings) -> ZipFiles | TarFiles:
    """The archive at `path`; `prefix` is its path below the corpus with "/" behind it.

    Raises RejectedError (DAMAGED_ARCHIVE, ARCHIVE_TOO_LARGE, UNREADABLE) where it is refused as a whole, StorageError
    where there is no room to unpack it.
    """
    return ZipFiles(path, prefix, settings) if kind == "zip" else TarFiles(path, prefix, settings)


def _is_tar(head: bytes) -> bool:
    """By the checksum of the first header: old archives have no magic number."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _gunzip_head(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, tarfile.BLOCKSIZE)
    except zlib.error:
        return b""
