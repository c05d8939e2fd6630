"""The dialect of Elasticsearch: its query DSL as dictionaries.

Scores are those of the embedded index up to one factor: Lucene leaves the constant k1 + 1 = 2.2 of BM25 out, so what
counts 1 there (a label, a range, a pattern) counts 1 / 2.2 here.
"""

# ruff: noqa: D102  (what the methods mean is said where `Dialect` declares them)

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from tantivy import Query as TantivyQuery
from tantivy import SchemaBuilder

from abs_index.indexing.lexical import KEYWORD_FIELDS, keyword
from abs_index.search.dialect import Dialect, Occur, Span

Query = dict[str, Any]
"""A query, as JSON."""

EVERYTHING: Final[Query] = {"match_all": {}}

NAMES: Final = {"abs_prob": "prob"}
"""Fields of abs-index that have another name on the server."""

_CONSTANT: Final = 1 / 2.2
_CLAUSE: Final = {Occur.MUST: "must", Occur.SHOULD: "should", Occur.MUST_NOT: "must_not"}
_REMEMBERED = 1024
# What the analyser `english` leaves out (Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET).
_STOP_WORDS: Final = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
     "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with")
)  # fmt: skip
# In expressions: what is escaped, quotation marks, groups that catch nothing, and options.
_DIFFERENT = re.compile(r'\\.|"|(?P<group>\(\?(?::|P?<\w+>))|(?P<options>\(\?[^)]*\)?)', re.DOTALL)
_WORD = re.compile(r"\w+(?:['.]\w+)*")


class ElasticsearchDialect(Dialect[Query]):
    """Makes queries for one index. `analyse` asks the server for the terms of a text; `analyzer` is its analyser."""

    def __init__(self, analyse: Callable[[str], Sequence[str]], analyzer: str = "english") -> None:
        self._analyse = lru_cache(_REMEMBERED)(analyse)
        self._stop_words = _STOP_WORDS if analyzer == "english" else frozenset[str]()

    def everything(self) -> Query:
        return EVERYTHING

    def nothing(self) -> Query:
        return {"match_none": {}}

    def exists(self, field: str) -> Query:
        return {"exists": {"field": NAMES.get(field, field), "boost": _CONSTANT}}

    def keyword(self, field: str, value: str) -> Query:
        if field != "figure":
            return {"term": {field: {"value": value}}}
        queries = [{"term": {"figure": {"value": value}}}, {"term": {"key": {"value": keyword(value)}}}]
        return {"dis_max": {"queries": queries}}

    def phrase(self, field: str, text: str, slop: int) -> Query | None:
        if all(word in self._stop_words for word in self.words_of(text)):
            return None
        # Of what else the analyser leaves out nothing is known here: see `_neutral`.
        return {"match_phrase": {field: {"query": text, "slop": slop, "zero_terms_query": "none"}}}

    def fuzzy(self, field: str, word: str, distance: int | None) -> Query:
        fuzziness = "AUTO" if distance is None else distance
        if field in KEYWORD_FIELDS:
            value = {"value": word, "fuzziness": fuzziness, "rewrite": "constant_score", "boost": _CONSTANT}
            return {"fuzzy": {field: value}}
        similar = {"query": word, "fuzziness": fuzziness, "fuzzy_rewrite": "constant_score", "boost": _CONSTANT}
        return {"match": {field: {**similar, "operator": "and", "zero_terms_query": "none"}}}

    def regex(self, field: str, pattern: str) -> Query:
        # The embedded index says what an expression is, so that both take the same ones.
        TantivyQuery.regex_query(_ANY_SCHEMA, "text", pattern)
        value = {"value": _lucene(pattern), "flags": "NONE", "rewrite": "constant_score", "boost": _CONSTANT}
        if field != "figure":
            return {"regexp": {field: value}}
        return {"dis_max": {"queries": [{"regexp": {name: value}} for name in ("figure", "key")]}}

    def between(self, field: str, span: Span) -> Query:
        bounds: dict[str, float] = {}
        if span.low is not None:
            bounds["gte" if span.with_low else "gt"] = span.low
        if span.high is not None:
            bounds["lte" if span.with_high else "lt"] = span.high
        return {"range": {NAMES.get(field, field): {**bounds, "boost": _CONSTANT}}}

    def boolean(self, clauses: Sequence[tuple[Occur, Query]]) -> Query:
        parts: dict[str, list[Query]] = {}
        for occur, query in clauses:
            parts.setdefault(_CLAUSE[occur], []).append(_neutral(query) if occur == Occur.MUST else query)
        return {"bool": parts}

    def boosted(self, query: Query, boost: float) -> Query:
        return query if boost == 1 else {"bool": {"must": [query], "boost": boost}}

    def best_of(self, queries: Sequence[Query], tie_breaker: float) -> Query:
        return {"dis_max": {"queries": list(queries), "tie_breaker": tie_breaker}}

    def words_of(self, text: str) -> Sequence[str]:
        return _WORD.findall(text.lower())

    def stems(self, text: str) -> Sequence[str]:
        return self._analyse(text)

    def fold(self, text: str) -> str:
        return text.lower()


def _any_schema() -> Any:
    builder = SchemaBuilder()
    builder.add_text_field("text")
    return builder.build()


_ANY_SCHEMA = _any_schema()


def _lucene(pattern: str) -> str:
    """An expression of Rust's syntax in Lucene's, where groups have no options and quotation marks have a meaning.

    Raises ValueError for options inside the expression, such as (?i).

    >>> _lucene('(?:tur|"bo)s')
    '(tur|\\\\"bo)s'
    """

    def translated(found: re.Match[str]) -> str:
        if found["options"]:
            raise ValueError(f"{found[0]} is not for expressions on Elasticsearch")
        return '\\"' if found[0] == '"' else "(" if found["group"] else found[0]

    return _DIFFERENT.sub(translated, pattern)


def _neutral(query: Query) -> Query:
    """The query as a part that must match: where the analyser leaves nothing of its words, it matches everything."""
    ((kind, body),) = query.items()
    if kind == "dis_max":
        return {kind: {**body, "queries": [_neutral(each) for each in body["queries"]]}}
    if kind == "bool" and body.keys() <= {"must", "boost"}:
        return {kind: {**body, "must": [_neutral(each) for each in body["must"]]}}
    if kind in ("match", "match_phrase"):
        ((field, value),) = body.items()
        return {kind: {field: {**value, "zero_terms_query": "all"}}}
    return query


def words_in_texts(query: Query) -> Query | None:
    """What of a query looks for words of a pair's own text; None where nothing does. This is what is highlighted.

    Of phrases every word by itself, wherever it stands, as embedded.
    """
    ((kind, body),) = query.items()
    if kind in ("bool", "dis_max"):
        parts = body["queries"] if kind == "dis_max" else [*body.get("must", ()), *body.get("should", ())]
        found = [each for part in parts if (each := words_in_texts(part)) is not None]
        return {"bool": {"should": found}} if found else None
    if kind not in ("match", "match_phrase", "regexp") or "text" not in body:
        return None
    if kind == "match_phrase":
        return {"match": {"text": {"query": body["text"]["query"]}}}
    return query
