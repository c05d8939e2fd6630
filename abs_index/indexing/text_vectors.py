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

_NAME, _FINGERPRINT = "abs_index.text_encoder", "abs_index.text_encoder_fingerprint"
_TEXTS_A_COMMIT = 512


def encoder_of(table: Table) -> str | None:
    """Fingerprint of the encoder that made the vectors of texts; None where the table has none."""
    return table.metadata(_FINGERPRINT) if COLUMN in table.schema.names else None


def fill(table: Table, encoder: TextEncoder, progress: Callable[[int], None] | None = None) -> int:
    """Makes the vectors of texts that are missing, and says how many.

    `progress` is told of each commit, with the number of vectors that it made. Raises DamagedIndexError, StorageError.
    """
    if encoder_of(table) != encoder.info.fingerprint:
        column = pa.field(COLUMN, pa.list_(pa.float32(), encoder.info.dim))
        table.add_column(column, {_NAME: encoder.info.name, _FINGERPRINT: encoder.info.fingerprint})

    def vectors(rows: pa.RecordBatch) -> pa.Array:
        # A paragraph that refers to several figures is a pair with each.
        texts, places = np.unique(np.array(rows["text"].to_pylist(), dtype=object), return_inverse=True)
        made = encoder.encode(texts.tolist())[places]
        return pa.FixedSizeListArray.from_arrays(pa.array(made.reshape(-1)), encoder.info.dim)

    count = 0
    for filled in table.fill_column(COLUMN, "pair", ["text"], vectors, _TEXTS_A_COMMIT):
        count += filled
        (progress or (lambda done: None))(filled)
    return count


def drop(table: Table) -> None:
    """Removes the vectors of texts."""
    table.drop_column(COLUMN)
