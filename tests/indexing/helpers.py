"""Documents in memory, and what an index holds in a form that can be compared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from abs_index.corpus.document import Document, Figure, Mention, Text
from abs_index.corpus.rejects import IMAGE_MISSING
from abs_index.errors import RejectedError
from abs_index.indexing.table import Table


@dataclass
class MemoryFiles:
    """Files that are a dictionary; counts what is read."""

    content: dict[str, bytes]
    prefix: str = ""
    reads: list[str] = field(default_factory=list)

    def names(self) -> Iterator[str]:
        return iter(sorted(self.content))

    def list_folder(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(self.content)) if not folder else ()

    def size(self, name: str) -> int | None:
        return len(self.content[name]) if name in self.content else None

    def read(self, name: str, limit: int | None = None) -> bytes:
        self.reads.append(name)
        if name not in self.content:
            raise RejectedError(IMAGE_MISSING, name)
        return self.content[name]


def png(*color: int) -> bytes:
    """A PNG of 6 × 4 pixels, two-coloured so that no two give parallel vectors."""
    red, green, blue = (value % 256 for value in color)
    image = Image.new("RGB", (6, 4), (red, green, blue))
    image.paste((255 - red, green, 255 - blue), (0, 0, 2, 2))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def make_document(number: int, figures: int = 2, mentions: int = 1, caption: str = "Overview") -> Document:
    """A document with images of its own and `figures * (1 + mentions)` pairs."""
    images = {f"{number}-{at}.png": png(number * 7, at * 40, number // 256 + 5) for at in range(figures)}
    return Document(
        id=f"doc-{number}",
        path=f"{number}.xml",
        name=f"{number}.xml",
        format="jats",
        files=MemoryFiles(images),
        source="tests",
        title=f"Study {number}",
        year=2000 + number % 20,
        authors=("A. Author", "B. Author"),
        figures=tuple(
            Figure(f"f{at}", f"Figure {at}", Text(f"{caption} {at} of {number}", "raw"), images=(name,))
            for at, name in enumerate(images)
        ),
        mentions=tuple(
            Mention(Text(f"As Figure {at} shows in turn {turn}", "raw"), (f"f{at}",), "Results")
            for at in range(figures)
            for turn in range(mentions)
        ),
    )


@dataclass(frozen=True)
class Content:
    """All that must be equal for two indexes to be the same one."""

    documents: dict[str, str]
    labels: dict[str, tuple[str, str]]
    rejects: list[tuple[str, str, str, str]]
    figure_vectors: dict[tuple[str, str], np.ndarray]
    pair_vectors: dict[str, np.ndarray]

    def assert_same(self, other: Content) -> None:
        assert self.documents == other.documents
        assert self.labels == other.labels
        assert self.rejects == other.rejects
        for mine, theirs in ((self.figure_vectors, other.figure_vectors), (self.pair_vectors, other.pair_vectors)):
            assert mine.keys() == theirs.keys()
            for key, vector in mine.items():
                np.testing.assert_allclose(vector, theirs[key], atol=1e-3)


def content_of(table: Table) -> Content:
    """The content of a table. Fails where a document, figure or pair is in it twice."""
    pairs = list(_rows(table, "pair", ["pair", "abs", "kind", "pair_embedding"]))
    figures = list(_rows(table, "figure", ["document", "figure", "image_embedding"]))
    documents = list(_rows(table, "document", ["document", "fingerprint"]))
    rejects = _rows(table, "reject", ["document", "path", "figure", "reason"])
    labels = {row["pair"]: (row["abs"], row["kind"]) for row in pairs}
    assert len(labels) == len(pairs)
    vectors = {(row["document"], row["figure"]): np.array(row["image_embedding"], dtype=float) for row in figures}
    assert len(vectors) == len(figures)
    assert len({row["document"] for row in documents}) == len(documents)
    return Content(
        {row["document"]: row["fingerprint"] for row in documents},
        labels,
        sorted((row["document"], row["path"], row["figure"], row["reason"]) for row in rejects),
        vectors,
        {row["pair"]: np.array(row["pair_embedding"]) for row in pairs},
    )


def _rows(table: Table, row: str, columns: list[str]) -> Iterator[dict]:
    for batch in table.batches(row, columns):
        yield from batch.to_pylist()
