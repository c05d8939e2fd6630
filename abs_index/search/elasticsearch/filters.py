"""`Filters` as clauses of Elasticsearch's query DSL."""

from __future__ import annotations

from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.filters import Filters


def clauses(filters: Filters) -> list[Query]:
    """Clauses that all hold for exactly the pairs that the filters let pass; for a filter context, without scores."""
    found: list[Query] = [{"terms": {field: list(values)}} for field, values in filters.terms()]
    if filters.years is not None:
        first, last = filters.years
        bounds = {"gte": first, "lte": last}
        found.append({"range": {"year": {name: year for name, year in bounds.items() if year is not None}}})
    if filters.min_prob is not None:
        found.append({"range": {"prob": {"gte": filters.min_prob}}})
    return found
