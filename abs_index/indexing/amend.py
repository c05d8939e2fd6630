"""Documents that are in the table already get the words in their figures, and what the network says of them then.

Everything else of their rows stays as and where it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.indexing.records import Record, batches_of
from abs_index.indexing.table import Table

_PREDICTED = ("abs", "abs_prob", "kind", "kind_prob", "cmi", "pair_embedding")


def amend(table: Table, records: Sequence[Record]) -> None:
    """Writes records that amend. The figures come last: what was cut off before them counts as not read."""
    rows = {batch["row"][0].as_py(): pa.table(batch) for batch in batches_of(records, table.schema)}
    if "pair" in rows:
        table.update_rows("pair", "pair", rows["pair"].select(["document", "pair", *_PREDICTED]))
    table.delete_rejects((record.key for record in records), FIGURE_TEXT)
    if "reject" in rows:
        table.append(rows["reject"].to_batches())
    if "figure" in rows:
        words = rows["figure"].select(["document", "figure", "figure_text", "figure_text_reader"])
        table.update_rows("pair", "figure", words.drop_columns(["figure_text_reader"]))
        table.update_rows("figure", "figure", words)
