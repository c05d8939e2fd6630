"""Nearest neighbours by FAISS in the folder of an index whose texts are on the server.

Filters of our own are evaluated here, on the rows of the folder. What only the server knows is asked there: where few
pairs pass, all their ids come here and FAISS compares exactly these; where many do, FAISS goes first and the server
says which of the nearest pass, of as many as it takes. Both give k results whenever k match, and the nearest ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from abs_index.errors import UsageError
from abs_index.indexing import text_vectors
from abs_index.indexing.elasticsearch.aliases import IndexMeta
from abs_index.indexing.elasticsearch.point_in_time import read_pages
from abs_index.indexing.lexical import keyword
from abs_index.indexing.rows import Mask, Ordinals
from abs_index.indexing.structures import Structures
from abs_index.indexing.vectors import Vectors
from abs_index.model.base import Floats
from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.elasticsearch.server import (
    LIMIT,
    Answer,
    Body,
    Seen,
    Server,
    Steps,
    key_of,
    of_figures,
    restricted,
)
from abs_index.search.elasticsearch.vectors import Restriction, VectorSource
from abs_index.search.embedded.engine import group
from abs_index.search.engine import without_image
from abs_index.search.filters import Filters, owners_of

FEW = 50_000
"""Pairs up to which the ids of all that pass are fetched."""

Nearest = tuple[Ordinals, Floats]
"""Ordinals (n,) and cosines (n,), the nearest first."""

_KEPT = "1m"
_AHEAD = 4
_REMEMBERED = 8


class FaissVectors(VectorSource):
    """The vectors of a folder. Both sides know pairs by their ids and figures by their keys."""

    def __init__(self, server: Server, structures: Structures, *, whole: bool, few: int = FEW) -> None:
        """Use `open`. `whole` says that all pairs of the folder are on the server."""
        self._server = server
        self._of = structures
        self.text_encoder = text_vectors.encoder_of(structures.table)
        self._few = few
        self._whole = whole
        every_pair = np.ones(len(structures.pairs), dtype=np.bool_)
        # Figures without texts are not on the server.
        self._with_texts = owners_of(every_pair, structures.pairs, structures.figures)
        self._pair_mask = lru_cache(_REMEMBERED)(self._find_pair_mask)

    @classmethod
    def open(cls, server: Server, folder: Path, meta: IndexMeta, name: str) -> Self:
        """Opens the index in `folder`, which must hold the state of the table that was pushed.

        Raises as `Structures.open`, and UsageError where the state is another.
        """
        structures = Structures.open(folder)
        if structures.table.identity != meta.table:
            structures.close()
            raise UsageError(
                f"{folder}: holds another state than was pushed to {name!r}; push it (abs-index push {folder} "
                f"--name {name}), or search the vectors on the cluster"
            )
        # The server may have refused some.
        return cls(server, structures, whole=meta.pairs == len(structures.pairs))

    def close(self) -> None:
        """Ends the threads of FAISS."""
        self._of.close()

    def to_fetch(self) -> Body:
        """See `VectorSource`."""
        return {}

    def image_vector(self, figure: Answer) -> Floats:
        """See `VectorSource`."""
        key = key_of(figure)
        vector = self._of.image_vectors.vector(self._figure(key))
        if vector is None:
            raise without_image(key)
        return vector

    def near_pair(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """See `VectorSource`. What is shown is fetched afterwards, whatever `show` says."""
        return self._near_by(self._of.pair_vectors, vector, k, restriction)

    def near_text(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """See `VectorSource`. What is shown is fetched afterwards, whatever `show` says."""
        return self._near_by(self._of.text_vectors, vector, k, restriction)

    def _near_by(self, vectors: Vectors | None, vector: Floats, k: int, restriction: Restriction) -> Steps[list[Seen]]:
        """Figures by the nearest of their pairs that pass."""
        yield from ()
        if vectors is None:
            return []
        nearest = partial(_nearest, vectors, vector)
        best = self._best(nearest, restriction, self._pair_mask(restriction.filters), of_figures=False)
        found = group(self._of.pairs, best, k)
        pairs = self._of.pairs.take([each.pair or 0 for each in found], ["pair"])
        keys = self._keys([each.figure for each in found])
        return [Seen(key, row["pair"], each.score) for key, row, each in zip(keys, pairs, found, strict=True)]

    def near_image(
        self, vector: Floats, k: int, restriction: Restriction, *, without: str | None, show: bool
    ) -> Steps[list[Seen]]:
        """See `VectorSource`. What is shown is fetched afterwards, whatever `show` says."""
        yield from ()
        nearest = partial(_nearest, self._of.image_vectors, vector)
        best = self._best(nearest, restriction, self._figure_mask(restriction.filters), of_figures=True)
        figures, scores = best(k + (without is not None))
        found = zip(self._keys(figures.tolist()), scores.tolist(), strict=True)
        return [Seen(key, None, score) for key, score in found if key != without][:k]

    # what passes

    def _best(
        self, nearest: Callable[[Mask | None, int], Nearest], restriction: Restriction, mask: Mask | None, *,
        of_figures: bool,
    ) -> Callable[[int], Nearest]:  # fmt: skip
        """What gives so many of the nearest pairs, or figures, that pass everything; `mask` is what passes here."""
        if not restriction.others and self._whole:
            return partial(nearest, mask)
        query = restricted(None, restriction.clauses())
        if (passing := self._few_that_pass(query)) is not None:
            return partial(nearest, owners_of(passing, self._of.pairs, self._of.figures) if of_figures else passing)
        size = len(self._of.figures if of_figures else self._of.pairs)
        # With a mask, FAISS looks at everything that it allows.
        candidates = partial(nearest, np.ones(size, dtype=np.bool_) if mask is None else mask)
        check = self._figures_that_pass if of_figures else self._pairs_that_pass
        return _Checked(candidates, partial(check, query), size).best

    def _find_pair_mask(self, filters: Filters) -> Mask | None:
        return filters.pair_mask(self._of.pairs, self._of.figures) if filters else None

    def _figure_mask(self, filters: Filters) -> Mask | None:
        if not filters:
            return None if self._with_texts.all() else self._with_texts
        pair_mask = self._pair_mask(filters) if filters.of_pairs else None
        return filters.figure_mask(self._of.pairs, self._of.figures, pair_mask) & self._with_texts

    def _few_that_pass(self, query: Query) -> Mask | None:
        """The pairs that a query finds, or None where these are more than few."""
        answer = self._server.ask({"query": query, "size": 0, "track_total_hits": self._few + 1})
        if answer["hits"]["total"]["value"] > self._few:
            return None
        ids = pa.array(list(self._ids(query)), pa.string())
        return self._of.pairs.mask(_truth(pc.is_in(chunk, ids)) for (chunk,) in self._of.pairs.chunks("pair"))

    def _ids(self, query: Query) -> Iterator[str]:
        """Ids of all pairs that a query finds, as they are at one moment."""
        body: Body = {"query": query, "stored_fields": "_none_", "docvalue_fields": ["pair"]}
        for hits in read_pages(self._server.client, self._server.index, body, LIMIT, keep=_KEPT):
            yield from (hit["fields"]["pair"][0] for hit in hits)

    def _pairs_that_pass(self, query: Query, pairs: Ordinals) -> Mask:
        ids = [row["pair"] for row in self._of.pairs.take(pairs, ["pair"])]
        body = {"query": restricted(None, [query, {"terms": {"pair": ids}}]), "size": len(ids), "_source": False}
        answer = self._server.ask({**body, "docvalue_fields": ["pair"], "track_total_hits": False})
        passing = {hit["fields"]["pair"][0] for hit in answer["hits"]["hits"]}
        return np.array([pair in passing for pair in ids], dtype=np.bool_)

    def _figures_that_pass(self, query: Query, figures: Ordinals) -> Mask:
        keys = self._keys(figures.tolist())
        body = {"query": restricted(None, [query, *of_figures(keys)]), "size": len(keys), "_source": False}
        answer = self._server.ask({**body, "collapse": {"field": "key"}, "track_total_hits": False})
        passing = {key_of(hit) for hit in answer["hits"]["hits"]}
        return np.array([key in passing for key in keys], dtype=np.bool_)

    # names

    def _keys(self, figures: Sequence[int]) -> list[str]:
        return [keyword(row["key"]) for row in self._of.figures.take(figures, ["key"])]

    def _figure(self, key: str) -> int:
        """The ordinal of a figure. Long keys are not on the server as they are: see `keyword`."""
        figures = self._of.figures
        found = figures.find("key", key)
        if not len(found):
            long = figures.mask(
                _truth(pc.greater_equal(pc.utf8_length(chunk), len(key))) for (chunk,) in figures.chunks("key")
            )
            ordinals = np.flatnonzero(long)
            found = ordinals[[keyword(row["key"]) == key for row in figures.take(ordinals, ["key"])]]
        return int(found[0])


class _Checked:
    """The nearest of what passes a check that costs a request: asked once for each candidate, the nearest first."""

    def __init__(self, candidates: Callable[[int], Nearest], check: Callable[[Ordinals], Mask], size: int) -> None:
        self._candidates = candidates
        self._check = check
        self._known = np.zeros(size, dtype=np.bool_)
        self._passing = np.zeros(size, dtype=np.bool_)

    def best(self, limit: int) -> Nearest:
        """So many of the nearest that pass; fewer where there are no more."""
        asked = _AHEAD * limit
        while True:
            ordinals, scores = self._candidates(asked)
            new = ordinals[~self._known[ordinals]]
            for start in range(0, len(new), LIMIT):
                part = new[start : start + LIMIT]
                self._passing[part] = self._check(part)
            self._known[new] = True
            passing = self._passing[ordinals]
            if np.count_nonzero(passing) >= limit or len(ordinals) < asked:
                return ordinals[passing][:limit], scores[passing][:limit]
            asked *= _AHEAD


def _nearest(vectors: Vectors, vector: Floats, mask: Mask | None, limit: int) -> Nearest:
    (nearest,) = vectors.nearest(vector, limit, mask)
    return nearest.ordinals, nearest.scores


def _truth(values: pa.BooleanArray) -> Mask:
    mask: Mask = values.to_numpy(zero_copy_only=False)
    return mask
