"""Sending searches to one index. Rankings that take several requests go on side by side, a round of them at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from abs_index.errors import AliasError
from abs_index.indexing.elasticsearch.connection import server_errors
from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.engine import Found

if TYPE_CHECKING:
    from elastic_transport import ObjectApiResponse
    from elasticsearch import ApiError, Elasticsearch

Body = dict[str, Any]
"""A search request, as JSON."""

Answer = dict[str, Any]
"""The answer to it, as JSON."""

Result = TypeVar("Result")

Steps = Generator[Body, Answer, Result]
"""Something that takes one request or several: it yields each, is sent the answer, and returns what it found."""

LIMIT: Final = 10_000
"""Results that a request may ask for, and candidates of a vector search (index.max_result_window, and fixed)."""

_MOST_TERMS = 65_536
# Else results of shards that do not answer would be missing without a word.
_WHOLE: Final = {"allow_partial_search_results": False}


@dataclass(frozen=True, slots=True)
class Seen(Found[str]):
    """A figure that was found, by its `key`, with the hit of the server where that has all that is shown."""

    hit: Answer | None = None


class Server:
    """One index on a server."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.client = client
        self.index = index

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()

    def run(self, *running: Steps[Result]) -> list[Result]:
        """Lets all of them run to their end; requests that are open at the same time are sent together."""
        results: dict[int, Result] = {}
        answers: list[tuple[int, Answer | ApiError | None]] = [(number, None) for number in range(len(running))]
        with self._errors():
            while answers:
                waiting: list[tuple[int, Body]] = []
                for number, answer in answers:
                    try:
                        waiting.append((number, _go_on(running[number], answer)))
                    except StopIteration as stop:
                        results[number] = stop.value
                sent = self._send([body for _, body in waiting])
                answers = [(number, answer) for (number, _), answer in zip(waiting, sent, strict=True)]
        return [results[number] for number in range(len(running))]

    def ask(self, body: Body) -> Answer:
        """The answer to one request."""
        (answer,) = self.run(_once(body))
        return answer

    def analyse(self, text: str) -> list[str]:
        """The terms that a text is found by, in their order.

        By way of a document that is never stored: the right to read suffices, while `_analyze` asks for that to manage.
        """
        with self._errors():
            answer = self.client.termvectors(
                index=self.index, doc={"text": text}, fields=["text"], field_statistics=False, offsets=False
            )
        terms = answer["term_vectors"].get("text", {}).get("terms", {})
        placed = [(token["position"], term) for term, found in terms.items() for token in found["tokens"]]
        return [term for _, term in sorted(placed)]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with server_errors(self.client):
                yield
        except AliasError as error:
            raise AliasError(
                f"{self.index}: is no longer on the cluster, as a newer push has replaced it; open the index again"
            ) from error

    def _send(self, bodies: Sequence[Body]) -> list[Answer | ApiError]:
        """An answer to each; an error of a request by itself is not raised, as whoever asked may know what it means."""
        from elasticsearch import BadRequestError

        if len(bodies) > 1:
            lines = [line for body in bodies for line in (_WHOLE, body)]
            response = self.client.msearch(index=self.index, searches=lines)
            return [_error(answer, response) if "error" in answer else answer for answer in response["responses"]]
        try:
            return [
                self.client.search(index=self.index, body=body, allow_partial_search_results=False).body
                for body in bodies
            ]
        except BadRequestError as error:
            return [error]


def _go_on(running: Steps[Result], answer: Answer | ApiError | None) -> Body:
    if answer is None:
        return next(running)
    return running.send(answer) if isinstance(answer, dict) else running.throw(answer)


def _once(body: Body) -> Steps[Answer]:
    return (yield body)


def _error(answer: Answer, response: ObjectApiResponse[Any]) -> ApiError:
    """What a single search would have raised."""
    from elasticsearch import ApiError, BadRequestError

    kind = BadRequestError if answer["status"] == 400 else ApiError
    return kind(str(answer["error"].get("type", "")), replace(response.meta, status=answer["status"]), answer)


# rankings


def ranking(body: Body, k: int) -> Steps[list[Seen]]:
    """The k best figures of a search that is grouped by figure, in as many requests as that takes."""
    found: dict[str, Seen] = {}
    while True:
        size = min(k - len(found), LIMIT)
        page = seen((yield {**body, "query": without(body["query"], found), "size": size}))
        found |= page
        if len(page) < size or len(found) >= k:
            return list(found.values())


def seen(answer: Answer) -> dict[str, Seen]:
    """The figures of an answer, by key, in its order."""
    found = {}
    for hit in answer["hits"]["hits"]:
        key = key_of(hit)
        found[key] = Seen(key, hit["_id"], hit["_score"] or 0.0, hit if "_source" in hit else None)
    return found


def key_of(hit: Answer) -> str:
    """The figure of a hit, where figures are grouped or their keys were asked for."""
    return str(hit["fields"]["key"][0])


def restricted(query: Query | None, filters: Sequence[Query]) -> Query:
    """What `query` (or everything) and all filters let pass, with the scores of `query`."""
    return {"bool": {**({} if query is None else {"must": [query]}), "filter": list(filters)}}


def without(query: Query, keys: Sequence[str] | dict[str, Any]) -> Query:
    """The query, without the pairs of some figures."""
    if not keys:
        return query
    return {"bool": {"must": [query], "filter": [{"bool": {"must_not": of_figures(list(keys))}}]}}


def of_figures(keys: Sequence[str]) -> list[Query]:
    """Queries of which one finds each pair of the figures."""
    parts = [list(keys[start : start + _MOST_TERMS]) for start in range(0, len(keys), _MOST_TERMS)]
    return [{"terms": {"key": part}} for part in parts]
