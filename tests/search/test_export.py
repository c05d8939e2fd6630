from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from abs_index.errors import StorageError, UsageError
from abs_index.indexing.table import Table
from abs_index.search.export import export, rejects, replacing
from tests.search.tables import DocumentRow, FigureRow, PairRow, write_index


@pytest.fixture
def table(tmp_path: Path) -> Table:
    figures = [
        FigureRow("f1", [PairRow("zébra", raw="z", cmi=0.25), PairRow("horse")], label="Fig. 1", figure_text=""),
        FigureRow("f2"),
    ]
    documents = [
        DocumentRow("a", figures, title="T", year=2001, rejects=[("image damaged", "cut off")]),
        DocumentRow("b", [FigureRow("f1", embedded=False)]),
        DocumentRow("c"),
    ]
    return Table.open_published(write_index(tmp_path / "index", documents))


def lines(table: Table, what: str) -> list[dict]:
    out = io.BytesIO()
    count = export(table, what, "jsonl", out)  # type: ignore[arg-type]
    rows = [json.loads(line) for line in out.getvalue().decode().splitlines()]
    assert count == len(rows)
    return rows


def test_pairs_have_an_id_texts_and_probabilities(table: Table) -> None:
    rows = lines(table, "pairs")
    assert [row["id"] for row in rows] == ["a-f1-0", "a-f1-1"]
    first = rows[0]
    assert (first["document"], first["figure"], first["label"]) == ("a", "f1", "Fig. 1")
    assert (first["text"], first["text_raw"], first["abs"], first["year"]) == ("zébra", "z", "equal", 2001)
    assert (first["kind"], first["cmi"], first["figure_text"]) == ("plot", 0.25, "")
    assert first["abs_prob"] == pytest.approx({"image_more_abstract": 0.1, "text_more_abstract": 0.1, "equal": 0.8})


def test_figures_are_there_without_pairs_and_without_images(table: Table) -> None:
    rows = lines(table, "figures")
    assert [(row["id"], row["key"]) for row in rows] == [("f1", "a#f1"), ("f2", "a#f2"), ("f1", "b#f1")]
    assert rows[2]["image"] is None
    assert (rows[0]["images"], rows[0]["width"], rows[0]["format"]) == (["images/f1.png"], 24, "PNG")
    assert rows[0]["group"] is None
    assert [row["figure_text"] for row in rows] == ["", None, None]  # read without finding words; not read


def test_documents_count_what_they_hold(table: Table) -> None:
    counted = [(row["id"], row["figures"], row["pairs"]) for row in lines(table, "documents")]
    assert counted == [("a", 2, 2), ("b", 1, 0), ("c", 0, 0)]


def test_rejects_say_what_was_refused_and_why(table: Table) -> None:
    expected = {"path": "a.xml", "document": "a", "figure": "", "reason": "image damaged", "detail": "cut off"}
    assert lines(table, "rejects") == list(rejects(table)) == [expected]


@pytest.mark.parametrize("what", ["pairs", "figures", "documents", "rejects"])
def test_parquet_holds_the_same_rows(table: Table, what: str) -> None:
    out = io.BytesIO()
    export(table, what, "parquet", out)  # type: ignore[arg-type]
    out.seek(0)
    assert pq.read_table(out).to_pylist() == lines(table, what)


@pytest.mark.parametrize("what", ["pairs", "figures", "documents", "rejects"])
def test_an_empty_index_gives_columns_without_rows(tmp_path: Path, what: str) -> None:
    empty = Table.open_published(write_index(tmp_path / "empty", []))
    out = io.BytesIO()
    assert export(empty, what, "parquet", out) == 0  # type: ignore[arg-type]
    out.seek(0)
    assert pq.read_table(out).num_columns >= 5
    assert lines(empty, what) == []


def test_unknown_kinds_and_formats_are_refused(table: Table) -> None:
    with pytest.raises(UsageError, match="valid are pairs, figures, documents, rejects as jsonl or parquet"):
        export(table, "images", "jsonl", io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        export(table, "pairs", "csv", io.BytesIO())  # type: ignore[arg-type]


def test_a_file_takes_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    with replacing(path) as file:
        file.write(b"whole")
        assert path.read_text() == "before"
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StorageError, match="cannot be written"), replacing(tmp_path / "missing" / "out"):
        pass
