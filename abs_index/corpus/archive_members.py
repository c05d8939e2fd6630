"""What zip and tar have in common: members under safe names, read where they lie, within limits."""

from __future__ import annotations

import posixpath
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from abs_index.corpus.document import Reject
from abs_index.corpus.files import is_junk
from abs_index.corpus.rejects import ARCHIVE_TOO_LARGE, TOO_LARGE, UNREADABLE, UNSAFE_MEMBER
from abs_index.errors import RejectedError
from abs_index.recipe import CorpusSettings

Member = TypeVar("Member")

_DRIVE = re.compile(r"[A-Za-z]:")
_RATIO_COUNTS_FROM = 64 * 2**20


class ArchiveFiles(ABC, Generic[Member]):
    """One archive as `abs_index.corpus.files.Files`. Nothing is ever written under a member's name.

    `rejects` are the members that are refused (unsafe names, links, devices, encrypted); the others are read. Where
    two members have the same name, the later one counts, as it would after unpacking.
    """

    def __init__(self, path: Path, prefix: str, settings: CorpusSettings) -> None:
        """Opens the archive at `path`. Raises RejectedError where it is refused as a whole."""
        self.path = path
        self._prefix = prefix
        self._settings = settings
        self._rejects: list[Reject] = []
        self._members: dict[str, Member] = {}
        self._scan()
        self._names = sorted(self._members)
        self._folders: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._folders[posixpath.dirname(name)].append(name)

    def __reduce__(self) -> tuple[type[ArchiveFiles[Member]], tuple[Path, str, CorpusSettings]]:
        return type(self), (self.path, self._prefix, self._settings)

    @property
    def prefix(self) -> str:
        """The archive's path below the corpus, with "/" behind it."""
        return self._prefix

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """Members that are refused, sorted."""
        return tuple(sorted(self._rejects, key=lambda reject: (reject.path, reject.detail)))

    def names(self) -> Iterator[str]:
        """All regular members with safe names, sorted, without junk."""
        return iter(self._names)

    def list_folder(self, folder: str) -> tuple[str, ...]:
        """The members directly in `folder`, sorted; () where there is no such folder."""
        return tuple(self._folders.get(folder, ()))

    def size(self, name: str) -> int | None:
        """Bytes of a member, unpacked; None where there is no such member."""
        member = self._members.get(name)
        return None if member is None else self._size(member)

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The whole member. Raises RejectedError: UNREADABLE (missing), TOO_LARGE, DAMAGED_ARCHIVE."""
        largest = self._settings.max_file_bytes if limit is None else limit
        size = self.size(name)
        if size is not None and size > largest:
            raise RejectedError(TOO_LARGE, f"{size:,} bytes; the limit is {largest:,} (max_file_bytes)")
        return self.head(name, size or 0)

    def head(self, name: str, length: int) -> bytes:
        """The first `length` bytes of a member, fewer where it is shorter. Raises RejectedError as `read`."""
        member = self._members.get(name)
        if member is None:
            raise RejectedError(UNREADABLE, f"no member {name!r} in the archive")
        return self._read(member, min(length, self._size(member)))

    @abstractmethod
    def _scan(self) -> None:
        """Finds all members, by `_add` and `_refuse`."""

    @abstractmethod
    def _size(self, member: Member) -> int: ...

    @abstractmethod
    def _read(self, member: Member, length: int) -> bytes: ...

    def _add(self, raw_name: str, member: Member) -> None:
        name = safe_name(raw_name)
        if name is None:
            self._refuse(raw_name, UNSAFE_MEMBER, "a name that leads out of the archive")
        elif not _is_junk_path(name):
            self._members[name] = member

    def _refuse(self, raw_name: str, reason: str, detail: str) -> None:
        if not _is_junk_path(raw_name):
            self._rejects.append(Reject(self._prefix + raw_name, reason, detail))


def safe_name(raw_name: str) -> str | None:
    """A member's name as a plain relative path, None where it would lead out of the archive.

    >>> safe_name("./pkg//a.xml"), safe_name("pkg\\\\a.xml"), safe_name("../a.xml"), safe_name("C:/a.xml")
    ('pkg/a.xml', 'pkg/a.xml', None, None)
    """
    name = raw_name.replace("\\", "/")
    if not name or "\0" in name or name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        return None
    name = posixpath.normpath(name)
    return None if name == "." else name


def check_unpacked_size(unpacked: int, packed: int, settings: CorpusSettings) -> None:
    """Raises RejectedError (ARCHIVE_TOO_LARGE) where an archive is a bomb by its size or by its ratio."""
    if unpacked > settings.max_archive_bytes:
        limit = f"the limit is {settings.max_archive_bytes:,} (max_archive_bytes)"
        raise RejectedError(ARCHIVE_TOO_LARGE, f"more than {unpacked - 1:,} bytes; {limit}")
    if unpacked > _RATIO_COUNTS_FROM and unpacked > packed * settings.max_archive_ratio:
        limit = f"the limit is {settings.max_archive_ratio} to 1 (max_archive_ratio)"
        raise RejectedError(ARCHIVE_TOO_LARGE, f"{unpacked:,} bytes or more from {packed:,}; {limit}")


def _is_junk_path(name: str) -> bool:
    return any(map(is_junk, name.split("/")))
