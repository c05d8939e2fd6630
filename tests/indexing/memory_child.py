"""Builds an index of generated documents: python memory_child.py PAIRS FOLDER.

Prints the number of pairs, and peak memory in bytes after writing and at the end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from abs_index.corpus.document import Document, Reject
from abs_index.indexing.build import BuildOptions, index_documents
from abs_index.indexing.table import Table
from tests.fakes import FakeModel
from tests.indexing.helpers import make_document

FIGURES, MENTIONS = 5, 9

compact = Table.compact
peaks: list[int] = []


def note_peak() -> None:
    """From the process itself: what `resource` says may be of the process that it was started by."""
    status = Path("/proc/self/status").read_text()
    peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)  # type: ignore[index]


def compact_and_note(table: Table) -> None:
    """Compaction follows when everything is written."""
    note_peak()
    compact(table)


def documents(pairs: int) -> Iterator[tuple[str, Document | Reject]]:
    for number in range(pairs // (FIGURES * (1 + MENTIONS))):
        yield "tests", make_document(number, FIGURES, MENTIONS)


def main(pairs: int, folder: Path) -> None:
    Table.compact = compact_and_note  # type: ignore[method-assign]
    summary = index_documents(documents(pairs), folder, FakeModel(pair_dim=256), options=BuildOptions(workers=2))
    note_peak()
    sys.stdout.write(f"{summary.pairs} {peaks[0]} {peaks[1]}\n")
    sys.stderr.write(f"{summary.seconds}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
