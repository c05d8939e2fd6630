"""Documents that a server refused, with the reason: a file of JSON lines, written while a load runs."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from abs_index.errors import StorageError


class DeadLetters:
    """Writes one line {id, document, status, reason} for each. The file is made, or replaced, with the first of them.

    `ids` are those of the documents, `first` the first one in words. Safe to share between threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: list[str] = []
        self.first = ""
        self._lock = Lock()
        self._file: BinaryIO | None = None

    def add(self, id: str, body: bytes | None, status: int, reason: str) -> None:  # noqa: A002 (the key in the file)
        """One more. `body` is the JSON of the document, None where it should have been deleted.

        Raises StorageError where it cannot be written.
        """
        line = orjson.dumps(
            {"id": id, "status": status, "reason": reason, "document": None if body is None else orjson.Fragment(body)}
        )
        with self._lock:
            self.ids.append(id)
            self.first = self.first or f"{id}: {reason}"
            try:
                self._file = self._file or self.path.open("wb")
                self._file.write(line + b"\n")
                self._file.flush()
            except OSError as error:
                raise StorageError(
                    f"{self.path}: refused documents cannot be written down ({error.strerror}); name another file by "
                    "--dead-letters"
                ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
