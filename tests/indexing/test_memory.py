"""Memory does not grow with the corpus: builds of generated documents, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.corpus.document import Document, Reject
from abs_index.indexing.build import BuildOptions, index_documents
from benchmarks.build_memory import measure
from tests.fakes import FakeModel
from tests.indexing.helpers import make_document

MEGABYTE = 2**20


def test_peak_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    small = measure(10_000, tmp_path / "small")
    large = measure(100_000, tmp_path / "large")
    size = sum(path.stat().st_size for path in (tmp_path / "large" / "table.lance" / "data").iterdir())
    assert size > 100 * MEGABYTE, "enough to be seen, if it were held in memory"
    assert large["written"] < 1.1 * small["written"]
    # Compaction and publishing work through buffers of a fixed size, which the small index does not fill.
    assert large["end"] < small["end"] + 160 * MEGABYTE


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
