"""Table → documents for Elasticsearch: one JSON object a pair, with the fields of `mappings/fields.json`.

What a pair lacks is left out: no null and no empty text stands for it. So is a vector without a direction, and a
number that is none (NaN, infinite); both are counted.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from abs_index.indexing import text_vectors
from abs_index.indexing.figures import FigureStream
from abs_index.indexing.lexical import keyword
from abs_index.indexing.schema import Row
from abs_index.indexing.table import Table
from abs_index.indexing.vectors import unit
from abs_index.labels import ABS
from abs_index.model.base import Floats

_ROWS: Final = 512

_PLAIN: Final = (
    "pair", "document", "figure", "role", "section", "text", "text_raw", "text_path", "label", "caption",
    "caption_raw", "alt", "figure_text", "credit", "group", "group_label", "group_caption", "image", "images", "width",
    "height", "image_format", "path", "source", "title", "container", "year", "authors", "licence", "language",
    "keywords", "doi", "abs", "kind", "kind_prob", "cmi", "abs_prob",
)  # fmt: skip
"""Columns of the table that are fields of the same name."""


@dataclass(frozen=True, slots=True)
class PairDocument:
    """A pair as the server takes it: `id` is the pair's, `body` the JSON of the document in UTF-8."""

    id: str
    document: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Version:
    """What one document of the corpus has on the cluster, or should have: `fingerprint`, and how many pairs.

    The fingerprint is that of the table, and a hash of the words in figures where there are some.
    """

    fingerprint: str
    pairs: int


def versions(table: Table) -> dict[str, Version]:
    """The documents that have pairs, by id."""
    counts: dict[str, int] = {}
    for batch in table.batches("pair", ["document"], 8192):
        for counted in batch["document"].value_counts().to_pylist():
            counts[counted["values"]] = counts.get(counted["values"], 0) + counted["counts"]
    fingerprints, words = table.fingerprints(), _words_in_figures(table)
    return {
        document: Version(fingerprints.get(document, "") + words.get(document, ""), pairs)
        for document, pairs in counts.items()
    }


def _words_in_figures(table: Table) -> dict[str, str]:
    """Of documents in whose figures words were read, a hash of these, whatever their order.

    The document's own fingerprint does not know them: they may be read at any later time.
    """
    found: dict[str, int] = {}
    for batch in table.batches("figure", ["document", "figure", "figure_text"], _ROWS):
        for row in batch.filter(pc.field("figure_text").is_valid()).to_pylist():
            if row["figure_text"]:
                one = xxhash.xxh3_64_intdigest(f"{row['figure']}\0{row['figure_text']}".encode())
                found[row["document"]] = found.get(row["document"], 0) ^ one
    return {document: f"+{value:016x}" for document, value in found.items()}


class Documents:
    """The documents of the pairs of a table. Iterating streams them in the order of the table.

    `wanted` limits them to some documents of the corpus; `fingerprints` are those of the table, by document.
    `vectors_left_out` and `numbers_left_out` count, after iterating, vectors without a direction and numbers that are
    none.
    """

    def __init__(
        self, table: Table, fingerprints: dict[str, str], *, vectors: bool, wanted: Container[str] | None = None
    ) -> None:
        self._table = table
        self._fingerprints = fingerprints
        self._vectors = vectors
        self._wanted = wanted
        self.vectors_left_out = 0
        self.numbers_left_out = 0

    def __iter__(self) -> Iterator[PairDocument]:
        self.vectors_left_out = self.numbers_left_out = 0
        images = FigureStream(self._table.folder, self._image_vectors()) if self._vectors else None
        own = self._own_vectors()
        order = _Order()
        for batch in self._batches("pair", [*_PLAIN, *own.values()]):
            vectors = {name: self._units(batch[column]) for name, column in own.items()}
            for at, row in enumerate(batch.select(list(_PLAIN)).to_pylist()):
                document, figure = row["document"], row["figure"]
                embedding = {name: column[at] for name, column in vectors.items()}
                if images:
                    embedding["image"] = images.of(document, figure)
                yield self._made(row, order.next(document, figure), embedding)

    def _own_vectors(self) -> dict[str, str]:
        """Fields of `embedding` that are columns of the pairs, with these columns."""
        of_texts = {"text": text_vectors.COLUMN} if text_vectors.encoder_of(self._table) else {}
        return {"pair": "pair_embedding"} | of_texts if self._vectors else {}

    def _batches(self, row: Row, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Rows of the documents that are wanted."""
        for batch in self._table.batches(row, columns, _ROWS):
            if self._wanted is None:
                yield batch
            elif any(mask := [document in self._wanted for document in batch["document"].to_pylist()]):
                yield batch.filter(pa.array(mask))

    def _image_vectors(self) -> Iterator[tuple[str, str, Floats | None]]:
        for batch in self._batches("figure", ["document", "figure", "image_embedding"]):
            keys = zip(batch["document"].to_pylist(), batch["figure"].to_pylist(), strict=True)
            for (document, figure), vector in zip(keys, self._units(batch["image_embedding"]), strict=True):
                yield document, figure, vector

    def _units(self, column: pa.Array) -> list[Floats | None]:
        """A column of vectors at unit length; None for those that are missing or have no direction."""
        present = column.is_valid().to_numpy(zero_copy_only=False)
        dim = column.type.list_size
        values = column.values.slice(column.offset * dim, len(column) * dim).to_numpy(zero_copy_only=False)
        scaled, directed = unit(values.reshape(-1, dim)[present])
        self.vectors_left_out += int(np.count_nonzero(~directed))
        found: list[Floats | None] = [None] * len(column)
        for at, vector in zip(np.flatnonzero(present)[directed], scaled, strict=True):
            found[at] = vector
        return found

    def _made(self, row: dict[str, Any], order: int, embedding: dict[str, Floats | None]) -> PairDocument:
        fields = {name: value for name in _PLAIN if (value := row[name]) not in (None, "", [])}
        self._add_numbers(fields)
        fields["order"] = order
        fields["key"] = keyword(f"{row['document']}#{row['figure']}")
        if fingerprint := self._fingerprints.get(row["document"]):
            fields["fingerprint"] = fingerprint
        if present := {name: vector for name, vector in embedding.items() if vector is not None}:
            fields["embedding"] = present
        body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
        return PairDocument(row["pair"], row["document"], body)

    def _add_numbers(self, fields: dict[str, Any]) -> None:
        """Probabilities, where they are numbers: JSON has none for NaN, and orjson would write null."""
        probabilities = self._finite(fields.get("abs_prob") or {})
        fields["abs_prob"] = {name: probabilities[name] for name in ABS if name in probabilities}
        fields["prob"] = fields["abs_prob"].get(fields.get("abs"))
        for name in ("abs_prob", "prob"):
            if fields[name] in (None, {}):
                del fields[name]
        fields |= self._finite({name: fields.pop(name) for name in ("kind_prob", "cmi") if name in fields})

    def _finite(self, numbers: dict[str, float | None]) -> dict[str, float]:
        present = {name: number for name, number in numbers.items() if number is not None}
        finite = {name: number for name, number in present.items() if math.isfinite(number)}
        self.numbers_left_out += len(present) - len(finite)
        return finite


class _Order:
    """Counts the pairs of each figure. Those of a document come together, so only one document is in memory."""

    def __init__(self) -> None:
        self._document: str | None = None
        self._seen: dict[str, int] = {}

    def next(self, document: str, figure: str) -> int:
        if document != self._document:
            self._document, self._seen = document, {}
        order = self._seen.get(figure, 0)
        self._seen[figure] = order + 1
        return order
