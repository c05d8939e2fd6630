"""Searching an index on a cluster: rankings of figures, and the hits that they become."""

# ruff: noqa: D102  (what the methods mean is said where `Engine` declares them)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from abs_index.errors import ModelMismatchError, QueryError
from abs_index.indexing.elasticsearch.aliases import LiveIndex
from abs_index.indexing.elasticsearch.connection import error_reason
from abs_index.indexing.lexical import keyword
from abs_index.indexing.records import storable
from abs_index.model.base import Floats, ModelInfo
from abs_index.search.display import details_of, figure_id
from abs_index.search.elasticsearch.dialect import ElasticsearchDialect, Query, words_in_texts
from abs_index.search.elasticsearch.facets import aggregations, facets_of
from abs_index.search.elasticsearch.filters import clauses
from abs_index.search.elasticsearch.hits import hit_of, shown
from abs_index.search.elasticsearch.server import (
    LIMIT,
    Answer,
    Body,
    Seen,
    Server,
    Steps,
    key_of,
    of_figures,
    ranking,
    restricted,
)
from abs_index.search.elasticsearch.vectors import FIRST_PAIRS, Restriction, VectorSource
from abs_index.search.engine import MOST_NAMED, Engine, Found, no_such_figure, several_figures
from abs_index.search.facets import Facets
from abs_index.search.filters import Filters
from abs_index.search.hits import FigureDetails, Hit
from abs_index.search.query import parse_query, parse_required

_MOST_SHOWN_AT_ONCE = 50
_FETCHED_AT_ONCE = 500
_REMEMBERED = 8
_ONE_A_FIGURE: Final = {"collapse": {"field": "key"}, "track_total_hits": False}
_NEWEST: Final = [{"year": {"order": "desc", "missing": "_last"}}, {"key": "asc"}, {"order": "asc"}]
_IN_ORDER: Final = [{"order": "asc"}, {"pair": "asc"}]


class ElasticsearchEngine(Engine[str]):
    """Answers searches from an index that `push` made. A plain search is one request."""

    def __init__(self, server: Server, live: LiveIndex, vectors: VectorSource, only: Query | None = None) -> None:
        """`only` restricts every search, beside its filters."""
        self._server = server
        self._live = live
        self._vectors = vectors
        self._only = () if only is None else (only,)
        dialect = ElasticsearchDialect(server.analyse, live.meta.analyzer)
        self._parsed = lru_cache(_REMEMBERED)(lambda query: parse_query(query, dialect))
        self._required = lru_cache(_REMEMBERED)(lambda query: parse_required(query, dialect))
        self._required_words = lru_cache(_REMEMBERED)(lambda query: parse_required(query, dialect, words=True))

    def close(self) -> None:
        self._vectors.close()
        self._server.close()

    @property
    def model_name(self) -> str:
        return self._live.meta.model

    @property
    def text_encoder(self) -> str | None:
        return self._vectors.text_encoder

    def check_model(self, model: ModelInfo) -> None:
        meta = self._live.meta
        if model.fingerprint != meta.model_fingerprint:
            raise ModelMismatchError(
                f"{self._live.index}: index built with model {meta.model!r} ({meta.model_fingerprint[:12]}), given was "
                f"{model.name!r} ({model.fingerprint[:12]}); use that one"
            )

    # rankings

    def match(self, query: str, k: int, filters: Filters) -> list[Seen]:
        (found,) = self._server.run(self._match(query, k, filters, show=k <= _MOST_SHOWN_AT_ONCE))
        return found

    def near_pair(self, vector: Floats, k: int, filters: Filters) -> list[Seen]:
        show = k <= _MOST_SHOWN_AT_ONCE
        (found,) = self._server.run(self._vectors.near_pair(vector, k, self._restriction(filters), show=show))
        return found

    def near_image(self, vector: Floats, k: int, filters: Filters, *, without: str | None = None) -> list[Seen]:
        show = k <= _MOST_SHOWN_AT_ONCE
        restriction = self._restriction(filters)
        (found,) = self._server.run(self._vectors.near_image(vector, k, restriction, without=without, show=show))
        return found

    def both(
        self, query: str, vector: Floats, k: int, filters: Filters, *, without: str | None = None
    ) -> tuple[list[Seen], list[Seen]]:
        words = self._match(query, k, filters, show=False)
        restriction = self._restriction(filters, query)
        looks = self._vectors.near_image(vector, k, restriction, without=without, show=False)
        by_words, by_looks = self._server.run(words, looks)
        return by_words, by_looks

    def _match(self, query: str, k: int, filters: Filters, *, show: bool) -> Steps[list[Seen]]:
        parsed = self._parsed(query)
        parts: Body = dict(_ONE_A_FIGURE)
        passing = [*clauses(filters), *self._only]
        if parsed is None:
            parts["sort"] = _NEWEST
            if not self._restriction(filters).of_pairs:
                passing.append(FIRST_PAIRS)
        body = {**parts, "query": restricted(parsed, passing), **self._shown(query, show=show)}
        with _taken(parsed):
            return (yield from ranking(body, k))

    def near_text(self, query: str, vector: Floats, k: int, filters: Filters) -> list[Seen]:
        required = self._required_words(query)
        with _taken(required):  # what is shown is fetched later, with the words of the query in it
            restriction = self._restricted(filters, required)
            (found,) = self._server.run(self._vectors.near_text(vector, k, restriction, show=False))
        return found

    def facets(self, query: str, filters: Filters, *, required: bool = False) -> Facets:
        wanted = self._required(query) if required else self._parsed(query)
        (counted,) = self._server.run(self._facets(wanted, filters))
        return counted

    def _facets(self, wanted: Query | None, filters: Filters) -> Steps[Facets]:
        with _taken(wanted):
            answer = yield {**aggregations(), "query": restricted(wanted, [*clauses(filters), *self._only])}
        return facets_of(answer)

    def _restriction(self, filters: Filters, query: str = "") -> Restriction:
        return self._restricted(filters, self._required(query))

    def _restricted(self, filters: Filters, required: Query | None) -> Restriction:
        return Restriction(filters, self._only if required is None else (*self._only, required))

    def _shown(self, query: str, *, show: bool = True) -> Body:
        parsed = self._parsed(query) if show else None
        return shown(None if parsed is None else words_in_texts(parsed)) if show else {"_source": False}

    # figures

    def find_figure(self, name: str) -> str:
        return key_of(self._find(storable(name)))

    def looks_of(self, name: str) -> tuple[Floats, str]:
        figure = self._find(storable(name))
        return self._vectors.image_vector(figure), key_of(figure)

    def _find(self, name: str) -> Answer:
        """A pair of a figure, with all that `image_vector` needs."""
        whole = {"constant_score": {"filter": {"term": {"key": keyword(name)}}, "boost": 2}}
        inside = {"constant_score": {"filter": {"term": {"figure": name}}}}
        answer = self._server.ask(
            {
                **_ONE_A_FIGURE,
                "query": {"bool": {"should": [whole, inside]}},
                "sort": ["_score", {"key": "asc"}],
                "size": MOST_NAMED,
                "aggs": {"figures": {"cardinality": {"field": "key"}}},
                "_source": ["document", "figure"],
                **self._vectors.to_fetch(),
            }
        )
        found: list[Answer] = answer["hits"]["hits"]
        if not found:
            raise no_such_figure(name)
        if len(found) > 1 and figure_id(found[0]["_source"]) != name:
            count = max(len(found), answer["aggregations"]["figures"]["value"])
            raise several_figures(name, [figure_id(hit["_source"]) for hit in found], count)
        return found[0]

    def details(self, figure: str) -> FigureDetails:
        answer = self._server.ask(
            {"query": restricted(None, of_figures([figure])), "sort": _IN_ORDER, "size": LIMIT, "_source": _ALL}
        )
        pairs = [hit["_source"] for hit in answer["hits"]["hits"]]
        return details_of(pairs[0], pairs)

    # hits

    def hits(self, found: Sequence[Found[str]], filters: Filters, query: str = "") -> list[Hit]:
        lacking = [each for each in found if not (isinstance(each, Seen) and each.hit)]
        fetched: dict[str, Answer] = {}
        for start in range(0, len(lacking), _FETCHED_AT_ONCE):
            fetched |= self._fetch(lacking[start : start + _FETCHED_AT_ONCE], filters, query)
        made = []
        for each in found:
            hit = each.hit if isinstance(each, Seen) and each.hit else fetched.get(each.figure)
            if hit is not None:
                made.append(hit_of(hit, each.score))
        return made

    def _fetch(self, found: Sequence[Found[str]], filters: Filters, query: str) -> dict[str, Answer]:
        """What is shown of figures: of the pair that brought it there, or of the first that passes."""
        parts = {**self._shown(query), "size": len(found), "docvalue_fields": ["key"], "track_total_hits": False}
        pairs = [each.pair for each in found if each.pair is not None]
        others = [each.figure for each in found if each.pair is None]
        bodies: list[Body] = []
        if pairs:
            bodies.append({**parts, "query": restricted(None, [{"ids": {"values": pairs}}])})
        if others:
            passing = [*self._restriction(filters, query).clauses(), *of_figures(others)]
            bodies.append({**parts, **_ONE_A_FIGURE, "sort": _IN_ORDER, "query": restricted(None, passing)})
        answers = self._server.run(*(_hits(body) for body in bodies))
        return {key_of(hit): hit for hits in answers for hit in hits}


@contextmanager
def _taken(query: Query | None) -> Iterator[None]:
    """Says that it is the query, where there is one, if the cluster refuses a request."""
    from elasticsearch import BadRequestError

    try:
        yield
    except BadRequestError as error:
        if query is None:
            raise
        raise QueryError(f"query: the cluster does not take it ({error_reason(error)})") from error


def _hits(body: Body) -> Steps[list[Answer]]:
    answer = yield body
    return list(answer["hits"]["hits"])


_ALL: Final[dict[str, Any]] = {"excludes": ["embedding", "text", "caption"]}
