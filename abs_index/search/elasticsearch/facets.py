"""Facets of an index on a cluster: aggregations, and what they say."""

from __future__ import annotations

from typing import Final

from abs_index.search.elasticsearch.server import Answer, Body
from abs_index.search.facets import MOST_VALUES, QUARTERS, Facets

_TERMS: Final = ("abs", "kind", "role", "source", "year")
# Exact up to so many different values a shard, and also above where each shard has the frequent ones among these.
_VALUES_A_SHARD: Final = 10_000


def aggregations() -> Body:
    """The parts of a request that count what its query finds."""
    terms = {
        "size": MOST_VALUES, "shard_size": _VALUES_A_SHARD, "order": [{"_count": "desc"}, {"_key": "asc"}],
    }  # fmt: skip
    aggs: Body = {name: {"terms": {"field": name, **terms}} for name in _TERMS}
    aggs["cmi"] = {"range": {"field": "cmi", "ranges": list(_ranges())}}
    return {"size": 0, "track_total_hits": True, "aggs": aggs}


def _ranges() -> list[Body]:
    """The quarters, the first and the last one open, so that no pair with a number is left out."""
    last = len(QUARTERS) - 1
    return [
        {
            "key": name,
            **({"from": at / len(QUARTERS)} if at else {}),
            **({"to": (at + 1) / len(QUARTERS)} if at < last else {}),
        }
        for at, name in enumerate(QUARTERS)
    ]


def facets_of(answer: Answer) -> Facets:
    """The facets in the answer to a request with `aggregations`."""
    counts = {
        name: [(bucket["key"], bucket["doc_count"]) for bucket in found["buckets"]]
        for name, found in answer["aggregations"].items()
    }
    return Facets.of(answer["hits"]["total"]["value"], counts)
