"""Files with contents, in memory: what readers that look at neighbouring files are tested with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from abs_index.corpus.rejects import UNREADABLE
from abs_index.errors import RejectedError


class ContentFiles:
    """`Files` made of a mapping from names to contents."""

    prefix = ""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = dict(contents)

    def names(self) -> Iterator[str]:
        return iter(sorted(self._contents))

    def list_folder(self, folder: str) -> tuple[str, ...]:
        return tuple(name for name in self.names() if name.rpartition("/")[0] == folder)

    def size(self, name: str) -> int | None:
        content = self._contents.get(name)
        return None if content is None else len(content)

    def read(self, name: str, limit: int | None = None) -> bytes:
        if name not in self._contents:
            raise RejectedError(UNREADABLE, name)
        return self._contents[name]
