"""Table → search structures: everything that searching needs, made in one stream and put in place at once.

    INDEX/search/<version>-<identity>/
        manifest.json    which table it was made from, and a checksum of each file
        pairs.arrow      what filters and displays need of each pair, by ordinal
        figures.arrow    the same of each figure, with the facts of its document
        lexical/         Tantivy
        pair-vectors/    FAISS
        image-vectors/   FAISS
        text-vectors/    FAISS, where the table has vectors of texts

They are no second truth: a folder can be deleted at any time, and what does not belong or is damaged is made again.
"""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from abs_index.errors import StorageError
from abs_index.indexing import manifest, text_vectors
from abs_index.indexing.figures import FigureStream
from abs_index.indexing.lexical import COLUMNS, LexicalWriter
from abs_index.indexing.manifest import Manifest, NotUsableError
from abs_index.indexing.rows import Mask, RowWriter
from abs_index.indexing.table import Table
from abs_index.indexing.vectors import VectorSettings, VectorWriter
from abs_index.labels import ABS, KINDS, ROLES
from abs_index.model.base import Floats

FOLDER: Final = "search"
PAIRS, FIGURES, LEXICAL = "pairs.arrow", "figures.arrow", "lexical"
PAIR_VECTORS, IMAGE_VECTORS, TEXT_VECTORS = "pair-vectors", "image-vectors", "text-vectors"

_LOCK = "lock"
_TEMPORARY = "tmp-"
_ROWS = 2048

_FIGURE_COLUMNS = (
    "document", "figure", "label", "caption_raw", "alt", "figure_text", "credit", "group", "group_label",
    "group_caption",
    "image", "images", "width", "height", "image_format",
    "path", "source", "title", "container", "year", "authors", "licence", "language", "keywords", "doi",
)  # fmt: skip
_PAIR_COLUMNS = ("pair", "section", "text_raw", "text_path", "abs_prob", "kind_prob", "cmi")
_CODED = {"role": ROLES, "abs": ABS, "kind": KINDS}

logger = logging.getLogger(__name__)


def publish(table: Table, folder: Path, settings: VectorSettings | None = None) -> Path:
    """Makes the search structures of exactly this version of the table, unless they are there and sound.

    Returns their folder. Structures of other versions are removed, except those of the published one. Raises
    StorageError where the disk is full or writing is not permitted, and DamagedIndexError where the table is damaged.
    """
    home = folder / FOLDER
    target = home / name_of(table)
    with _storage_errors(folder):
        home.mkdir(exist_ok=True)
        with FileLock(home / _LOCK):
            _remove_others(home, keep={table.version, table.published_version or 0})
            if not _sound(target, table):
                shutil.rmtree(target, ignore_errors=True)
                _write(table, home, target, settings or VectorSettings())
    return target


def name_of(table: Table) -> str:
    """Name of the folder for one version of the table."""
    return f"{table.version}-{table.identity[:12]}"


def _sound(target: Path, table: Table) -> bool:
    try:
        manifest.check(target, table.version, table.identity)
    except NotUsableError:
        return False
    return True


def _remove_others(home: Path, keep: set[int]) -> None:
    """Removes folders of other versions, and what killed processes left. Whoever has files open goes on reading."""
    kept = tuple(f"{version}-" for version in keep)
    for path in home.iterdir():
        if path.is_dir() and not path.name.startswith(kept):
            shutil.rmtree(path, ignore_errors=True)


def _write(table: Table, home: Path, target: Path, settings: VectorSettings) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=home))
    try:
        figures = _write_figures(table, temporary, settings)
        pairs = _write_pairs(table, temporary, settings)
        written = Manifest(
            format=manifest.FORMAT,
            table_version=table.version,
            table_identity=table.identity,
            pairs=pairs.rows,
            figures=figures.rows,
            text_encoder=text_vectors.encoder_of(table),
            vectors_left_out=pairs.left_out + figures.left_out,
            files=manifest.checksums(temporary),
        )
        manifest.write(temporary, written)
        temporary.chmod(0o755)
        temporary.rename(target)
        manifest.sync_directory(home)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if written.vectors_left_out:
        logger.warning("%d vectors without a direction were left out of the search", written.vectors_left_out)


@dataclass(frozen=True, slots=True)
class _Written:
    rows: int
    left_out: int


def _write_figures(table: Table, folder: Path, settings: VectorSettings) -> _Written:
    vectors = VectorWriter(folder / IMAGE_VECTORS, _dim(table, "image_embedding"), settings)
    fields = [table.schema.field(name) for name in _FIGURE_COLUMNS]
    schema = pa.schema([pa.field("key", pa.string()), *fields])
    rows = RowWriter(folder / FIGURES, schema)
    count = 0
    for batch in table.batches("figure", [*_FIGURE_COLUMNS, "image_embedding"], _ROWS):
        key = pc.binary_join_element_wise(batch["document"], batch["figure"], "#")
        rows.add(pa.record_batch([key, *(batch[name] for name in _FIGURE_COLUMNS)], schema=schema))
        vectors.add(*_vectors(batch["image_embedding"]))
        count += batch.num_rows
    rows.close()
    vectors.close()
    return _Written(count, vectors.refused)


def _write_pairs(table: Table, folder: Path, settings: VectorSettings) -> _Written:
    writers = {
        column: VectorWriter(folder / name, _dim(table, column), settings)
        for column, name in _vectors_of_pairs(table).items()
    }
    lexical = LexicalWriter(folder / LEXICAL)
    schema = _pairs_schema(table)
    rows = RowWriter(folder / PAIRS, schema)
    owners = _ordinals(table)
    count = 0
    columns = dict.fromkeys([*COLUMNS, *_PAIR_COLUMNS, *writers])
    try:
        for batch in table.batches("pair", list(columns), _ROWS):
            rows.add(_pair_rows(batch, schema, owners))
            lexical.add(batch.select(list(COLUMNS)).to_pylist())
            for column, vectors in writers.items():
                vectors.add(*_vectors(batch[column]))
            count += batch.num_rows
        rows.close()
        for vectors in writers.values():
            vectors.close()
        lexical.close()
    except BaseException:
        lexical.discard()
        raise
    return _Written(count, sum(vectors.refused for vectors in writers.values()))


def _vectors_of_pairs(table: Table) -> dict[str, str]:
    """Columns of the pairs that hold vectors, each with the folder that they are published in."""
    of_texts = {text_vectors.COLUMN: TEXT_VECTORS} if text_vectors.encoder_of(table) else {}
    return {"pair_embedding": PAIR_VECTORS} | of_texts


def _dim(table: Table, column: str) -> int:
    return int(table.schema.field(column).type.list_size)


def _pairs_schema(table: Table) -> pa.Schema:
    coded = [pa.field(name, pa.dictionary(pa.int8(), pa.string())) for name in _CODED]
    figure = pa.field("figure", pa.int32(), nullable=False)
    prob = pa.field("prob", pa.float32())
    return pa.schema([figure, prob, *coded, *(table.schema.field(name) for name in _PAIR_COLUMNS)])


def _pair_rows(batch: pa.RecordBatch, schema: pa.Schema, owners: FigureStream[int]) -> pa.RecordBatch:
    owner = map(owners.of, batch["document"].to_pylist(), batch["figure"].to_pylist())
    coded = {name: _code(batch[name], values) for name, values in _CODED.items()}
    probabilities = np.stack([_numbers(batch["abs_prob"].field(name)) for name in ABS], axis=1)
    chosen = coded["abs"].indices.to_numpy()
    made = {
        "figure": pa.array(owner, pa.int32()),
        "prob": pa.array(probabilities[np.arange(len(chosen)), chosen], pa.float32()),
        **coded,
    }
    return pa.record_batch([made[name] if name in made else batch[name] for name in schema.names], schema=schema)


def _ordinals(table: Table) -> FigureStream[int]:
    """The ordinals of figures, looked up while the pairs are streamed."""
    keys = (
        key
        for batch in table.batches("figure", ["document", "figure"], _ROWS)
        for key in zip(batch["document"].to_pylist(), batch["figure"].to_pylist(), strict=True)
    )
    return FigureStream(table.folder, ((*key, ordinal) for ordinal, key in enumerate(keys)))


def _code(column: pa.Array, values: tuple[str, ...]) -> pa.DictionaryArray:
    """Texts of a closed vocabulary as numbers, the same ones in every batch."""
    vocabulary = pa.array(values, pa.string())
    codes = pc.index_in(column, vocabulary).cast(pa.int8())
    return pa.DictionaryArray.from_arrays(codes, vocabulary)


def _numbers(column: pa.Array) -> Floats:
    """Floats with NaN for what is missing."""
    numbers: Floats = column.to_numpy(zero_copy_only=False)
    return numbers


def _vectors(column: pa.Array) -> tuple[Floats, Mask]:
    """A column of vectors as (n, dim), and which rows have one."""
    dim = column.type.list_size
    values = column.values.slice(column.offset * dim, len(column) * dim)
    return _numbers(values).reshape(-1, dim), column.is_valid().to_numpy(zero_copy_only=False)


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turns what the libraries raise while they write (OSError, ValueError, RuntimeError) into StorageError."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        full = number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        what = "the disk is full" if full else str(error).partition("\n")[0][:200]
        raise StorageError(f"{folder}: the search structures could not be written ({what})") from error
