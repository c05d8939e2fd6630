"""Zip archives, read where they lie."""

from __future__ import annotations

import stat
import zlib
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from abs_index.corpus.archive_members import ArchiveFiles, check_unpacked_size
from abs_index.corpus.rejects import DAMAGED_ARCHIVE, UNREADABLE, UNSAFE_MEMBER
from abs_index.errors import RejectedError

_ENCRYPTED = 0x1
_UTF8 = 0x800


class ZipFiles(ArchiveFiles[ZipInfo]):
    """One zip archive. Sizes are those of its directory: a member that holds more is damaged, not read on."""

    def _scan(self) -> None:
        try:
            packed = self.path.stat().st_size
            self._zip = ZipFile(self.path)
        except OSError as error:
            raise RejectedError(UNREADABLE, error.strerror or str(error)) from None
        except (BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise RejectedError(DAMAGED_ARCHIVE, f"zip: {error}") from None
        members = self._zip.infolist()
        check_unpacked_size(sum(member.file_size for member in members), packed, self._settings)
        for member in members:
            member.filename = _read_name(member)
            self._add_member(member)

    def _add_member(self, member: ZipInfo) -> None:
        if member.is_dir():
            return
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            self._refuse(member.filename, UNSAFE_MEMBER, "a link or a device")
        elif member.flag_bits & _ENCRYPTED:
            self._refuse(member.filename, UNREADABLE, "encrypted")
        elif member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            # The other methods unpack a block of any size at once, which no limit can stop.
            self._refuse(member.filename, UNREADABLE, f"compression method {member.compress_type}, not deflate")
        else:
            self._add(member.filename, member)

    def _size(self, member: ZipInfo) -> int:
        return member.file_size

    def _read(self, member: ZipInfo, length: int) -> bytes:
        try:
            with self._zip.open(member) as file:
                content = file.read(length)
        except (BadZipFile, EOFError, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise RejectedError(DAMAGED_ARCHIVE, f"zip: {error or 'member cut off'}") from None
        if len(content) < length:
            raise RejectedError(DAMAGED_ARCHIVE, "zip: member shorter than its directory says")
        return content


def _read_name(member: ZipInfo) -> str:
    """The name; UTF-8 also where the archive does not say so, which many programs forget."""
    if member.flag_bits & _UTF8 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename
