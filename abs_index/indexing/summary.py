"""What a build did, and what the index holds after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow.compute as pc

from abs_index.indexing.schema import Row
from abs_index.indexing.table import Table
from abs_index.labels import ABS


@dataclass(slots=True)
class Changes:
    """Documents of this run, by what had to be done with them; `embedded` counts images that went through the network.

    `amended` counts documents that were as the table had them, but for the words in their figures. `refused` counts
    files that were refused as a whole, `read` images in which words were looked for, `words` those found there, and
    `meant` texts that got a vector for search by meaning.
    """

    new: int = 0
    changed: int = 0
    amended: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: int = 0
    embedded: int = 0
    read: int = 0
    words: int = 0
    meant: int = 0

    def __str__(self) -> str:
        amended = f"{self.amended} read for words, " if self.amended else ""
        return f"{self.new} new, {self.changed} changed, {amended}{self.removed} removed, {self.unchanged} unchanged"


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """The index after a build: `documents`, `figures`, `images` (figures with a vector), `pairs`, `labels` and
    `rejects` are its whole content; `changes` and `seconds` are of this run.

    `seconds` a stage add up what several threads did at the same time; `total_seconds` is by the clock on the wall,
    and `images_per_second` counts images embedded in this run over it.
    """

    documents: int
    figures: int
    images: int
    pairs: int
    labels: dict[str, int]
    rejects: dict[str, int]
    changes: Changes
    version: int
    seconds: dict[str, float] = field(default_factory=dict)
    total_seconds: float = 0.0
    images_per_second: float = 0.0


def summarise(table: Table, changes: Changes, seconds: dict[str, float], total_seconds: float) -> BuildSummary:
    """Counts the content of a table, in one pass over three short columns."""
    labels = _count(table, "pair", "abs")
    images = sum(len(batch) - batch["image"].null_count for batch in table.batches("figure", ["image"]))
    return BuildSummary(
        documents=table.count("document"),
        figures=table.count("figure"),
        images=images,
        pairs=labels.total(),
        labels={label: labels[label] for label in ABS},
        rejects=dict(_count(table, "reject", "reason").most_common()),
        changes=changes,
        version=table.version,
        seconds={name: round(spent, 3) for name, spent in seconds.items()},
        total_seconds=round(total_seconds, 3),
        images_per_second=round(changes.embedded / total_seconds, 2) if total_seconds else 0.0,
    )


def _count(table: Table, row: Row, column: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for batch in table.batches(row, [column]):
        for entry in pc.value_counts(batch[column]).to_pylist():
            counted[entry["values"]] += entry["counts"]
    return counted
