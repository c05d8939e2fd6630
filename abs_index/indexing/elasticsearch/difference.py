"""What an index on a cluster holds, and what of it differs from the table.

Every pair carries the fingerprint of its document, so one aggregation says what is there, and nothing is remembered
elsewhere. The same comparison serves a second push, and a push that goes on after an interruption.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from abs_index.indexing.elasticsearch.documents import Version
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.point_in_time import read_pages

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_BUCKETS: Final = 5000
_HITS: Final = 5000
_DOCUMENTS: Final = 1000
_KEEP_ALIVE: Final = "2m"

Held = dict[str | None, list[Version]]
"""Document → its versions on the cluster: several, where it was left half replaced. None: ids too long for a term."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done to an index: `send` these documents; what else it holds of `replace` goes.

    `pairs` is how many pairs are sent, `unchanged` how many stay as they are.
    """

    send: frozenset[str]
    replace: frozenset[str]
    pairs: int
    unchanged: int


def compare(wanted: Mapping[str, Version], held: Held) -> Difference:
    """The difference between what the table has and what the index holds.

    >>> one, two = Version("a", 3), Version("b", 1)
    >>> sorted(compare({"x": one, "y": one}, {"x": [one], "y": [two], "z": [two]}).replace)
    ['y', 'z']
    """
    send = frozenset(document for document, version in wanted.items() if held.get(document) != [version])
    replace = frozenset(document for document in held if document is not None and document not in wanted.keys() - send)
    pairs = sum(wanted[document].pairs for document in send)
    return Difference(send, replace, pairs, sum(version.pairs for version in wanted.values()) - pairs)


def held(client: Elasticsearch, index: str, patience: Patience) -> Held:
    """What the index holds, as of its last refresh."""
    found: Held = {}
    for bucket in _buckets(client, index, patience):
        version = Version(bucket["key"]["fingerprint"] or "", bucket["doc_count"])
        found.setdefault(bucket["key"]["document"], []).append(version)
    return found


def _buckets(client: Elasticsearch, index: str, patience: Patience) -> Iterator[dict[str, Any]]:
    names = ("document", "fingerprint")
    composite: dict[str, Any] = {
        "size": _BUCKETS,
        "sources": [{name: {"terms": {"field": name, "missing_bucket": True}}} for name in names],
    }
    while True:
        body = {"versions": {"composite": dict(composite)}}
        answer = patience.call(
            lambda body=body: client.search(  # type: ignore[misc]
                index=index, size=0, aggs=body, allow_partial_search_results=False
            )
        )
        page = answer["aggregations"]["versions"]
        yield from page["buckets"]
        if "after_key" not in page:
            return
        composite["after"] = page["after_key"]


def ids_of(client: Elasticsearch, index: str, documents: Iterable[str], patience: Patience) -> set[str]:
    """The ids of all pairs of these documents in the index, as of its last refresh."""
    names = iter(sorted(documents))
    found: set[str] = set()
    while some := list(islice(names, _DOCUMENTS)):
        found.update(_ids(client, index, some, patience))
    return found


def _ids(client: Elasticsearch, index: str, documents: list[str], patience: Patience) -> Iterator[str]:
    body = {"query": {"terms": {"document": documents}}, "_source": False}
    for hits in read_pages(client, index, body, _HITS, keep=_KEEP_ALIVE, patience=patience):
        yield from (hit["_id"] for hit in hits)
