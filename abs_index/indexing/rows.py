"""Rows that are mapped into memory: the columns that filters and displays need, by ordinal.

An ordinal is the position of a pair (or a figure) in the published version of the table: 0, 1, 2, … Lexical and vector
index know pairs by it and nothing else. The file is Arrow IPC; nothing is loaded until it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ROWS_A_BATCH = 16_384
"""All batches but the last have exactly this many rows, so that an ordinal says where its row stands."""

Ordinals = NDArray[np.int64]
Mask = NDArray[np.bool_]


class RowWriter:
    """Writes batches of any size into one file of rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pa.ipc.new_file(str(path), schema)
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Appends rows; their columns are those of the schema."""
        self._pending.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROWS_A_BATCH:
            self._write(ROWS_A_BATCH)

    def close(self) -> None:
        """Writes what is pending and finishes the file."""
        if self._rows:
            self._write(self._rows)
        self._file.close()

    def _write(self, count: int) -> None:
        table = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
        self._file.write_table(table.slice(0, count), max_chunksize=ROWS_A_BATCH)
        self._pending = table.slice(count).to_batches()
        self._rows = table.num_rows - count


class Rows:
    """A file of rows, read where it lies."""

    def __init__(self, table: pa.Table) -> None:
        names = table.schema.names
        self._names: list[str] = names
        self._batches: list[dict[str, pa.Array]] = [
            dict(zip(names, batch.columns, strict=True)) for batch in table.to_batches()
        ]
        self._count: int = table.num_rows

    @classmethod
    def open(cls, path: Path) -> Self:
        """Maps the file into memory. Raises OSError or pyarrow's ArrowException where it is missing or damaged."""
        return cls(pa.ipc.open_file(pa.memory_map(str(path))).read_all())

    def __len__(self) -> int:
        return self._count

    def chunks(self, *columns: str) -> Iterator[tuple[pa.Array, ...]]:
        """The whole columns, a batch at a time, in the order of the ordinals."""
        for batch in self._batches:
            yield tuple(batch[name] for name in columns)

    def mask(self, chunks: Iterator[Mask]) -> Mask:
        """One mask over all ordinals from one mask a batch."""
        return np.concatenate([np.zeros(0, dtype=np.bool_), *chunks])

    def take(self, ordinals: Sequence[int] | Ordinals, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Rows as dictionaries, in the order of `ordinals`."""
        names = self._names if columns is None else columns
        rows = []
        for ordinal in ordinals:
            number, position = divmod(int(ordinal), ROWS_A_BATCH)
            batch = self._batches[number]
            rows.append({name: batch[name][position].as_py() for name in names})
        return rows

    def numbers(self, column: str, ordinals: Sequence[int] | Ordinals) -> Ordinals:
        """Values of a column of integers without nulls, in the order of `ordinals`."""
        index = np.asarray(ordinals, dtype=np.int64)
        values = np.empty(len(index), dtype=np.int64)
        for number in np.unique(index // ROWS_A_BATCH):
            there = index // ROWS_A_BATCH == number
            chunk = self._batches[number][column].to_numpy()
            values[there] = chunk[index[there] % ROWS_A_BATCH]
        return values

    def find(self, column: str, value: str) -> Ordinals:
        """Ordinals of the rows whose text in `column` is exactly `value`."""
        found = self.mask(
            pc.equal(chunk, value).fill_null(False).to_numpy(zero_copy_only=False) for (chunk,) in self.chunks(column)
        )
        return np.flatnonzero(found)
