"""Records → Arrow: what is known of documents as the columns of `schema.table_schema`.

Columns are built whole, never row by row: facts of a document are repeated on its figures and pairs by `take`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from abs_index.corpus.document import Document, Figure, Reject
from abs_index.corpus.pairs import Pair
from abs_index.indexing.schema import TEXTS, Row
from abs_index.labels import ABS, KINDS
from abs_index.model.base import Floats, PairPredictions

Columns = dict[str, pa.Array]


@dataclass(slots=True)
class FigureRecord:
    """A figure with its image. `image` is a path in the corpus, "" where none could be decoded.

    `embedding` is float32 (image_dim,) of unit length; None where there is no image or no usable vector. `figure_text`
    are the words that were read in the image, "" where there are none; None where nobody looked, or could not read it.
    `figure_text_reader` is who looked (`FigureReader.name`), `image_digest` a hash of the bytes of the image.
    """

    figure: Figure
    image: str = ""
    width: int | None = None
    height: int | None = None
    format: str = ""
    embedding: Floats | None = None
    figure_text: str | None = None
    figure_text_reader: str | None = None
    image_digest: str = ""


@dataclass(slots=True)
class Record:
    """All that the table keeps of one document; `replaces` where the table holds an older state of it.

    Row i of `predictions` belongs to `pairs[i]`, which belongs to `figures[owners[i]]`. Where it `amends`, the table
    holds the document as it is, but for the words in its figures; then `pairs` are only those of other words.
    """

    document: Document
    fingerprint: str
    replaces: bool
    figures: list[FigureRecord]
    rejects: list[Reject]
    pairs: list[Pair]
    owners: list[int]
    predictions: PairPredictions
    amends: bool = False

    @property
    def key(self) -> str:
        """What stands in the column `document`."""
        return storable(self.document.id)

    @property
    def rows(self) -> int:
        """Rows that this record makes."""
        return 1 + len(self.figures) + len(self.pairs) + len(self.rejects)


@dataclass(slots=True)
class RefusedFile:
    """A file that was refused as a whole. `key` stands in the column `document`: the path, unique in the table."""

    key: str
    fingerprint: str
    replaces: bool
    reject: Reject
    source: str
    rows: int = field(default=1, init=False)


def batches_of(items: Sequence[Record | RefusedFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of records and refused files, one batch a kind of row; empty batches are left out."""
    records = [item for item in items if isinstance(item, Record)]
    refused = [item for item in items if isinstance(item, RefusedFile)]
    facts = _document_columns([record.document for record in records])
    figures = _figure_columns(records)
    made: list[tuple[Row, Columns]] = [
        ("document", facts | _only_documents(records)),
        ("figure", _take(facts, _owners(len(r.figures) for r in records)) | figures | _only_figures(records, schema)),
        ("pair", _take(facts, _owners(len(r.pairs) for r in records)) | _pair_columns(records, figures, schema)),
        ("reject", _reject_columns(records, refused)),
    ]
    for row, columns in made:
        size = len(columns["document"])
        if size:
            columns["row"] = pa.array([row] * size, pa.string())
            yield pa.record_batch(
                [columns.get(column.name, pa.nulls(size, column.type)) for column in schema], schema=schema
            )


def storable(text: str) -> str:
    """Text that can stand in the table: lone surrogates (file names of no encoding) become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _texts(values: Iterable[str | None]) -> pa.Array:
    listed = list(values)
    try:
        return pa.array(listed, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else storable(value) for value in listed], pa.string())


def _lists(values: Iterable[Sequence[str]]) -> pa.Array:
    listed = list(values)
    offsets = np.zeros(len(listed) + 1, dtype=np.int32)
    np.cumsum([len(value) for value in listed], out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), _texts(text for value in listed for text in value), type=TEXTS)


def _vectors(vectors: Floats, missing: NDArray[np.bool_] | None, kind: pa.DataType) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    mask = None if missing is None else pa.array(missing)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=mask)


def _owners(sizes: Iterable[int]) -> NDArray[np.int64]:
    """For each of the things inside, the position of what it is in: sizes 2, 0, 1 give 0, 0, 2."""
    listed = np.fromiter(sizes, dtype=np.int64)
    return np.repeat(np.arange(len(listed), dtype=np.int64), listed)


def _take(columns: Columns, index: NDArray[np.int64]) -> Columns:
    rows = pa.array(index)
    return {name: column.take(rows) for name, column in columns.items()}


def _document_columns(documents: list[Document]) -> Columns:
    def texts(value: Callable[[Document], str]) -> pa.Array:
        return _texts(map(value, documents))

    return {
        "document": texts(lambda d: d.id),
        "path": texts(lambda d: d.path),
        "source": texts(lambda d: d.source),
        "title": texts(lambda d: d.title),
        "container": texts(lambda d: d.container),
        "year": pa.array([d.year if d.year and abs(d.year) < 10_000 else None for d in documents], pa.int32()),
        "authors": _lists(d.authors for d in documents),
        "licence": texts(lambda d: d.licence),
        "language": texts(lambda d: d.language),
        "keywords": _lists(d.keywords for d in documents),
        "doi": texts(lambda d: d.doi),
    }


def _only_documents(records: list[Record]) -> Columns:
    return {
        "format": _texts(record.document.format for record in records),
        "fingerprint": _texts(record.fingerprint for record in records),
    }


def _figure_columns(records: list[Record]) -> Columns:
    """What stands on figures and, repeated, on their pairs."""
    made = [figure for record in records for figure in record.figures]
    figures = [figure.figure for figure in made]
    groups = [figure.group for figure in figures]
    prefixes = [record.document.files.prefix for record in records for _ in record.figures]
    return {
        "figure": _texts(figure.id for figure in figures),
        "label": _texts(figure.label for figure in figures),
        "caption": _texts(figure.caption.normalised for figure in figures),
        "caption_raw": _texts(figure.caption.raw for figure in figures),
        "alt": _texts(figure.alt for figure in figures),
        "figure_text": _texts(figure.figure_text for figure in made),
        "credit": _texts(figure.credit for figure in figures),
        "group": _texts(group.id if group else None for group in groups),
        "group_label": _texts(group.label if group else None for group in groups),
        "group_caption": _texts(group.caption.normalised if group else None for group in groups),
        "image": _texts(figure.image or None for figure in made),
        "images": _lists(
            [prefix + name for name in figure.images] for prefix, figure in zip(prefixes, figures, strict=True)
        ),
        "width": pa.array([figure.width for figure in made], pa.int32()),
        "height": pa.array([figure.height for figure in made], pa.int32()),
        "image_format": _texts(figure.format or None for figure in made),
    }


def _only_figures(records: list[Record], schema: pa.Schema) -> Columns:
    kind = schema.field("image_embedding").type
    embeddings = [figure.embedding for record in records for figure in record.figures]
    vectors = np.zeros((len(embeddings), kind.list_size), dtype=np.float32)
    for row, embedding in zip(vectors, embeddings, strict=True):
        if embedding is not None:
            row[:] = embedding
    missing = np.array([embedding is None for embedding in embeddings], dtype=bool)
    made = [figure for record in records for figure in record.figures]
    return {
        "image_digest": _texts(figure.image_digest or None for figure in made),
        "figure_text_reader": _texts(figure.figure_text_reader for figure in made),
        "image_embedding": _vectors(vectors, missing, kind),
    }


def _pair_columns(records: list[Record], figures: Columns, schema: pa.Schema) -> Columns:
    pairs = [pair for record in records for pair in record.pairs]
    starts = np.cumsum([0, *(len(record.figures) for record in records)])
    owners = [start + owner for start, record in zip(starts, records, strict=False) for owner in record.owners]
    kind = schema.field("pair_embedding").type
    embedding = _joined([record.predictions.embedding for record in records], kind.list_size)
    abs_prob = _joined([record.predictions.abs_prob for record in records], len(ABS))
    kind_prob = _joined([record.predictions.kind_prob for record in records], len(KINDS))
    kinds = kind_prob.argmax(axis=1)
    cmi = np.concatenate([np.zeros(0, np.float32), *(record.predictions.cmi for record in records)])
    columns = {
        "pair": _texts(pair.id for pair in pairs),
        "role": _texts(pair.role for pair in pairs),
        "section": _texts(pair.section for pair in pairs),
        "text": _texts(pair.text.normalised for pair in pairs),
        "text_raw": _texts(pair.text.raw for pair in pairs),
        "text_path": _texts(pair.path for pair in pairs),
        "abs": pa.array(ABS, pa.string()).take(pa.array(abs_prob.argmax(axis=1))),
        "abs_prob": _probabilities(abs_prob),
        "kind": pa.array(KINDS, pa.string()).take(pa.array(kinds)),
        "kind_prob": pa.array(kind_prob[np.arange(len(kinds)), kinds], pa.float32()),
        "cmi": pa.array(cmi, pa.float32()),
        "pair_embedding": _vectors(embedding, None, kind),
    }
    return _take(figures, np.array(owners, dtype=np.int64)) | columns


def _joined(parts: list[Floats], width: int) -> Floats:
    return np.concatenate([np.zeros((0, width), np.float32), *(part for part in parts if len(part))])


def _probabilities(values: Floats) -> pa.Array:
    columns = np.ascontiguousarray(values.T, dtype=np.float32)
    return pa.StructArray.from_arrays([pa.array(column) for column in columns], names=list(ABS))


def _reject_columns(records: list[Record], refused: list[RefusedFile]) -> Columns:
    inside = [(record, reject) for record in records for reject in record.rejects]
    rejects = [reject for _, reject in inside] + [item.reject for item in refused]
    return {
        "document": _texts([record.document.id for record, _ in inside] + [item.key for item in refused]),
        "source": _texts([record.document.source for record, _ in inside] + [item.source for item in refused]),
        "fingerprint": _texts([None] * len(inside) + [item.fingerprint for item in refused]),
        "path": _texts(reject.path for reject in rejects),
        "figure": _texts(reject.figure for reject in rejects),
        "reason": _texts(reject.reason for reject in rejects),
        "detail": _texts(reject.detail for reject in rejects),
    }
