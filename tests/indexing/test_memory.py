"""Memory does not grow with the corpus: builds of generated documents, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from abs_index.corpus.document import Document, Reject
from abs_index.indexing.build import BuildOptions, index_documents
from tests.fakes import FakeModel
from tests.indexing.helpers import make_document

CHILD = Path(__file__).with_name("memory_child.py")
MEGABYTE = 2**20


@dataclass(frozen=True)
class Peaks:
    """Peak memory in bytes: when everything was written to the table, and at the end."""

    written: int
    end: int


def build(pairs: int, folder: Path) -> Peaks:
    environment = {**os.environ, "PYTHONPATH": str(CHILD.parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, str(CHILD), str(pairs), str(folder)], stdout=subprocess.PIPE, env=environment, check=True
    )
    made, written, end = map(int, child.stdout.split())
    assert made == pairs
    return Peaks(written, end)


def test_peak_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    small = build(10_000, tmp_path / "small")
    large = build(100_000, tmp_path / "large")
    size = sum(path.stat().st_size for path in (tmp_path / "large" / "table.lance" / "data").iterdir())
    assert size > 100 * MEGABYTE, "enough to be seen, if it were held in memory"
    assert large.written < 1.1 * small.written
    # Compaction and publishing work through buffers of a fixed size, which the small index does not fill.
    assert large.end < small.end + 160 * MEGABYTE


def test_documents_are_read_only_as_they_are_needed(tmp_path: Path) -> None:
    """Reading never runs further ahead of writing than the queues are long."""
    read = 0
    distance = []

    def documents() -> Iterator[tuple[str, Document | Reject]]:
        nonlocal read
        for number in range(400):
            read += 1
            yield "tests", make_document(number, figures=4)

    options = BuildOptions(batch_size=4, workers=2)
    index_documents(
        documents(), tmp_path, FakeModel(), options=options, progress=lambda done: distance.append(read - done)
    )
    assert len(distance) == 400
    assert max(distance) < 60


@pytest.mark.parametrize("figures", [0, 1])
def test_documents_without_images_do_not_pile_up(tmp_path: Path, figures: int) -> None:
    """Nor do they wait for a batch of images that never fills."""
    read = 0
    distance = []

    def documents() -> Iterator[tuple[str, Document | Reject]]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield "tests", make_document(number, figures=figures if number % 50 == 0 else 0)

    index_documents(
        documents(),
        tmp_path,
        FakeModel(),
        options=BuildOptions(batch_size=8),
        progress=lambda done: distance.append(read - done),
    )
    assert max(distance) < 250
