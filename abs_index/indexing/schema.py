"""The columns of the table: the one place that says what an index holds.

One Lance dataset holds all rows, told apart by `row`: a row a document, a figure, a pair and a reject. All rows of a
document are written in one commit, so a document is in the table whole or not at all, and rows and vectors cannot come
apart. Facts of the document stand on its figures and pairs too: search structures are made from the table in one
stream, without a join (repeated values cost next to nothing in a column store).
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from abs_index.labels import ABS
from abs_index.model.base import ModelInfo

FORMAT_VERSION = 2
"""Raised whenever a column changes its name, type or meaning."""

Row = Literal["document", "figure", "pair", "reject"]

TEXTS = pa.list_(pa.string())


def table_schema(model: ModelInfo) -> pa.Schema:
    """Columns for the vectors of one model; format version and model fingerprint stand in the metadata."""
    return pa.schema(
        [
            pa.field("row", pa.string(), nullable=False),
            # of every row: the document it belongs to. `document` is the document's id; of a file that was refused as a
            # whole, its path.
            pa.field("document", pa.string(), nullable=False),
            pa.field("path", pa.string()),
            pa.field("source", pa.string()),
            # of documents, repeated on their figures and pairs
            pa.field("title", pa.string()),
            pa.field("container", pa.string()),
            pa.field("year", pa.int32()),
            pa.field("authors", TEXTS),
            pa.field("licence", pa.string()),
            pa.field("language", pa.string()),
            pa.field("keywords", TEXTS),
            pa.field("doi", pa.string()),
            # of documents only
            pa.field("format", pa.string()),
            # of documents, and of rejects of whole files: what they were made from
            pa.field("fingerprint", pa.string()),
            # of figures and pairs: the figure's id in the document
            pa.field("figure", pa.string()),
            pa.field("label", pa.string()),
            pa.field("caption", pa.string()),
            pa.field("caption_raw", pa.string()),
            pa.field("alt", pa.string()),
            # words that were read in the image: null where nobody looked, "" where there are none
            pa.field("figure_text", pa.string()),
            pa.field("credit", pa.string()),
            pa.field("group", pa.string()),
            pa.field("group_label", pa.string()),
            pa.field("group_caption", pa.string()),
            # the image that was embedded, and all images of the figure, as paths in the corpus
            pa.field("image", pa.string()),
            pa.field("images", TEXTS),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("image_format", pa.string()),
            # of figures only: a hash of the bytes of the image, and which reader looked for words in it
            pa.field("image_digest", pa.string()),
            pa.field("figure_text_reader", pa.string()),
            # of figures only; null where no image could be decoded
            pa.field("image_embedding", pa.list_(pa.float32(), model.image_dim)),
            # of pairs only
            pa.field("pair", pa.string()),
            pa.field("role", pa.string()),
            pa.field("section", pa.string()),
            pa.field("text", pa.string()),
            pa.field("text_raw", pa.string()),
            pa.field("text_path", pa.string()),
            pa.field("abs", pa.string()),
            pa.field("abs_prob", pa.struct([pa.field(name, pa.float32()) for name in ABS])),
            pa.field("kind", pa.string()),
            pa.field("kind_prob", pa.float32()),
            pa.field("cmi", pa.float32()),
            pa.field("pair_embedding", pa.list_(pa.float32(), model.pair_dim)),
            # of rejects only; `path` is the refused file, `figure` the figure or ""
            pa.field("reason", pa.string()),
            pa.field("detail", pa.string()),
        ],
        metadata={
            "abs_index.format": str(FORMAT_VERSION),
            "abs_index.model": model.name,
            "abs_index.model_fingerprint": model.fingerprint,
        },
    )
