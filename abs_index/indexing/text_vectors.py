"""Vectors of texts, for search by meaning: a stage of its own between writing and publishing.

They are a column of the pairs that rows are written without, and that is then filled where it lacks: of new and changed
documents at every build, of all at the first. It is committed every few hundred texts, so a stage that was killed goes
on where the last commit ended. Vectors of two encoders never meet: with another encoder the column begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from abs_index.indexing.table import Table
from abs_index.model.text_encoder import TextEncoder

COLUMN = "text_embedding"

Progress = Callable[[int, int], None]
"""Is told how many vectors are made, and how many are to be."""

_NAME, _FINGERPRINT = "abs_index.text_encoder", "abs_index.text_encoder_fingerprint"
_TEXTS_A_COMMIT = 512
_TEXTS_AT_ONCE = 64
"""A commit takes half a minute on a slow machine: progress is told more often."""


def encoder_of(table: Table) -> str | None:
    """Fingerprint of the encoder that made the vectors of texts; None where the table has none."""
    return table.metadata(_FINGERPRINT) if COLUMN in table.schema.names else None


def fill(table: Table, encoder: TextEncoder, progress: Progress | None = None) -> int:
    """Makes the vectors of texts that are missing, and says how many.

    `progress` is told before the first and every few texts; where nothing is missing, never. Raises DamagedIndexError,
    StorageError.
    """
    if encoder_of(table) != encoder.info.fingerprint:
        column = pa.field(COLUMN, pa.list_(pa.float32(), encoder.info.dim))
        table.add_column(column, {_NAME: encoder.info.name, _FINGERPRINT: encoder.info.fingerprint})
    tell = progress or (lambda done, total: None)
    made, missing = 0, table.count_lacking(COLUMN, "pair")
    if missing:
        tell(0, missing)

    def vectors(rows: pa.RecordBatch) -> pa.Array:
        nonlocal made
        # A paragraph that refers to several figures is a pair with each.
        texts, places, pairs = np.unique(
            np.array(rows["text"].to_pylist(), dtype=object), return_inverse=True, return_counts=True
        )
        found = np.empty((len(texts), encoder.info.dim), dtype=np.float32)
        # Texts of like length together, which is faster; long ones first, so that not too little time is promised.
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        for start in range(0, len(order), _TEXTS_AT_ONCE):
            some = order[start : start + _TEXTS_AT_ONCE]
            found[some] = encoder.encode(texts[some].tolist())
            made += int(pairs[some].sum())
            tell(made, missing)
        return pa.FixedSizeListArray.from_arrays(pa.array(found[places].reshape(-1)), encoder.info.dim)

    return sum(table.fill_column(COLUMN, "pair", ["text"], vectors, _TEXTS_A_COMMIT))


def drop(table: Table) -> None:
    """Removes the vectors of texts."""
    table.drop_column(COLUMN)
