"""Tar archives: plain ones are read where they lie, compressed ones from an anonymous temporary file."""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import weakref
import zlib
from contextlib import ExitStack
from typing import IO, NamedTuple

from abs_index.corpus.archive_members import ArchiveFiles, check_unpacked_size, safe_name
from abs_index.corpus.rejects import DAMAGED_ARCHIVE, UNREADABLE, UNSAFE_MEMBER
from abs_index.errors import RejectedError, StorageError

_CHUNK = 2**20
_GZIP = b"\x1f\x8b"


class _Place(NamedTuple):
    """Where the bytes of a member lie in the (uncompressed) archive."""

    offset: int
    size: int


class TarFiles(ArchiveFiles[_Place]):
    """One tar archive, gzip-compressed or not. An archive that is cut off is refused as a whole.

    A compressed archive is unpacked once, into a file without a name that goes away with the instance; members are
    then read by their offsets, from several threads at once.
    """

    def _scan(self) -> None:
        file = self._open()
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        self._end = os.fstat(self._descriptor).st_size
        file.seek(0)
        try:
            self._scan_headers(file)
        except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
            raise RejectedError(DAMAGED_ARCHIVE, f"tar: {error}") from None

    def _open(self) -> IO[bytes]:
        """The uncompressed archive."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise RejectedError(UNREADABLE, error.strerror or str(error)) from None
        if file.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
            return file
        with file, ExitStack() as on_error:
            try:
                unpacked = on_error.enter_context(tempfile.TemporaryFile(prefix="abs-index-"))
                self._unpack(file, unpacked)
                unpacked.flush()
            except OSError as error:
                raise StorageError(
                    f"{self.path}: cannot be unpacked into {tempfile.gettempdir()} ({error.strerror}); "
                    "make room there, or name another folder in TMPDIR"
                ) from None
            on_error.pop_all()
            return unpacked

    def _unpack(self, packed: IO[bytes], unpacked: IO[bytes]) -> None:
        packed_size = os.fstat(packed.fileno()).st_size
        size = 0
        with gzip.GzipFile(fileobj=packed) as stream:
            while chunk := self._decompress(stream, size):
                size += len(chunk)
                check_unpacked_size(size, packed_size, self._settings)
                unpacked.write(chunk)

    def _decompress(self, stream: gzip.GzipFile, done: int) -> bytes:
        """The next piece. Like gzip itself, nothing is made of what comes behind the compressed data."""
        try:
            return stream.read1(_CHUNK)
        except gzip.BadGzipFile as error:
            if done and "Not a gzipped file" in str(error):
                return b""
            raise RejectedError(DAMAGED_ARCHIVE, f"gzip: {error}") from None
        except (EOFError, zlib.error, OSError) as error:
            raise RejectedError(DAMAGED_ARCHIVE, f"gzip: {error}") from None

    def _scan_headers(self, file: IO[bytes]) -> None:
        links: set[str] = set()
        places: list[tuple[str, _Place]] = []
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header of a large archive
                self._sort_in(member, links, places)
            # tarfile takes a damaged header in the middle for the end of the archive.
            if os.pread(self._descriptor, tarfile.BLOCKSIZE, tar.offset).strip(b"\0"):
                raise tarfile.ReadError(f"damaged header at byte {tar.offset}")
        for name, place in places:
            if _is_below(name, links):
                self._refuse(name, UNSAFE_MEMBER, "below a link")
            else:
                self._add(name, place)

    def _sort_in(self, member: tarfile.TarInfo, links: set[str], places: list[tuple[str, _Place]]) -> None:
        name = _as_text(member.name)
        if member.isdir():
            return
        if member.issym() or member.islnk():
            links.add(safe_name(name) or name)
            self._refuse(name, UNSAFE_MEMBER, f"a link to {_as_text(member.linkname)}")
        elif not member.isreg() or member.issparse():
            self._refuse(name, UNSAFE_MEMBER, "a sparse file" if member.issparse() else "a device or a pipe")
        elif member.offset_data + member.size > self._end:
            raise tarfile.ReadError("unexpected end of data")
        else:
            places.append((name, _Place(member.offset_data, member.size)))

    def _size(self, member: _Place) -> int:
        return member.size

    def _read(self, member: _Place, length: int) -> bytes:
        try:
            content = os.pread(self._descriptor, length, member.offset)
        except OSError as error:
            raise RejectedError(UNREADABLE, error.strerror or str(error)) from None
        if len(content) < length:
            raise RejectedError(DAMAGED_ARCHIVE, "tar: shorter than when it was opened")
        return content


def _is_below(name: str, links: set[str]) -> bool:
    parts = name.split("/")
    return bool(links) and any("/".join(parts[:length]) in links for length in range(1, len(parts)))


def _as_text(name: str) -> str:
    """Names that are not UTF-8 are read as Latin-1, which old archives mean by them."""
    return name if name.isascii() else _decode(name.encode("utf-8", "surrogateescape"))


def _decode(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")
