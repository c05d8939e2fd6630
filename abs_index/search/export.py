"""Everything that an index holds, for people who use other tools: streams of rows in JSON Lines or Parquet."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, Final, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abs_index.errors import StorageError, UsageError
from abs_index.indexing.schema import Row
from abs_index.indexing.table import Table

What = Literal["pairs", "figures", "documents", "rejects"]
Format = Literal["jsonl", "parquet"]

_ROWS = 2048
_OF_DOCUMENT = ("title", "container", "year", "authors", "licence", "language", "keywords", "doi")
_ROW_OF: Final[dict[What, Row]] = {"pairs": "pair", "figures": "figure", "documents": "document", "rejects": "reject"}
_COLUMNS: Final[dict[What, tuple[str, ...]]] = {
    "pairs": (
        "pair", "document", "figure", "label", "role", "section", "text", "text_raw", "text_path", "image",
        "figure_text", "abs", "abs_prob", "kind", "kind_prob", "cmi", "path", "source", *_OF_DOCUMENT,
    ),
    "figures": (
        "figure", "document", "path", "source", "label", "caption", "caption_raw", "alt", "figure_text",
        "credit", "group", "group_label", "group_caption", "image", "images", "width", "height", "image_format",
        *_OF_DOCUMENT,
    ),
    "documents": ("document", "path", "source", "format", *_OF_DOCUMENT),
    "rejects": ("path", "document", "figure", "reason", "detail"),
}  # fmt: skip


def export(table: Table, what: What, form: Format, out: BinaryIO) -> int:
    """Writes all rows of one kind, a block at a time; returns how many.

    A pair has an `id` and its figure's id in the document; a figure has that `id` and a `key` ("document#figure"),
    and is there without pairs too; a document has counts of `figures` and `pairs`. Image paths are as in the corpus,
    those inside an archive with the archive's name in front. Raises UsageError for a kind or format that does not
    exist.
    """
    if what not in _ROW_OF or form not in get_args(Format):
        valid = f"{', '.join(_ROW_OF)} as {' or '.join(get_args(Format))}"
        raise UsageError(f"there is no export of {what!r} as {form!r}; valid are {valid}")
    shape = _shape_of(what, table)
    batches = (shape(batch) for batch in table.batches(_ROW_OF[what], _COLUMNS[what], _ROWS))
    if form == "jsonl":
        return _write_jsonl(batches, out)
    empty = pa.RecordBatch.from_pylist([], schema=pa.schema([table.schema.field(name) for name in _COLUMNS[what]]))
    return _write_parquet(shape(empty).schema, batches, out)


def rejects(table: Table) -> Iterator[dict[str, str]]:
    """What was refused when the index was built: path, document, figure, reason, detail."""
    for batch in table.batches("reject", _COLUMNS["rejects"], _ROWS):
        yield from batch.to_pylist()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name only when it is complete. Raises StorageError where that is not possible."""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                yield file  # type: ignore[misc]  # a wrapper, which does all that a BinaryIO does
                file.flush()
                os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error


def _write_jsonl(batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    count = 0
    for batch in batches:
        lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in batch.to_pylist())
        out.write("".join(lines).encode())
        count += batch.num_rows
    return count


def _write_parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


Shape = Callable[[pa.RecordBatch], pa.RecordBatch]


def _shape_of(what: What, table: Table) -> Shape:
    """From the columns of the table to those of the export."""
    if what == "pairs":
        return lambda batch: _with(batch, id=batch["pair"])
    if what == "figures":
        return _shape_figures
    return _shape_documents(table) if what == "documents" else _with


def _shape_figures(batch: pa.RecordBatch) -> pa.RecordBatch:
    parts = [batch["group"], batch["group_label"], batch["group_caption"]]
    group = pa.StructArray.from_arrays(parts, names=["id", "label", "caption"], mask=pc.is_null(batch["group"]))
    key = pc.binary_join_element_wise(batch["document"], batch["figure"], "#")
    return _with(batch, id=batch["figure"], key=key, group=group, format=batch["image_format"])


def _shape_documents(table: Table) -> Shape:
    counts = {"figures": _count(table, "figure"), "pairs": _count(table, "pair")}

    def shape(batch: pa.RecordBatch) -> pa.RecordBatch:
        ids = batch["document"].to_pylist()
        counted = {name: pa.array([count[key] for key in ids], pa.int64()) for name, count in counts.items()}
        return _with(batch, id=batch["document"], **counted)

    return shape


def _count(table: Table, row: Row) -> Counter[str]:
    """Rows of one kind, by document."""
    counts: Counter[str] = Counter()
    for batch in table.batches(row, ["document"], 65_536):
        counts.update(batch["document"].to_pylist())
    return counts


_RENAMED = {"pair", "group_label", "group_caption", "image_format"}
"""Columns of the table that stand under another name, or inside another column, in exports."""


def _with(batch: pa.RecordBatch, **columns: pa.Array) -> pa.RecordBatch:
    """The batch with `columns` in front of those that keep their name."""
    kept = {name: batch[name] for name in batch.schema.names if name not in _RENAMED}
    arrays = {**columns, **{name: array for name, array in kept.items() if name not in columns}}
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
