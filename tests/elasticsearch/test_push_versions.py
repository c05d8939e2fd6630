"""What `push` compares: a document is sent again when anything that stands on its pairs has changed."""

from __future__ import annotations

from pathlib import Path

from abs_index.indexing.elasticsearch.documents import Version, versions
from abs_index.indexing.table import Table
from tests.search.tables import DocumentRow, FigureRow, PairRow, write_index


def versions_of(folder: Path, *texts: str | None) -> dict[str, Version]:
    """Versions of two documents; the first has a figure for each of the texts, in this order."""
    figures = [FigureRow(f"f{text}", [PairRow("zebra")], figure_text=text) for text in texts]
    documents = [DocumentRow("a", figures), DocumentRow("b", [FigureRow("f1", [PairRow("horse")])])]
    return versions(Table.open_published(write_index(folder, documents)))


def test_words_that_were_read_in_figures_are_part_of_the_version(tmp_path: Path) -> None:
    unread, none, some, others, turned = (
        versions_of(tmp_path / str(number), *texts)
        for number, texts in enumerate([(None,), ("",), ("x axis", ""), ("y axis", ""), ("", "x axis")])
    )
    assert unread == none == {"a": Version("a", 1), "b": Version("b", 1)}
    assert some["b"] == others["b"] == unread["b"]
    assert len({unread["a"], some["a"], others["a"]}) == 3
    assert some["a"] == turned["a"]
