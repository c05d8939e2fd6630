"""Searching the embedded structures: rankings of figures, and the hits that they become."""

# ruff: noqa: D102  (what the methods mean is said where `Engine` declares them)

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from tantivy import Query

from abs_index.errors import UsageError
from abs_index.indexing.lexical import Highlighter
from abs_index.indexing.rows import Mask, Ordinals, Rows
from abs_index.indexing.structures import Structures
from abs_index.model.base import Floats, ModelInfo
from abs_index.search.embedded.dialect import TantivyDialect
from abs_index.search.engine import Engine, Found
from abs_index.search.filters import Filters, owners_of
from abs_index.search.hits import FigureDetails, Hit, PairDetails
from abs_index.search.query import parse_query, parse_required
from abs_index.search.snippets import cut

_AHEAD = 4
_MOST_CANDIDATES = 10
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
        mask = self._pair_mask(filters) if filters else None

        def best(limit: int) -> tuple[Ordinals, Floats]:
            (nearest,) = self._of.pair_vectors.nearest(vector, limit, mask)
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
            raise UsageError(f"there is no figure {name!r} in this index; a search prints the ids that there are")
        if len(found) > 1:
            keys = ", ".join(row["key"] for row in figures.take(found[:_MOST_CANDIDATES], ["key"]))
            more = f" and {len(found) - _MOST_CANDIDATES} more" if len(found) > _MOST_CANDIDATES else ""
            raise UsageError(f"{len(found)} figures have the id {name!r}; name one of: {keys}{more}")
        return int(found[0])

    def looks_of(self, name: str) -> tuple[Floats, int]:
        figure = self.find_figure(name)
        vector = self._of.image_vectors.vector(figure)
        if vector is None:
            (row,) = self._of.figures.take([figure], ["key"])
            raise UsageError(f"figure {row['key']!r} has no image that could be embedded; search by words instead")
        return vector, figure

    def details(self, figure: int) -> FigureDetails:
        (row,) = self._of.figures.take([figure])
        pairs = self._of.pairs.take(self._pairs_of([figure], Filters())[figure])
        return FigureDetails(
            **_facts(row),
            alt=row["alt"] or "",
            credit=row["credit"] or "",
            images=tuple(row["images"] or ()),
            width=row["width"],
            height=row["height"],
            image_format=row["image_format"] or "",
            authors=tuple(row["authors"] or ()),
            licence=row["licence"] or "",
            language=row["language"] or "",
            doi=row["doi"] or "",
            pairs=tuple(_pair_details(pair) for pair in pairs),
        )

    # hits

    def hits(self, found: Sequence[Found[int]], filters: Filters, query: str = "") -> list[Hit]:
        of_images = [item.figure for item in found if item.pair is None]
        firsts = {figure: pairs[0] for figure, pairs in self._pairs_of(of_images, filters, query).items() if len(pairs)}
        shown = [firsts.get(item.figure) if item.pair is None else item.pair for item in found]
        pairs = iter(self._of.pairs.take([pair for pair in shown if pair is not None], _SHOWN_OF_PAIRS))
        figures = self._of.figures.take([item.figure for item in found], _SHOWN)
        parsed = self._parsed(query)
        highlighter = None if parsed is None else self._of.lexical.highlighter(parsed)
        return [
            Hit(**_facts(figure), score=item.score, **_evidence(None if pair is None else next(pairs), highlighter))
            for item, figure, pair in zip(found, figures, shown, strict=True)
        ]

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


_SHOWN = ("key", "document", "figure", "label", "caption_raw", "image", "path", "source", "title", "container", "year")
"""Columns of a figure that `_facts` needs."""

_SHOWN_OF_PAIRS = ("pair", "role", "section", "text_raw", "abs", "prob", "abs_prob", "kind", "kind_prob")
"""Columns of a pair that `_evidence` needs."""


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


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """What hits and details both say of a figure."""
    return {
        "id": row["key"],
        "document": row["document"],
        "figure": row["figure"],
        "label": row["label"] or "",
        "caption": row["caption_raw"] or "",
        "image": row["image"],
        "path": row["path"] or "",
        "source": row["source"] or "",
        "title": row["title"] or "",
        "journal": row["container"] or "",
        "year": row["year"],
    }


def _labels(row: dict[str, Any]) -> dict[str, Any]:
    """What the network says of a pair."""
    return {name: row[name] for name in ("abs", "prob", "abs_prob", "kind", "kind_prob")}


def _evidence(pair: dict[str, Any] | None, highlighter: Highlighter | None) -> dict[str, Any]:
    """What a hit says of its pair."""
    if pair is None:
        missing = dict.fromkeys(("pair", "role", "abs", "prob", "abs_prob", "kind", "kind_prob"))
        return {**missing, "section": "", "snippet": "", "highlights": ()}
    text = pair["text_raw"] or ""
    snippet, highlights = cut(text, highlighter.find(text) if highlighter else ())
    section = pair["section"] or ""
    shown = {"pair": pair["pair"], "role": pair["role"], "section": section}
    return {**shown, "snippet": snippet, "highlights": highlights, **_labels(pair)}


def _pair_details(row: dict[str, Any]) -> PairDetails:
    return PairDetails(
        id=row["pair"],
        role=row["role"],
        section=row["section"] or "",
        text=row["text_raw"] or "",
        path=row["text_path"] or "",
        **_labels(row),
    )
