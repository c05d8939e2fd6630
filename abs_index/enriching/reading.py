"""Reading a user's documents: all of them by a point in time, single ones again as they are now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from abs_index.enriching.elements import SOURCE, Element, Fields, Json
from abs_index.enriching.target import TargetIndex
from abs_index.errors import QueryError
from abs_index.indexing.elasticsearch.connection import error_reason
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.point_in_time import read_pages

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_KEEP = "30m"
_PAGE_BYTES = 8 * 2**20
_PAGE_MOST = 64
"""Documents may be as large as 10 MB of text: a page of many more would not fit into memory."""
_PAGE_FIRST = 8


@dataclass(slots=True)
class UserDocument:
    """A document of the user, as much of it as was asked for. `term` and `number` are its sequence numbers."""

    id: str
    routing: str | None
    number: int
    term: int
    source: Json
    elements: list[Element] = field(default_factory=list)


def parse_query(text: str) -> Json:
    """What a user gives to restrict documents: a query in Lucene's syntax, or a clause as JSON, "" for all.

    >>> parse_query("year:2020")
    {'query_string': {'query': 'year:2020'}}

    Raises QueryError for JSON that is none.
    """
    if not text.strip():
        return {"match_all": {}}
    if not text.lstrip().startswith("{"):
        return {"query_string": {"query": text}}
    try:
        clause = json.loads(text)
    except ValueError as error:
        position = getattr(error, "pos", None)
        raise QueryError(f"--query is not valid JSON: {error}", position) from None
    if len(clause) == 1 and isinstance(clause.get("query"), dict):
        clause = clause["query"]
    return dict(clause)


def count_documents(client: Elasticsearch, patience: Patience, name: str, query: Json) -> int:
    """How many documents a query has. Raises QueryError where the server does not take it."""
    from elasticsearch import BadRequestError

    def count() -> int:
        try:
            return int(client.count(index=name, query=query)["count"])
        except BadRequestError as error:
            raise QueryError(f"--query: {error_reason(error)}") from error

    return patience.call(count)


def read_documents(
    client: Elasticsearch, patience: Patience, target: TargetIndex, query: Json, fields: Fields
) -> Iterator[UserDocument]:
    """All documents of a query as they are when this begins, in pages that fit into memory.

    Raises PointLostError.
    """
    body = {"query": query, "_source": _wanted(target, fields), "seq_no_primary_term": True}
    pages = read_pages(client, target.name, body, _PAGE_FIRST, keep=_KEEP, patience=patience, next_size=_next_size)
    with closing(pages):
        for hits in pages:
            while hits:
                yield _document(hits.pop(0))
            patience.progressed()  # documents may have been at work for long since the last page


def read_again(
    client: Elasticsearch,
    patience: Patience,
    target: TargetIndex,
    fields: Fields,
    documents: Sequence[UserDocument],
) -> list[UserDocument]:
    """The same documents as they are this moment; those that were deleted are left out."""
    wanted = [
        {"_id": document.id, "_source": _names(fields)}
        | ({} if document.routing is None else {"routing": document.routing})
        for document in documents
    ]
    path = f"/{quote(target.index, safe='')}/_mget" + "?_source_exclude_vectors=false" * target.hides_vectors
    headers = {"accept": "application/json", "content-type": "application/json"}
    answer = patience.call(lambda: client.perform_request("POST", path, headers=headers, body={"docs": wanted}))
    return [_document(found) for found in answer["docs"] if found.get("found")]


def _next_size(size: int, hits: Sequence[Json]) -> int:
    # The length of the JSON tells nearly what the answer took, and what the next one will take.
    average = max(1, sum(len(json.dumps(hit["_source"])) for hit in hits[-8:]) // min(8, len(hits)))
    return max(1, min(_PAGE_MOST, 2 * size, _PAGE_BYTES // average))


def _names(fields: Fields) -> list[str]:
    """What has to be read: arrays can be written back whole only, so whatever stands in the way of the image."""
    names = [fields.image[0], *(".".join(path) for path in (fields.text, fields.alt, fields.caption) if path)]
    if len(fields.image) == 1:
        names.append(f"{fields.target}.{SOURCE}" if fields.target else SOURCE)
    return names


def _wanted(target: TargetIndex, fields: Fields) -> Any:
    names = _names(fields)
    return {"includes": names, "exclude_vectors": False} if target.hides_vectors else names


def _document(hit: Json) -> UserDocument:
    return UserDocument(
        hit["_id"], hit.get("_routing"), hit["_seq_no"], hit["_primary_term"], hit.get("_source", {}) or {}
    )
