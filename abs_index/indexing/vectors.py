"""Nearest neighbours among vectors: FAISS, in files that are mapped into memory.

Vectors are compared by cosine: they are scaled to unit length, and the inner product is the score. A vector without a
direction (all zeros, NaN, infinite) is left out; the ordinals of the others stay what they are.

Vectors lie in flat shards of bounded size. Up to `VectorSettings.flat_limit` of them they lie in the order of their
ordinals, and every search looks at all. Above it they are sorted by their nearest of some hundred centres (an inverted
file: Sivic and Zisserman 2003), and a search without a filter looks only at the lists of the `probes` nearest centres.
A search with a filter always looks at every vector that the filter passes, so it gives exactly what a comparison with
all of these would give, however few they are.

With `faiss-gpu` and a GPU, searches without a filter look at all vectors there, as far as they fit.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abs_index.indexing.rows import Mask, Ordinals
from abs_index.model.base import Floats

logger = logging.getLogger(__name__)

# The stubs that come with FAISS describe its C++ classes, not what its Python layer makes of them.
faiss: Any = import_module("faiss")

_SHARDS = "shard-{:05}.faiss"
_UNSORTED = "unsorted-{:05}.faiss"
_CENTRES = "centres.faiss"
_STARTS = "starts.npy"
_ORDINALS = "ordinals.bin"
_ORDINAL = np.dtype("<u4")
_SAMPLE = 50_000
_MOST_ON_GPU = 2048  # results that a search on a GPU can give
_MOST_LISTS = 1024
_FEWEST_TO_TRAIN = 39  # vectors a centre below which FAISS warns of poor ones


@dataclass(frozen=True, slots=True)
class VectorSettings:
    """How vectors are laid out. `shard_bytes` bounds the memory that writing takes, and a step of a search."""

    shard_bytes: int = 8 * 2**20
    flat_limit: int = 1_000_000
    probes: int = 32
    gpu: bool = True


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Nearest vectors of one query, best first: `ordinals` int64 (n,), `scores` float32 (n,), cosines in -1..1."""

    ordinals: Ordinals
    scores: Floats


def unit(vectors: NDArray[np.floating[Any]]) -> tuple[Floats, Mask]:
    """The vectors (n, d) that have a direction, at unit length, and a mask (n,) that says which these are.

    Lengths are taken in double precision, in which the square of the smallest float32 is not yet zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]], dtype=np.float32))[1].tolist()
    [True, False, False]
    """
    exact = np.asarray(vectors, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    usable = np.isfinite(lengths) & (lengths > 0)
    return (exact[usable] / lengths[usable, None]).astype(np.float32), usable


class VectorWriter:
    """Writes vectors into a new folder, shard by shard. Call `add` in the order of the ordinals, then `close`."""

    def __init__(self, folder: Path, dim: int, settings: VectorSettings | None = None) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._dim = dim
        self._settings = settings or VectorSettings()
        self._shard_rows = max(1, self._settings.shard_bytes // (4 * dim))
        self._buffer = np.empty((self._shard_rows, dim), dtype=np.float32)
        self._filled = 0
        self._shards = 0
        (folder / _ORDINALS).touch()
        self._next_ordinal = 0
        self.count = 0
        """How many vectors were taken."""
        self.refused = 0
        """How many vectors had no direction. Missing ones do not count."""

    def add(self, vectors: Floats, present: Mask) -> None:
        """The vectors (n, dim) of the next n ordinals. A row that is not `present` (n,) only takes its ordinal."""
        usable, directed = unit(vectors[present])
        self.refused += int(np.count_nonzero(~directed))
        self.count += len(usable)
        ordinals = self._next_ordinal + np.flatnonzero(present)[directed]
        with (self._folder / _ORDINALS).open("ab") as file:
            file.write(ordinals.astype(_ORDINAL).tobytes())
        self._next_ordinal += len(present)
        while len(usable):
            taken = usable[: self._shard_rows - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            usable = usable[len(taken) :]
            if self._filled == self._shard_rows:
                self._write_shard()

    def close(self) -> None:
        """Writes what is pending; above the limit, sorts all vectors into lists."""
        if self._filled:
            self._write_shard()
        if self.count > self._settings.flat_limit:
            _sort_into_lists(self._folder, self._shards, self._shard_rows)

    def _write_shard(self) -> None:
        _write_flat(self._folder / _SHARDS.format(self._shards), self._buffer[: self._filled])
        self._shards += 1
        self._filled = 0


def _write_flat(path: Path, vectors: Floats) -> None:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path))


def _sort_into_lists(folder: Path, shards: int, shard_rows: int) -> None:
    """Rewrites the shards so that vectors of one list lie together. In memory: one shard, and a number a vector."""
    for number in range(shards):
        (folder / _SHARDS.format(number)).rename(folder / _UNSORTED.format(number))
    unsorted = [_Shard.open(folder / _UNSORTED.format(number), number * shard_rows) for number in range(shards)]
    centres = _find_centres(unsorted)
    lists = np.concatenate([centres.search(shard.vectors, 1)[1][:, 0] for shard in unsorted]).astype(np.int32)
    order = np.argsort(lists, kind="stable")
    for number in range(shards):
        positions = order[number * shard_rows : (number + 1) * shard_rows]
        _write_flat(folder / _SHARDS.format(number), _gather(unsorted, positions, shard_rows))
    ordinals = np.fromfile(folder / _ORDINALS, dtype=_ORDINAL)
    ordinals[order].tofile(folder / _ORDINALS)
    np.save(folder / _STARTS, np.searchsorted(lists[order], np.arange(centres.ntotal + 1)))
    faiss.write_index(centres, str(folder / _CENTRES))
    for number in range(shards):
        (folder / _UNSORTED.format(number)).unlink()


def _find_centres(shards: Sequence[_Shard]) -> Any:
    """Centres of the vectors by spherical k-means over evenly spaced ones, as a flat index."""
    count = sum(shard.count for shard in shards)
    number = max(1, min(_MOST_LISTS, int(4 * math.sqrt(count)), count // _FEWEST_TO_TRAIN))
    step = max(1, count // max(_SAMPLE, _FEWEST_TO_TRAIN * number))
    sample = np.concatenate([shard.vectors[::step] for shard in shards])
    kmeans = faiss.Kmeans(sample.shape[1], min(number, len(sample)), niter=10, spherical=True, seed=1)
    kmeans.train(sample)
    centres = faiss.IndexFlatIP(sample.shape[1])
    centres.add(kmeans.centroids)
    return centres


def _gather(shards: Sequence[_Shard], positions: NDArray[np.int64], shard_rows: int) -> Floats:
    """The vectors at `positions`, in that order, from shards that all (but the last) hold `shard_rows`."""
    gathered = np.empty((len(positions), shards[0].vectors.shape[1]), dtype=np.float32)
    for number in np.unique(positions // shard_rows):
        here = positions // shard_rows == number
        gathered[here] = shards[number].vectors[positions[here] % shard_rows]
    return gathered


@dataclass(frozen=True, slots=True)
class _Shard:
    """A flat FAISS index whose first vector stands at position `start`; `vectors` (count, dim) lie in its file."""

    index: Any
    start: int
    count: int
    vectors: Floats

    @classmethod
    def open(cls, path: Path, start: int) -> _Shard:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        vectors = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
        return cls(index, start, index.ntotal, vectors)


class Vectors:
    """Vectors opened for searching, from several threads if wanted."""

    def __init__(self, folder: Path, dim: int, settings: VectorSettings | None = None) -> None:
        """Maps the files of a `VectorWriter`. Raises OSError, ValueError or RuntimeError where one is damaged."""
        self._dim = dim
        self._settings = settings or VectorSettings()
        self._ordinals = np.fromfile(folder / _ORDINALS, dtype=_ORDINAL).astype(np.int64)
        self._shards = list(_open_shards(folder))
        self._lists = _Lists.open(folder)
        self._pool = ThreadPoolExecutor(max(1, min(len(self._shards), faiss.omp_get_max_threads())), "faiss")

    def __len__(self) -> int:
        return len(self._ordinals)

    def close(self) -> None:
        """Ends the threads. Files are released with the object."""
        self._pool.shutdown()

    def nearest(self, queries: Floats, k: int, mask: Mask | None = None) -> list[Neighbours]:
        """The k nearest vectors of each query (q, dim), at most; fewer where there are not so many.

        With `mask` (one truth value an ordinal), exactly the nearest among the ordinals that it allows. Equal scores
        are in the order of the ordinals. Raises ValueError for a query without a direction.
        """
        directed, usable = unit(queries.reshape(-1, self._dim))
        if not usable.all():
            raise ValueError("a query vector has no direction (all zeros, NaN or infinite)")
        if mask is None and self._on_gpu is not None:
            return self._search_gpu(self._on_gpu, directed, k)
        if mask is None and self._lists:
            probed = self._lists.probe(directed, self._settings.probes, len(self))
            return [self._among(query[None], k, allowed)[0] for query, allowed in zip(directed, probed, strict=True)]
        return self._among(directed, k, None if mask is None else mask[self._ordinals])

    @cached_property
    def _on_gpu(self) -> Any | None:
        """All vectors on the first GPU; None where there is none, or where they do not fit.

        Copied when the first search needs them. Flat indexes on a GPU know no selectors, so filters stay with the CPU.
        """
        if not self._settings.gpu or not len(self) or faiss.get_num_gpus() < 1:
            return None
        try:
            index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), self._dim)
            for shard in self._shards:
                index.add(shard.vectors)
        except RuntimeError as error:
            logger.warning("vectors stay on the CPU: %s", str(error).partition("\n")[0])
            return None
        return index

    def _search_gpu(self, index: Any, queries: Floats, k: int) -> list[Neighbours]:
        k = min(k, len(self))
        if not 1 <= k <= _MOST_ON_GPU:
            return self._among(queries, k, None)
        scores, positions = index.search(queries, k)
        return [self._best(*row, k) for row in zip(scores, positions, strict=True)]

    def vector(self, ordinal: int) -> Floats | None:
        """The vector (dim,) of an ordinal, at unit length, or None where it has none."""
        found = np.flatnonzero(self._ordinals == ordinal)
        for shard in self._shards if len(found) else ():
            if shard.start <= found[0] < shard.start + shard.count:
                vector: Floats = shard.vectors[found[0] - shard.start].copy()
                return vector
        return None

    def _among(self, queries: Floats, k: int, allowed: Mask | None) -> list[Neighbours]:
        """As `nearest`, among the positions (not ordinals) that are allowed."""
        k = min(k, len(self) if allowed is None else int(np.count_nonzero(allowed)))
        if k < 1:
            return [Neighbours(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)) for _ in queries]
        found = list(self._pool.map(lambda shard: _search(shard, queries, k, allowed), self._shards))
        scores = np.concatenate([part[0] for part in found], axis=1)
        positions = np.concatenate([part[1] for part in found], axis=1)
        return [self._best(*row, k) for row in zip(scores, positions, strict=True)]

    def _best(self, scores: Floats, positions: NDArray[np.int64], k: int) -> Neighbours:
        real = positions >= 0
        ordinals = self._ordinals[positions[real]]
        order = np.lexsort((ordinals, -scores[real]))[:k]
        return Neighbours(ordinals[order], scores[real][order])


def _open_shards(folder: Path) -> Iterator[_Shard]:
    start = 0
    for path in sorted(folder.glob(_SHARDS.format(0).replace("00000", "*"))):
        shard = _Shard.open(path, start)
        start += shard.count
        yield shard


def _search(shard: _Shard, queries: Floats, k: int, allowed: Mask | None) -> tuple[Floats, NDArray[np.int64]]:
    """Scores and positions (q, up to k) of one shard. FAISS fills what is missing with -1, which stays -1 here."""
    selector = None
    if allowed is not None:
        here = allowed[shard.start : shard.start + shard.count]
        k = min(k, int(np.count_nonzero(here)))
        # One bit a vector: a selector that is shorter than the index would read foreign memory.
        selector = faiss.IDSelectorBitmap(np.packbits(here, bitorder="little"))
    if k == 0:
        return np.zeros((len(queries), 0), dtype=np.float32), np.zeros((len(queries), 0), dtype=np.int64)
    scores, positions = shard.index.search(queries, min(k, shard.count), params=faiss.SearchParameters(sel=selector))
    return scores, np.where(positions < 0, -1, positions + shard.start)


@dataclass(frozen=True, slots=True)
class _Lists:
    """The centres, and where the list of each starts: list i holds the positions starts[i] to starts[i + 1]."""

    centres: Any
    starts: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path) -> _Lists | None:
        """The lists of a folder, or None where its vectors are not sorted into any."""
        if not (folder / _CENTRES).exists():
            return None
        return cls(faiss.read_index(str(folder / _CENTRES)), np.load(folder / _STARTS))

    def probe(self, queries: Floats, probes: int, count: int) -> Iterator[Mask]:
        """For each query, the positions (of `count`) in the lists of its nearest centres."""
        nearest = self.centres.search(queries, min(probes, self.centres.ntotal))[1]
        for lists in nearest:
            positions = np.zeros(count, dtype=np.bool_)
            for number in lists:
                positions[self.starts[number] : self.starts[number + 1]] = True
            yield positions
