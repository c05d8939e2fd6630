"""`Filters` as clauses of Elasticsearch's query DSL."""

from __future__ import annotations

from abs_index.search.elasticsearch.dialect import NAMES, Query
from abs_index.search.filters import Filters


def clauses(filters: Filters) -> list[Query]:
    """Clauses that all hold for exactly the pairs that the filters let pass; for a filter context, without scores."""
    found: list[Query] = [{"terms": {field: list(values)}} for field, values in filters.terms()]
    if filters.years is not None:
        first, last = filters.years
        found.append(_range("year", first, last))
    found += [_range(NAMES.get(name, name), low, high) for name, low, high in filters.spans()]
    return found


def _range(field: str, low: float | None, high: float | None) -> Query:
    bounds = {"gte": low, "lte": high}
    return {"range": {field: {name: bound for name, bound in bounds.items() if bound is not None}}}
