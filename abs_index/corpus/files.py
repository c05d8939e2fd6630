"""Where documents and images lie: a folder tree or an archive, read in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

_JUNK_FILES = frozenset((".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"))
_JUNK_FOLDERS = frozenset(("__macosx", ".appledouble", ".trashes", ".spotlight-v100", ".fseventsd"))
_TOOL_FOLDERS = frozenset((".git", ".hg", ".svn", ".ipynb_checkpoints"))
_JUNK_STARTS = ("._", "~$", ".~lock.")  # the forks of macOS, the locks of office programs
_JUNK = _JUNK_FILES | _JUNK_FOLDERS | _TOOL_FOLDERS


def is_junk(part: str) -> bool:
    """Whether a file or folder of this name is what desktops and tools leave behind: never content, never counted."""
    return part.startswith(_JUNK_STARTS) or part.endswith("~") or part.lower() in _JUNK


class Files(Protocol):
    """A folder tree or one archive of the corpus, as a flat set of safe relative names ("media/a.png").

    Instances can be pickled (they reopen what they need), so that documents can travel to another process, and are
    safe to read from several threads.
    """

    @property
    def prefix(self) -> str:
        """What stands before a name to make the path as in the corpus: "" or "packages/pmc1.tar.gz/"."""
        ...

    def names(self) -> Iterator[str]:
        """All regular files, sorted, without junk (`__MACOSX`, `._*`, `.DS_Store`, `Thumbs.db`)."""
        ...

    def list_folder(self, folder: str) -> tuple[str, ...]:
        """Names, as in `names()`, of the files directly in `folder` ("" is the top), sorted; () where there is none."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of the (uncompressed) file, or None where there is no such file."""
        ...

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The whole content. `limit` overrides the largest allowed size in bytes.

        Raises RejectedError (missing, unsafe, too large, damaged).
        """
        ...
