from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from abs_index.errors import DamagedIndexError, NotAnIndexError, StorageError
from abs_index.indexing import publish as publishing
from abs_index.indexing.lexical import LexicalWriter
from abs_index.indexing.publish import publish
from abs_index.indexing.structures import Structures
from abs_index.indexing.table import Table
from abs_index.indexing.vectors import VectorWriter
from tests.search.tables import DocumentRow, FigureRow, PairRow, append, write_index


def documents(first: int = 0, count: int = 3) -> list[DocumentRow]:
    return [
        DocumentRow(
            f"d{number}",
            [FigureRow(f"f{at}", [PairRow(f"text {number} {at} {turn}") for turn in range(2)]) for at in range(3)],
        )
        for number in range(first, first + count)
    ]


def folders(index: Path) -> list[Path]:
    return sorted(path for path in (index / "search").iterdir() if path.is_dir())


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", documents())


def opened(index: Path) -> Iterator[str]:
    """Opens an index and gives what it holds in a form that can be compared."""
    structures = Structures.open(index)
    owners = structures.figures.take(range(len(structures.figures)), ["key"])
    for row in structures.pairs.take(range(len(structures.pairs)), ["pair", "figure"]):
        yield f"{owners[row['figure']]['key']} {row['pair']}"
    yield f"{len(structures.lexical)} {len(structures.pair_vectors)} {len(structures.image_vectors)}"
    structures.close()


def test_every_pair_stands_with_its_own_figure(index: Path) -> None:
    *pairs, counts = opened(index)
    assert pairs == [f"d{d}#f{f} d{d}-f{f}-{p}" for d in range(3) for f in range(3) for p in range(2)]
    assert counts == "18 18 9"


def test_figures_of_other_documents_are_forgotten_while_streaming(tmp_path: Path) -> None:
    table = Table.open_published(write_index(tmp_path / "index", documents(count=50)))
    owners = publishing._ordinals(table)
    for batch in table.batches("pair", ["document", "figure"], 7):
        for document, figure in zip(batch["document"].to_pylist(), batch["figure"].to_pylist(), strict=True):
            owners.of(document, figure)
            assert len(owners._ahead) <= 1


def test_a_pair_without_its_figure_is_a_damaged_table(tmp_path: Path) -> None:
    table = Table.open_published(write_index(tmp_path / "index", documents()))
    table._dataset.delete("row = 'figure' AND figure = 'f1'")
    with pytest.raises(DamagedIndexError, match="has no figure 'f1'"):
        publish(table, table.folder)


def test_many_batches_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(opened(write_index(tmp_path / "one", documents(count=30))))
    monkeypatch.setattr(publishing, "_ROWS", 7)
    monkeypatch.setattr("abs_index.indexing.rows.ROWS_A_BATCH", 11)
    assert list(opened(write_index(tmp_path / "many", documents(count=30)))) == expected


def test_an_index_without_anything_can_be_opened(tmp_path: Path) -> None:
    assert list(opened(write_index(tmp_path / "index", []))) == ["0 0 0"]


def test_publishing_again_changes_nothing(index: Path) -> None:
    (folder,) = folders(index)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert publish(Table.open(index), index) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


STRUCTURES = [
    "manifest.json",
    "pairs.arrow",
    "figures.arrow",
    "lexical/meta.json",
    "pair-vectors/shard-00000.faiss",
    "image-vectors/ordinals.bin",
]


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("damage", ["remove", "cut", "flip", "empty", "replace"])
def test_damaged_structures_are_made_again(
    index: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = list(opened(index))
    (folder,) = folders(index)
    _damage(folder / name, damage)
    assert list(opened(index)) == before
    assert "made again" in caplog.text
    caplog.clear()
    assert list(opened(index)) == before
    assert not caplog.text


def _damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "remove":
        path.unlink()
        return
    if how == "cut":
        del content[len(content) // 2 :]
    elif how == "flip":
        content[len(content) // 2] ^= 1
    elif how == "empty":
        content.clear()
    else:
        content[:] = b"something else" * 100
    path.write_bytes(content)


def test_missing_structures_are_made_again(index: Path) -> None:
    before = list(opened(index))
    shutil.rmtree(index / "search")
    assert list(opened(index)) == before


def test_structures_of_another_version_are_not_read(index: Path) -> None:
    (old,) = folders(index)
    table = Table.open(index)
    append(table, documents(3, 1))
    publish(table, index)
    table.mark_published()
    new = next(path for path in folders(index) if path != old)
    shutil.rmtree(new)
    old.rename(new)
    assert len(list(opened(index))) == 4 * 6 + 1


def test_readers_keep_their_state_while_a_build_runs_and_after_it(index: Path) -> None:
    reader = Structures.open(index)
    table = Table.open(index)
    append(table, documents(3, 1))
    assert len(list(opened(index))) == 3 * 6 + 1  # committed, but not published
    publish(table, index)
    assert len(list(opened(index))) == 3 * 6 + 1  # the structures are there, but not published
    table.mark_published()
    assert len(list(opened(index))) == 4 * 6 + 1
    publish(table, index)  # removes the structures that the reader has open
    assert len(folders(index)) == 1
    assert len(reader.pairs.take(range(18))) == 18
    assert reader.lexical.search(_everything(), 100).ordinals.tolist() == list(range(18))
    assert reader.pair_vectors.vector(17) is not None
    reader.close()


def _everything() -> object:
    from tantivy import Query

    return Query.all_query()


def test_what_a_killed_build_left_is_removed(index: Path) -> None:
    (index / "search" / "tmp-left").mkdir()
    (index / "search" / "tmp-left" / "pairs.arrow").write_bytes(b"half")
    publish(Table.open(index), index)
    assert [path.name.startswith("tmp-") for path in folders(index)] == [False]


@pytest.mark.parametrize("writer", [LexicalWriter, VectorWriter, publishing.RowWriter])
def test_a_full_disk_is_one_line_and_leaves_the_old_state(
    index: Path, monkeypatch: pytest.MonkeyPatch, writer: type
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    table = Table.open(index)
    append(table, documents(3, 1))
    monkeypatch.setattr(writer, "close", fail)
    with pytest.raises(StorageError, match="the disk is full"):
        publish(table, index)
    assert not [path for path in folders(index) if path.name.startswith("tmp-")]
    assert len(list(opened(index))) == 3 * 6 + 1


def test_structures_that_cannot_be_made_again_are_one_line(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = folders(index)
    (folder / "pairs.arrow").unlink()

    def forbid(*arguments: object, **options: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(publishing.tempfile, "mkdtemp", forbid)
    with pytest.raises(StorageError, match="Permission denied"):
        Structures.open(index)


def test_vectors_without_a_direction_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = [DocumentRow("d", [FigureRow("f", [PairRow("zero", vector=[0.0] * 12), PairRow("good")])])]
    index = write_index(tmp_path / "index", bad)
    assert "1 vectors without a direction" in caplog.text
    assert list(opened(index))[-1] == "2 1 1"


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndexError):
        Structures.open(tmp_path)


def test_rows_are_given_by_ordinal_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from abs_index.indexing import rows

    monkeypatch.setattr(rows, "ROWS_A_BATCH", 4)
    schema = pa.schema([("number", pa.int32()), ("name", pa.string())])
    writer = rows.RowWriter(tmp_path / "rows.arrow", schema)
    for start in range(0, 11, 3):
        numbers = list(range(start, min(start + 3, 11)))
        writer.add(pa.record_batch([pa.array(numbers, pa.int32()), [f"n{n}" for n in numbers]], schema=schema))
    writer.close()
    read = rows.Rows.open(tmp_path / "rows.arrow")
    assert len(read) == 11
    assert read.take([10, 0, 4]) == [{"number": n, "name": f"n{n}"} for n in (10, 0, 4)]
    assert read.numbers("number", [9, 1, 1, 8]).tolist() == [9, 1, 1, 8]
    assert read.find("name", "n7").tolist() == [7]
    assert read.find("name", "n").tolist() == []
