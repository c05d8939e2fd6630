"""Searching the embedded structures: rankings of figures, and the hits that they become."""

# ruff: noqa: D102  (what the methods mean is said where `Engine` declares them)

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from tantivy import Query

from abs_index.indexing import text_vectors
from abs_index.indexing.rows import Mask, Ordinals, Rows
from abs_index.indexing.structures import Structures
from abs_index.indexing.vectors import Vectors
from abs_index.model.base import Floats, ModelInfo
from abs_index.search.display import FIGURE_COLUMNS, PAIR_COLUMNS, details_of, hit_of
from abs_index.search.embedded.dialect import TantivyDialect
from abs_index.search.embedded.facets import count
from abs_index.search.engine import MOST_NAMED, Engine, Found, no_such_figure, several_figures, without_image
from abs_index.search.facets import Facets
from abs_index.search.filters import Filters, owners_of
from abs_index.search.hits import FigureDetails, Hit
from abs_index.search.query import parse_query, parse_required

_AHEAD = 4
_REMEMBERED = 8


class Embedded(Engine[int]):
    """Answers searches from the structures that `publish` makes."""

    def __init__(self, structures: Structures) -> None:
        """Use `open`."""
        self._of = structures
        self._dialect = TantivyDialect(structures.lexical)
        # What one search needs twice; and a reader who turns pages, or changes the query only, sends filters again.
        self._parsed = lru_cache(_REMEMBERED)(lambda query: parse_query(query, self._dialect))
        self._pair_mask = lru_cache(_REMEMBERED)(self._find_pair_mask)
        self._figure_mask = lru_cache(_REMEMBERED)(self._find_figure_mask)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the published state of an index: see `Structures.open`."""
        return cls(Structures.open(folder))

    def close(self) -> None:
        self._of.close()

    @property
    def model_name(self) -> str:
        return self._of.table.model_name

    @property
    def text_encoder(self) -> str | None:
        return text_vectors.encoder_of(self._of.table)

    def check_model(self, model: ModelInfo) -> None:
        self._of.table.check_model(model)

    # rankings

    def match(self, query: str, k: int, filters: Filters) -> list[Found[int]]:
        parsed = self._parsed(query)
        if parsed is None:
            return self._newest(k, filters)
        restricted = filters.restrict(parsed, self._of.lexical.schema)

        def best(limit: int) -> tuple[Ordinals, Floats]:
            matches = self._of.lexical.search(restricted, limit)
            return matches.ordinals, matches.scores

        return group(self._of.pairs, best, k)

    def near_pair(self, vector: Floats, k: int, filters: Filters) -> list[Found[int]]:
        return self._near_by(self._of.pair_vectors, vector, k, self._pair_mask(filters) if filters else None)

    def near_text(self, query: str, vector: Floats, k: int, filters: Filters) -> list[Found[int]]:
        if self._of.text_vectors is None:
            return []
        mask = self._pair_mask(filters) if filters else None
        required = parse_required(query, self._dialect, words=True)
        if required is not None:
            mask = self._pairs_that_match(required, filters)
        return self._near_by(self._of.text_vectors, vector, k, mask)

    def _near_by(self, vectors: Vectors, vector: Floats, k: int, mask: Mask | None) -> list[Found[int]]:
        """Figures by the nearest of their pairs that the mask lets pass."""

        def best(limit: int) -> tuple[Ordinals, Floats]:
            (nearest,) = vectors.nearest(vector, limit, mask)
            return nearest.ordinals, nearest.scores

        return group(self._of.pairs, best, k)

    def near_image(self, vector: Floats, k: int, filters: Filters, *, without: int | None = None) -> list[Found[int]]:
        return self._near_image(vector, k, self._figure_mask(filters) if filters else None, without)

    def both(
        self, query: str, vector: Floats, k: int, filters: Filters, *, without: int | None = None
    ) -> tuple[list[Found[int]], list[Found[int]]]:
        required = parse_required(query, self._dialect)
        if required is None:
            return self.match(query, k, filters), self.near_image(vector, k, filters, without=without)
        mask = owners_of(self._pairs_that_match(required, filters), self._of.pairs, self._of.figures)
        return self.match(query, k, filters), self._near_image(vector, k, mask, without)

    def facets(self, query: str, filters: Filters, *, required: bool = False) -> Facets:
        wanted = parse_required(query, self._dialect) if required else self._parsed(query)
        mask = self._pair_mask(filters) if wanted is None else self._pairs_that_match(wanted, filters)
        return count(self._of.pairs, self._of.figures, mask)

    def _near_image(self, vector: Floats, k: int, mask: Mask | None, without: int | None) -> list[Found[int]]:
        (nearest,) = self._of.image_vectors.nearest(vector, k + (without is not None), mask)
        found = zip(nearest.ordinals.tolist(), nearest.scores.tolist(), strict=True)
        return [Found(figure, None, score) for figure, score in found if figure != without][:k]

    def _pairs_that_match(self, query: Query, filters: Filters) -> Mask:
        restricted = filters.restrict(query, self._of.lexical.schema)
        mask = np.zeros(len(self._of.pairs), dtype=np.bool_)
        mask[self._of.lexical.search(restricted, len(mask)).ordinals] = True
        return mask

    def _newest(self, k: int, filters: Filters) -> list[Found[int]]:
        passing = np.flatnonzero(self._figure_mask(filters))
        years = [year.fill_null(np.iinfo(np.int32).min).to_numpy() for (year,) in self._of.figures.chunks("year")]
        chosen = np.concatenate([np.zeros(0, dtype=np.int32), *years])[passing]
        order = np.argsort(-chosen.astype(np.int64), kind="stable")[:k]
        return [Found(figure, None, 0.0) for figure in passing[order].tolist()]

    def _find_pair_mask(self, filters: Filters) -> Mask:
        return filters.pair_mask(self._of.pairs, self._of.figures)

    def _find_figure_mask(self, filters: Filters) -> Mask:
        pair_mask = self._pair_mask(filters) if filters.of_pairs else None
        return filters.figure_mask(self._of.pairs, self._of.figures, pair_mask)

    # figures

    def find_figure(self, name: str) -> int:
        figures = self._of.figures
        found = figures.find("key", name)
        if not len(found):
            found = figures.find("figure", name)
        if not len(found):
            raise no_such_figure(name)
        if len(found) > 1:
            first = figures.take(found[:MOST_NAMED], ["key"])
            raise several_figures(name, [row["key"] for row in first], len(found))
        return int(found[0])

    def looks_of(self, name: str) -> tuple[Floats, int]:
        figure = self.find_figure(name)
        vector = self._of.image_vectors.vector(figure)
        if vector is None:
            (row,) = self._of.figures.take([figure], ["key"])
            raise without_image(row["key"])
        return vector, figure

    def details(self, figure: int) -> FigureDetails:
        (row,) = self._of.figures.take([figure])
        pairs = self._of.pairs.take(self._pairs_of([figure], Filters())[figure])
        return details_of(row, pairs)

    # hits

    def hits(self, found: Sequence[Found[int]], filters: Filters, query: str = "") -> list[Hit]:
        of_images = [item.figure for item in found if item.pair is None]
        firsts = {figure: pairs[0] for figure, pairs in self._pairs_of(of_images, filters, query).items() if len(pairs)}
        shown = [firsts.get(item.figure) if item.pair is None else item.pair for item in found]
        pairs = iter(self._of.pairs.take([pair for pair in shown if pair is not None], PAIR_COLUMNS))
        figures = self._of.figures.take([item.figure for item in found], FIGURE_COLUMNS)
        parsed = self._parsed(query)
        highlighter = None if parsed is None else self._of.lexical.highlighter(parsed)
        made = []
        for item, figure, ordinal in zip(found, figures, shown, strict=True):
            pair = None if ordinal is None else next(pairs)
            words = highlighter.find(pair["text_raw"] or "") if pair and highlighter else ()
            made.append(hit_of(figure, pair, item.score, words))
        return made

    def _pairs_of(self, figures: Sequence[int], filters: Filters, query: str = "") -> dict[int, Ordinals]:
        """The pairs of some figures that pass the filters, and what the query requires, in their order."""
        if not figures:
            return {}
        wanted = np.zeros(len(self._of.figures), dtype=np.bool_)
        wanted[list(figures)] = True
        mask = self._of.pairs.mask(wanted[owner.to_numpy()] for (owner,) in self._of.pairs.chunks("figure"))
        if filters.of_pairs:
            mask &= self._pair_mask(filters)
        required = parse_required(query, self._dialect)
        if required is not None:
            mask &= self._pairs_that_match(required, filters)
        pairs = np.flatnonzero(mask)
        owners = self._of.pairs.numbers("figure", pairs)
        return {figure: pairs[owners == figure] for figure in figures}


def group(owners: Rows, best: Callable[[int], tuple[Ordinals, Floats]], k: int) -> list[Found[int]]:
    """The k best figures from the best pairs, of which as many are looked at as it takes.

    `best` gives ordinals and scores of so many of the best pairs, fewer where there are no more; `owners` are the pairs
    of the index, with the ordinals of their figures.
    """
    limit = _AHEAD * k
    while True:
        pairs, scores = best(limit)
        figures, first = np.unique(owners.numbers("figure", pairs), return_index=True)
        if len(figures) >= k or len(pairs) < limit:
            break
        limit *= _AHEAD
    order = np.argsort(first)[:k]
    rows = zip(figures[order].tolist(), first[order].tolist(), strict=True)
    return [Found(figure, int(pairs[row]), float(scores[row])) for figure, row in rows]
