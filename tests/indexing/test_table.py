from __future__ import annotations

import shutil
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from abs_index.errors import DamagedIndexError, ModelMismatchError, NotAnIndexError
from abs_index.indexing.schema import table_schema
from abs_index.indexing.table import Table
from abs_index.model.base import ModelInfo

MODEL = ModelInfo("small", "0123456789abcdef", image_size=8, image_dim=4, pair_dim=3)
OTHER = ModelInfo("other", "fedcba9876543210", image_size=8, image_dim=5, pair_dim=3)
HOSTILE = ["a'b", 'a"b', "a\\'b", "a\nb", "a\0b", "100%", "x' OR '1'='1", "'; --", "ünï", "${x}", "", "a''b"]


def rows(schema: pa.Schema, ids: list[str], row: str = "document") -> pa.RecordBatch:
    known = {"row": [row] * len(ids), "document": ids, "fingerprint": [f"of {name}" for name in ids]}
    return pa.record_batch(
        [pa.array(known[f.name], f.type) if f.name in known else pa.nulls(len(ids), f.type) for f in schema],
        schema=schema,
    )


def ids_of(table: Table) -> list[str]:
    return [name for batch in table.batches(None, ["document"]) for name in batch["document"].to_pylist()]


@pytest.fixture
def table(index: Path) -> Table:
    return Table.create(index, MODEL)


def append(table: Table, *ids: str) -> None:
    table.append([rows(table.schema, list(ids))])


def test_rows_come_back_in_the_order_of_their_commits(table: Table, index: Path) -> None:
    for start in range(0, 30, 3):
        append(table, *(f"d{at}" for at in range(start, start + 3)))
    assert ids_of(Table.open(index)) == [f"d{at}" for at in range(30)]
    assert Table.open(index).schema.equals(table_schema(MODEL), check_metadata=True)


def test_kinds_of_rows_are_told_apart(table: Table) -> None:
    table.append([rows(table.schema, ["a", "b"]), rows(table.schema, ["a"], "pair")])
    assert (table.count("document"), table.count("pair"), table.count("figure"), table.count()) == (2, 1, 0, 3)
    assert [batch.num_rows for batch in table.batches("pair", ["document"])] == [1]


def test_a_version_does_not_change(table: Table, index: Path) -> None:
    append(table, "a", "b")
    before = Table.open(index)
    append(table, "c")
    table.delete_documents(["a"])
    assert ids_of(before) == ["a", "b"]
    assert ids_of(table) == ["b", "c"]
    assert before.identity != table.identity


@pytest.mark.parametrize("name", HOSTILE)
def test_deleting_takes_ids_as_data(table: Table, name: str) -> None:
    append(table, *HOSTILE)
    table.delete_documents([name])
    assert ids_of(table) == [other for other in HOSTILE if other != name]
    assert name not in table.fingerprints()


def test_deleting_thousands_and_nothing(table: Table) -> None:
    names = [f"d{at}" for at in range(2500)]
    append(table, *names, "kept")
    table.delete_documents(names)
    assert ids_of(table) == ["kept"]
    version = table.version
    table.delete_documents([])
    assert table.version == version


def test_fingerprints(table: Table) -> None:
    append(table, "a", "b")
    assert table.fingerprints() == {"a": "of a", "b": "of b"}


def test_readers_see_what_was_published(table: Table, index: Path) -> None:
    with pytest.raises(NotAnIndexError, match="not finished"):
        Table.open_published(index)
    append(table, "a")
    table.mark_published()
    append(table, "b")
    assert ids_of(Table.open_published(index)) == ["a"]
    table.mark_published()
    assert ids_of(Table.open_published(index)) == ["a", "b"]


def test_cleaning_keeps_what_readers_may_have_open(table: Table, index: Path) -> None:
    append(table, "a")
    table.mark_published()
    reader = Table.open_published(index)
    for at in range(20):
        append(table, f"b{at}")
    table.compact()
    table.mark_published()
    table.clean()
    assert ids_of(reader) == ["a"]
    assert len(ids_of(Table.open_published(index))) == 21
    assert len(list((index / "table.lance" / "_versions").glob("*.manifest"))) == 2


def test_compaction_keeps_rows_and_order(table: Table) -> None:
    for at in range(40):
        append(table, f"d{at}", f"e{at}")
    table.delete_documents([f"d{at}" for at in range(0, 40, 2)])
    before = ids_of(table)
    table.compact()
    assert ids_of(table) == before
    assert len(list((table.folder / "table.lance" / "data").iterdir())) == 41
    table.clean()
    assert len(list((table.folder / "table.lance" / "data").iterdir())) == 1


def test_creating_again_leaves_readers_alone(table: Table, index: Path) -> None:
    append(table, "a")
    table.mark_published()
    fresh = Table.create(index, OTHER)
    assert fresh.count() == 0
    assert fresh.schema.field("image_embedding").type.list_size == 5
    assert ids_of(Table.open_published(index)) == ["a"]


def test_another_model_is_refused(table: Table) -> None:
    table.check_model(MODEL)
    with pytest.raises(ModelMismatchError, match=r"'small'.*'other'.*--rebuild"):
        table.check_model(OTHER)


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndexError, match=r"gone: does not exist; .abs-index build"):
        Table.open(tmp_path / "gone")
    (tmp_path / "table.lance" / "_versions").mkdir(parents=True)
    with pytest.raises(NotAnIndexError, match="holds no index"):
        Table.open(tmp_path)


@pytest.mark.parametrize("version", ["1", "99"])
def test_another_format_version_is_one_line_that_says_what_to_do(index: Path, version: str) -> None:
    schema = table_schema(MODEL)
    other = schema.with_metadata({**schema.metadata, b"abs_index.format": version.encode()})
    lance.write_dataset(pa.Table.from_batches([], other), str(index / "table.lance"))
    with pytest.raises(NotAnIndexError, match=rf"format version {version}, .*reads version 2; .*--rebuild") as caught:
        Table.open(index)
    assert "\n" not in str(caught.value)
    assert Table.create(index, MODEL).count() == 0


def test_a_table_of_something_else(index: Path) -> None:
    lance.write_dataset(pa.table({"x": [1]}), str(index / "table.lance"))
    with pytest.raises(NotAnIndexError, match="not one of abs-index"):
        Table.open(index)


def files(table: Table, kind: str) -> list[Path]:
    return sorted(path for path in (table.folder / "table.lance" / kind).iterdir() if path.suffix != ".json")


@pytest.fixture
def published(table: Table) -> Table:
    for at in range(3):
        append(table, *(f"d{at}-{number}" for number in range(200)))
    table.mark_published()
    return table


def test_a_missing_data_file(published: Table, index: Path) -> None:
    files(published, "data")[0].unlink()
    with pytest.raises(DamagedIndexError, match=r"is missing.*--rebuild"):
        Table.open(index)


def test_a_cut_off_data_file(published: Table, index: Path) -> None:
    path = files(published, "data")[1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedIndexError, match=r"is cut off.*--rebuild"):
        Table.open(index)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 0.999])
def test_a_flipped_bit(published: Table, index: Path, place: float) -> None:
    path = files(published, "data")[2]
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DamagedIndexError, match=r"--rebuild"):
        Table.open(index).verify()


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9])
def test_cut_off_manifests(published: Table, index: Path, keep: float) -> None:
    for path in files(published, "_versions"):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DamagedIndexError, match=r"--rebuild"):
        Table.open(index)
    assert Table.create(index, MODEL).count() == 0


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_damaged_manifest_is_an_error_of_ours_or_harmless(published: Table, index: Path, place: int) -> None:
    path = files(published, "_versions")[0]
    content = bytearray(path.read_bytes())
    content[len(content) * place // 100] ^= 0xFF
    path.write_bytes(content)
    try:
        opened = Table.open(index)
        opened.fingerprints()
        opened.published_version  # noqa: B018
    except (DamagedIndexError, NotAnIndexError) as error:
        assert str(index) in str(error)


def test_a_whole_table_is_sound(published: Table, index: Path) -> None:
    Table.open(index).verify()


def test_a_copied_index_is_the_same_one(published: Table, index: Path, tmp_path: Path) -> None:
    shutil.copytree(index, tmp_path / "copy")
    copy = Table.open_published(tmp_path / "copy")
    copy.verify()
    assert copy.identity == published.identity


def figure_rows(schema: pa.Schema, names: list[tuple[str, str]]) -> pa.RecordBatch:
    known = {
        "row": ["figure"] * len(names),
        "document": [document for document, _ in names],
        "figure": [figure for _, figure in names],
        "label": [f"{document}/{figure}" for document, figure in names],
        "image_embedding": [[float(at)] * 4 for at in range(len(names))],
    }
    return pa.record_batch(
        [pa.array(known[f.name], f.type) if f.name in known else pa.nulls(len(names), f.type) for f in schema],
        schema=schema,
    )


def test_rows_are_updated_where_they_are(table: Table) -> None:
    names = [(document, figure) for document in HOSTILE for figure in ("f1", "f'2")]
    table.append([figure_rows(table.schema, names[:9])])
    table.append([figure_rows(table.schema, names[9:]), rows(table.schema, HOSTILE)])
    columns = [*table.schema.names]
    before = [row for batch in table.batches(None, columns) for row in batch.to_pylist()]
    version = table.version
    changed = {names[3]: "three", names[10]: "ten", names[11]: None, ("gone", "f1"): "nowhere"}
    values = {
        "document": [document for document, _ in changed],
        "figure": [figure for _, figure in changed],
        "figure_text": pa.array(changed.values(), pa.string()),
        "image_embedding": pa.array([[9.0] * 4] * 4, table.schema.field("image_embedding").type),
    }
    table.update_rows("figure", "figure", pa.table(values))
    assert table.version == version + 1
    for row in before:
        if (name := (row["document"], row["figure"])) in changed:
            row |= {"figure_text": changed[name], "image_embedding": [9.0] * 4}
    assert [row for batch in table.batches(None, columns) for row in batch.to_pylist()] == before
    table.update_rows("figure", "figure", pa.table(values).slice(3))
    assert table.version == version + 1, "nothing to update makes no version"


def test_rows_are_taken_by_their_places(table: Table) -> None:
    append(table, "a", "b", "c")
    append(table, "d", "e")
    table.delete_documents(["b"])
    assert ids_of(table) == ["a", "c", "d", "e"]
    assert table.take([3, 0, 2], ["document"])["document"].to_pylist() == ["e", "a", "d"]


def test_rejects_of_one_reason_are_deleted(table: Table) -> None:
    def reject(document: str, reason: str) -> pa.RecordBatch:
        made = rows(table.schema, [document], "reject").to_pylist()[0] | {"reason": reason}
        return pa.RecordBatch.from_pylist([made], schema=table.schema)

    table.append([reject("a", "one"), reject("a", "it's two"), reject("b", "it's two"), rows(table.schema, ["a"])])
    table.delete_rejects(["a"], "it's two")
    left = [tuple(row.values()) for batch in table.batches(None, ["document", "reason"]) for row in batch.to_pylist()]
    assert left == [("a", "one"), ("b", "it's two"), ("a", None)]
