"""A generated table for the benchmarks: words of a Zipf distribution, random vectors, documents of a few figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from abs_index.indexing.table import Table
from abs_index.labels import ABS, KINDS
from abs_index.model.base import ModelInfo

FIGURES_A_DOCUMENT = 5
FIRST_YEAR, YEARS = 2000, 24
"""Years of the documents: the first one, and how many there are."""

_BLOCK = FIGURES_A_DOCUMENT * 200
_BLOCKS_A_COMMIT = 20
_VOCABULARY = 30_000


def write_table(folder: Path, pairs: int, figures: int, image_dim: int, pair_dim: int) -> Table:
    """The table of an index with about this many pairs, written in blocks, so that memory stays flat."""
    random = np.random.default_rng(7)
    table = Table.create(folder, ModelInfo("generated", "0" * 16, 8, image_dim, pair_dim))
    waiting: list[pa.RecordBatch] = []
    for number, batches in enumerate(_blocks(table.schema, pairs, figures, random), start=1):
        waiting += batches
        if number % _BLOCKS_A_COMMIT == 0:
            table.append(waiting)
            waiting = []
    if waiting:
        table.append(waiting)
    return table


def word(number: int) -> str:
    """The word of this rank: small numbers are frequent."""
    letters = "bcdfghjklmnprstvz"
    return "".join(letters[number // 17**place % 17] + "aeiou"[(number >> place) % 5] for place in range(4))


def key(figure: int) -> str:
    """A figure, as a search names it."""
    return f"d{figure // FIGURES_A_DOCUMENT}#f{figure}"


def _blocks(
    schema: pa.Schema, pairs: int, figures: int, random: np.random.Generator
) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """Documents in blocks: the rows of the documents, of their figures, of their pairs."""
    words = np.array([word(number) for number in range(_VOCABULARY)])
    for first in range(0, figures, _BLOCK):
        here = np.arange(first, min(figures, first + _BLOCK))
        vectors = random.standard_normal((len(here), schema.field("image_embedding").type.list_size), np.float32)
        owners = np.sort(random.choice(here, round(pairs * len(here) / figures)))
        documents = here[::FIGURES_A_DOCUMENT]
        prints = pa.array([f"{number:032x}" for number in documents])
        yield (
            _rows(schema, "document", documents, words, random, figure=None, fingerprint=prints),
            _rows(schema, "figure", here, words, random, image_embedding=_column(schema, "image_embedding", vectors)),
            _pairs(schema, first, owners, words, random),
        )


def _pairs(
    schema: pa.Schema, first: int, owners: np.ndarray, words: np.ndarray, random: np.random.Generator
) -> pa.RecordBatch:
    vectors = random.standard_normal((len(owners), schema.field("pair_embedding").type.list_size), np.float32)
    chances = random.dirichlet(np.ones(len(ABS)), len(owners)).astype(np.float32)
    return _rows(
        schema,
        "pair",
        owners,
        words,
        random,
        pair=pa.array([f"p{first}-{number}" for number in range(len(owners))]),
        text=(texts := pa.array(_texts(words, len(owners), 60, random))),
        text_raw=texts,
        role=pa.array(random.choice(["caption", "mention"], len(owners))),
        abs=pa.array(np.array(ABS)[chances.argmax(axis=1)]),
        abs_prob=pa.StructArray.from_arrays([pa.array(chances[:, at]) for at in range(len(ABS))], list(ABS)),
        kind=pa.array(random.choice(KINDS, len(owners))),
        kind_prob=pa.array(random.random(len(owners), np.float32)),
        cmi=pa.array(random.random(len(owners), np.float32)),
        pair_embedding=_column(schema, "pair_embedding", vectors),
    )


def _rows(
    schema: pa.Schema,
    row: str,
    figures: np.ndarray,
    words: np.ndarray,
    random: np.random.Generator,
    **own: pa.Array | None,
) -> pa.RecordBatch:
    count = len(figures)
    columns = {
        "row": pa.array([row] * count),
        "document": pa.array([f"d{number // FIGURES_A_DOCUMENT}" for number in figures]),
        "figure": pa.array([f"f{number}" for number in figures]),
        "caption": (captions := pa.array(_texts(words, count, 30, random))),
        "caption_raw": captions,
        "title": pa.array(_texts(words, count, 8, random)),
        "year": pa.array((FIRST_YEAR + figures // FIGURES_A_DOCUMENT % YEARS).astype(np.int32)),
        "source": pa.array(["generated"] * count),
        "image": pa.array([f"images/{number}.png" for number in figures]),
        **own,
    }
    arrays = [(columns.get(field.name), field.type) for field in schema]
    filled = [pa.nulls(count, kind) if array is None else array for array, kind in arrays]
    return pa.record_batch(filled, schema=schema)


def _texts(words: np.ndarray, count: int, length: int, random: np.random.Generator) -> list[str]:
    numbers = np.minimum(random.zipf(1.3, (count, length)) - 1, len(words) - 1)
    return [" ".join(row) for row in words[numbers]]


def _column(schema: pa.Schema, name: str, vectors: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=schema.field(name).type)
