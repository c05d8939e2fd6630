"""Nearest neighbours on the server: `knn` with the filter inside its clause, so that no filter costs results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

import numpy as np

from abs_index.errors import UsageError
from abs_index.model.base import Floats
from abs_index.search.display import figure_id
from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.elasticsearch.filters import clauses
from abs_index.search.elasticsearch.hits import shown
from abs_index.search.elasticsearch.server import LIMIT, Answer, Body, Seen, Steps, of_figures, seen
from abs_index.search.engine import without_image
from abs_index.search.filters import Filters

FIRST_PAIRS: Final[Query] = {"term": {"order": 0}}
"""One pair of each figure: its first."""

_AHEAD = 4
_FEWEST_CANDIDATES = 100
_CANDIDATES_A_RESULT = 1.5
# How many times as many neighbours are found by short numbers and then compared by the whole ones, so that their order
# and their scores are the true ones. For the shortest numbers the server does so by itself.
_OVERSAMPLE: Final = {"int8": 2.0, "int4": 3.0}


@dataclass(frozen=True, slots=True)
class Restriction:
    """What results must pass: filters, and queries beside them that only the server knows."""

    filters: Filters
    others: tuple[Query, ...] = field(default=())

    def clauses(self) -> list[Query]:
        """All of it, for a filter context."""
        return [*clauses(self.filters), *self.others]

    @property
    def of_pairs(self) -> bool:
        """Whether of one figure some pairs may pass and others not."""
        return self.filters.of_pairs or bool(self.others)


class VectorSource(Protocol):
    """Where figures are found by vectors. `text_encoder` made those of texts; None where there are none here."""

    text_encoder: str | None

    def near_pair(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """The k figures a pair of which is nearest to a pair embedding (pair_dim,)."""

    def near_image(
        self, vector: Floats, k: int, restriction: Restriction, *, without: str | None, show: bool
    ) -> Steps[list[Seen]]:
        """The k figures whose images are nearest to an image embedding (image_dim,)."""

    def near_text(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """The k figures a text of which is nearest to a vector of texts (d,)."""

    def to_fetch(self) -> Body:
        """What a request that looks for a figure has to add, so that `image_vector` needs none of its own."""

    def image_vector(self, figure: Answer) -> Floats:
        """The image embedding (image_dim,) of a figure, from a hit that such a request brought.

        Raises UsageError where it has none.
        """

    def close(self) -> None:
        """Releases what it holds."""


class ServerVectors(VectorSource):
    """The vectors that lie with the pairs on the server, kept there as `quantisation` says (see the recipe)."""

    def __init__(self, quantisation: str, text_encoder: str | None) -> None:
        self.text_encoder = text_encoder
        self._oversample = _OVERSAMPLE.get(quantisation.partition("_")[0])

    def near_pair(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """See `VectorSource`. With `show`, hits bring all that is shown of them."""
        search = _Search("embedding.pair", vector, restriction.clauses(), self._oversample, show=show)
        return _nearest(search, k, None)

    def near_text(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """See `VectorSource`. With `show`, hits bring all that is shown of them."""
        search = _Search("embedding.text", vector, restriction.clauses(), self._oversample, show=show)
        return _nearest(search, k, None)

    def near_image(
        self, vector: Floats, k: int, restriction: Restriction, *, without: str | None, show: bool
    ) -> Steps[list[Seen]]:
        """See `VectorSource`. Where all pairs of a figure pass, only their first ones are looked at."""
        filters = restriction.clauses()
        if not restriction.of_pairs:
            filters = [*filters, FIRST_PAIRS]
            search = _Search("embedding.image", vector, filters, self._oversample, show=show, grouped=True)
            return (yield from _nearest(search, k, without))
        # The server returns any of the pairs, which all have this vector; what is shown is the first that passes.
        found = yield from _nearest(_Search("embedding.image", vector, filters, self._oversample), k, without)
        return [replace(each, pair=None) for each in found]

    def to_fetch(self) -> Body:
        """See `VectorSource`. Not from the source: newer servers leave vectors out of it."""
        return {"fields": ["embedding.image"]}

    def image_vector(self, figure: Answer) -> Floats:
        """See `VectorSource`."""
        vector = figure["fields"].get("embedding.image")
        if not vector:
            raise without_image(figure_id(figure["_source"]))
        return np.array(vector, dtype=np.float32)

    def close(self) -> None:
        """Nothing is held here."""


class NoVectors(VectorSource):
    """Vectors that are neither on the server nor in a folder that was given: every use is an error."""

    text_encoder = None

    def __init__(self, name: str) -> None:
        self._error = UsageError(
            f"{name!r} was pushed without vectors; give the folder of the index to search them with FAISS "
            "(--vectors faiss --index DIR)"
        )

    def near_pair(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """Raises UsageError."""
        raise self._error

    def near_text(self, vector: Floats, k: int, restriction: Restriction, *, show: bool) -> Steps[list[Seen]]:
        """Raises UsageError."""
        raise self._error

    def near_image(
        self, vector: Floats, k: int, restriction: Restriction, *, without: str | None, show: bool
    ) -> Steps[list[Seen]]:
        """Raises UsageError."""
        raise self._error

    def to_fetch(self) -> Body:
        """Nothing is there to be fetched."""
        return {}

    def image_vector(self, figure: Answer) -> Floats:
        """Raises UsageError."""
        raise self._error

    def close(self) -> None:
        """Nothing is held here."""


@dataclass(frozen=True, slots=True)
class _Search:
    """What one vector search asks for. `grouped` where no figure can come twice."""

    field: Literal["embedding.pair", "embedding.image", "embedding.text"]
    vector: Floats
    filters: Sequence[Query]
    oversample: float | None
    show: bool = False
    grouped: bool = False

    def body(self, figures: int, neighbours: int, left_out: Sequence[str]) -> Body:
        """A request for so many figures, from so many pairs, of others than those left out."""
        exclusion = [{"bool": {"must_not": of_figures(left_out)}}] if left_out else []
        knn: Body = {
            "field": self.field,
            "query_vector": _unit(self.vector),
            "k": neighbours,
            "num_candidates": min(LIMIT, max(_FEWEST_CANDIDATES, int(_CANDIDATES_A_RESULT * neighbours))),
            "filter": [*self.filters, *exclusion],
        }
        if self.oversample is not None:
            knn["rescore_vector"] = {"oversample": self.oversample}
        return {
            "knn": knn,
            "collapse": {"field": "key"},
            "size": min(figures, LIMIT),
            "track_total_hits": True,
            **(shown(None) if self.show else {"_source": False}),
        }


def _unit(vector: Floats) -> list[float]:
    """A vector (d,) at unit length, which one of the two similarities of the recipe asks for."""
    exact = vector.astype(np.float64)
    numbers: list[float] = (exact / np.linalg.norm(exact)).tolist()
    return numbers


def _nearest(search: _Search, k: int, without: str | None) -> Steps[list[Seen]]:
    """The k nearest figures, from as many pairs as it takes; past the limit of the server, from the others.

    A request that brings less than was asked for is followed by one for all others: a graph of vectors may not reach
    everything that passes.
    """
    found: dict[str, Seen] = {}
    out = [] if without is None else [without]
    neighbours = min(LIMIT, k if search.grouped else _AHEAD * k)
    while True:
        answer = yield search.body(k - len(found), neighbours, [*out, *found])
        page = {key: _with_cosine(each) for key, each in seen(answer).items()}
        if not page or len(found) + len(page) >= k:
            found |= page
            return sorted(found.values(), key=lambda each: -each.score)[:k]
        if _count(answer) < neighbours or neighbours == LIMIT:
            found |= page
        else:
            neighbours = min(LIMIT, _AHEAD * neighbours)


def _count(answer: Answer) -> int:
    return int(answer["hits"]["total"]["value"])


def _with_cosine(found: Seen) -> Seen:
    """The server gives (1 + cosine) / 2, as its scores may not be negative."""
    return replace(found, score=2 * found.score - 1)
