"""The dialect of the embedded lexical index: Tantivy's query objects."""

# ruff: noqa: D102  (what the methods mean is said where `Dialect` declares them)

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from tantivy import FieldType, Query
from tantivy import Occur as TantivyOccur

from abs_index.indexing.lexical import NUMBER_FIELDS, Lexical, keyword, spaced
from abs_index.search.dialect import Dialect, Occur, Span

_OCCUR: Final = {
    Occur.MUST: TantivyOccur.Must,
    Occur.SHOULD: TantivyOccur.Should,
    Occur.MUST_NOT: TantivyOccur.MustNot,
}
_REMEMBERED = 256


class TantivyDialect(Dialect[Query]):
    """Makes queries for one lexical index."""

    def __init__(self, lexical: Lexical) -> None:
        self._schema = lexical.schema
        self._analyse = lru_cache(_REMEMBERED)(lambda text: tuple(lexical.analyse(text)))

    def everything(self) -> Query:
        return Query.all_query()

    def nothing(self) -> Query:
        return Query.empty_query()

    def exists(self, field: str) -> Query:
        return Query.exists_query(field) if field in NUMBER_FIELDS else self.regex(field, ".*")

    def keyword(self, field: str, value: str) -> Query:
        return Query.term_query(self._schema, field, keyword(value))

    def phrase(self, field: str, text: str, slop: int) -> Query | None:
        words = self._analyse(text)
        if not words:
            return None
        if len(words) == 1:
            return Query.term_query(self._schema, field, words[0])
        return Query.phrase_query(self._schema, field, list(words), slop)

    def fuzzy(self, field: str, word: str, distance: int | None) -> Query:
        return Query.fuzzy_term_query(self._schema, field, word, _suitable(word) if distance is None else distance)

    def regex(self, field: str, pattern: str) -> Query:
        return Query.regex_query(self._schema, field, pattern)

    def between(self, field: str, span: Span) -> Query:
        return Query.range_query(
            self._schema,
            field,
            FieldType.Integer if field == "year" else FieldType.Float,
            span.low,
            span.high,
            include_lower=span.with_low,
            include_upper=span.with_high,
        )

    def boolean(self, clauses: Sequence[tuple[Occur, Query]]) -> Query:
        return Query.boolean_query([(_OCCUR[occur], query) for occur, query in clauses])

    def boosted(self, query: Query, boost: float) -> Query:
        return Query.boost_query(query, boost)

    def best_of(self, queries: Sequence[Query], tie_breaker: float) -> Query:
        return Query.disjunction_max_query(list(queries), tie_breaker)

    def words_of(self, text: str) -> Sequence[str]:
        return self._analyse(text)

    def stems(self, text: str) -> Sequence[str]:
        return self._analyse(text)

    def fold(self, text: str) -> str:
        """Lower case without accents, as the analysis makes it."""
        decomposed = unicodedata.normalize("NFKD", spaced(text).lower())
        return "".join(char for char in decomposed if not unicodedata.combining(char))


def _suitable(word: str) -> int:
    """How many letters may differ in a word of this length (as AUTO in Elasticsearch)."""
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2
