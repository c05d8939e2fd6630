"""A folder tree of the corpus. Nothing outside it is ever read, whatever links say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from abs_index.corpus.document import Reject
from abs_index.corpus.files import is_junk
from abs_index.corpus.rejects import TOO_LARGE, UNREADABLE, UNSAFE_MEMBER
from abs_index.errors import RejectedError
from abs_index.recipe import CorpusSettings

_LISTINGS_KEPT = 256


class FolderFiles:
    """The files below a folder, as `abs_index.corpus.files.Files`.

    A link to a file inside the folder is read like that file; links to folders are not walked into, so that nothing is
    found twice; links that lead out of the folder are never followed. Listings are kept for a while: an instance is
    for one pass over a corpus that does not change meanwhile.
    """

    def __init__(self, root: Path, settings: CorpusSettings) -> None:
        self._root = os.path.realpath(root)
        self._settings = settings
        self._listing = lru_cache(maxsize=_LISTINGS_KEPT)(self._list)
        self._real_folder = lru_cache(maxsize=_LISTINGS_KEPT)(lambda folder: self._resolve(f"{self._root}/{folder}"))

    def __reduce__(self) -> tuple[type[FolderFiles], tuple[Path, CorpusSettings]]:
        return FolderFiles, (Path(self._root), self._settings)

    @property
    def prefix(self) -> str:
        """Nothing: names of a folder are paths below the corpus already."""
        return ""

    def walk(self) -> Iterator[str | Reject]:
        """All regular files, sorted as `names()`, and between them a reject for each entry that cannot be read."""
        yield from self._walk("")

    def names(self) -> Iterator[str]:
        """All regular files, sorted, without junk."""
        return (entry for entry in self.walk() if isinstance(entry, str))

    def list_folder(self, folder: str) -> tuple[str, ...]:
        """The files directly in `folder`; () where there is no such folder, or none inside."""
        return self._listing(folder)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is no such regular file inside."""
        real = self._inside(name)
        try:
            status = Path(real).stat() if real else None
        except OSError:
            return None
        return status.st_size if status and stat.S_ISREG(status.st_mode) else None

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The whole file. Raises RejectedError: UNREADABLE (missing, no permission, a pipe), TOO_LARGE."""
        largest = self._settings.max_file_bytes if limit is None else limit
        content = self.head(name, largest + 1)
        if len(content) > largest:
            raise RejectedError(TOO_LARGE, f"more than {largest:,} bytes (max_file_bytes)")
        return content

    def head(self, name: str, length: int) -> bytes:
        """The first `length` bytes of a file, fewer where it is shorter. Raises RejectedError (UNREADABLE)."""
        real = self._inside(name)
        if real is None:
            raise RejectedError(UNREADABLE, "leads out of the corpus")
        try:
            with open(real, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise RejectedError(UNREADABLE, "not a regular file")
                return file.read(length)
        except OSError as error:
            raise RejectedError(UNREADABLE, error.strerror or str(error)) from None

    def path(self, name: str) -> Path:
        """Where a file of `names()` lies on disk."""
        return Path(self._root, name)

    def _inside(self, name: str) -> str | None:
        """The real path of a name; None where it leads out of the folder or is junk."""
        if "\0" in name or any(map(is_junk, name.split("/"))):
            return None
        folder, _, base = name.rpartition("/")
        real_folder = self._real_folder(folder)
        if real_folder is None or base in ("", "."):
            return real_folder
        path = f"{real_folder}/{base}"
        return self._resolve(path) if base == ".." or os.path.islink(path) else path  # noqa: PTH114  called often

    def _resolve(self, path: str) -> str | None:
        real = os.path.realpath(path)
        return real if os.path.commonpath((real, self._root)) == self._root else None

    def _list(self, folder: str) -> tuple[str, ...]:
        real = self._inside(folder)
        if real is None:
            return ()
        try:
            with os.scandir(real) as entries:
                found = [entry.name for entry in entries if not is_junk(entry.name) and _is_text(entry.name)]
        except OSError:
            return ()
        start = f"{folder}/" if folder else ""
        return tuple(sorted(start + name for name in found if self.size(start + name) is not None))

    def _walk(self, folder: str) -> Iterator[str | Reject]:
        start = f"{folder}/" if folder else ""
        try:
            with os.scandir(self.path(folder)) as entries:
                found = [entry for entry in entries if not is_junk(entry.name)]
        except OSError as error:
            yield Reject(_readable(folder), UNREADABLE, error.strerror or str(error))
            return
        # With "/" behind folders the walk is in the order of whole paths.
        for entry in sorted(found, key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False)):
            name = start + entry.name
            if not _is_text(entry.name):
                yield Reject(_readable(name), UNREADABLE, "the name is not UTF-8")
            elif entry.is_symlink():
                yield from self._follow(name)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._walk(name)
            elif entry.is_file(follow_symlinks=False):
                yield name
            else:
                yield Reject(name, UNREADABLE, "not a regular file")

    def _follow(self, name: str) -> Iterator[str | Reject]:
        if self._inside(name) is None:
            yield Reject(name, UNSAFE_MEMBER, "a link that leads out of the corpus")
        elif self.size(name) is not None:
            yield name
        elif not self.path(name).exists():
            yield Reject(name, UNREADABLE, "a link to nothing")


def _open_at_once(path: str, flags: int) -> int:
    """Without O_NONBLOCK, opening a pipe waits for a writer that never comes."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_text(name: str) -> bool:
    """Whether a name can be written into an index: names that are not UTF-8 come with lone surrogates."""
    return name.isascii() or _readable(name) == name


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
