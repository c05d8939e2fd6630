"""What an enrichment did: counts, a few rows to look at, and files that say what was left out and why."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from abs_index.enriching.elements import Json
from abs_index.errors import UsageError

_SAMPLE = 8


@dataclass(slots=True)
class EnrichSummary:
    """Counts of this run.

    `figures` are labelled, unchanged (labels of the same input are there) or rejected, by reason. `documents` were
    read, `written` of them updated, `refused` of those updates by the server for good. `conflicts` counts documents
    that somebody changed in between and that were read again. `without_vectors` are figures that share a document or
    nested object with others, where there can be no vectors; `without_words` got labels although the words in their
    images could not be read. `sample` holds rows of the first labelled figures.
    """

    index: str = ""
    documents: int = 0
    written: int = 0
    figures: int = 0
    labelled: int = 0
    unchanged: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    conflicts: int = 0
    without_vectors: int = 0
    without_words: int = 0
    added_fields: tuple[str, ...] = ()
    dry_run: bool = False
    encoded: int = 0
    seconds: float = 0.0
    sample: list[Json] = field(default_factory=list)

    def add_label(self, row: Json) -> None:
        """Counts a labelled figure; the rows of the first few are kept."""
        self.figures += 1
        self.labelled += 1
        for counts, name in ((self.labels, row["abs"]), (self.kinds, row["kind"])):
            counts[name] = counts.get(name, 0) + 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(row)

    def add_reject(self, reason: str) -> None:
        """Counts a figure that gets no labels."""
        self.figures += 1
        self.rejects[reason] = self.rejects.get(reason, 0) + 1


class RejectsFile:
    """A file of JSON lines, or nothing where no path is given. A line is on disk as soon as it is written."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            try:
                self._file = path.open("w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise UsageError(f"--rejects {path}: {error.strerror}") from None

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: Json) -> None:
        """Adds a line."""
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")

    def restart(self) -> None:
        """Forgets all lines, because everything is read once more."""
        if self._file is not None:
            with suppress(OSError):  # what is no ordinary file (/dev/stdout) keeps its lines
                self._file.truncate(0)
                self._file.seek(0)
