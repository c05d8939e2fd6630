"""Bulk load: operations to an index, in requests of bounded size, by several threads, until each has its answer.

The helpers of the client library repeat documents that were refused with 429, but neither lost connections nor whole
requests, and they keep no record of what was refused for good. Here every operation ends as done or as a dead letter;
it is repeated as often as it takes, which is safe because each names its document by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import orjson

from abs_index.errors import AccessError, AliasError, PushError
from abs_index.indexing.elasticsearch.connection import (
    blocked,
    error_reason,
    is_blocked,
    never_fits,
    reason_of,
    server_errors,
)
from abs_index.indexing.elasticsearch.dead_letters import DeadLetters
from abs_index.indexing.elasticsearch.patience import TRANSIENT, Patience, describe, is_transient
from abs_index.indexing.local import ordered_map

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

MB: Final = 10**6

_ANSWER = "items.*.status,items.*.error"
_SERVER_WAITS = "30s"  # for shards to come back; below the time that we wait for an answer
_FAILURES_TO_HALVE = 3
_ATTEMPTS_ON_FAULT = 5


@dataclass(frozen=True, slots=True)
class Operation:
    """One document to be written under `id`, as JSON in UTF-8; `body` None deletes what is there."""

    id: str
    body: bytes | None

    def lines(self) -> list[bytes]:
        """Its lines of a bulk request."""
        if self.body is None:
            return [orjson.dumps({"delete": {"_id": self.id}})]
        return [orjson.dumps({"index": {"_id": self.id}}), self.body]

    @property
    def size(self) -> int:
        """Bytes in a request, nearly."""
        return len(self.body or b"") + len(self.id) + 24


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """How a load runs.

    A request holds `chunk_bytes` at most, or one document; `largest_request` is what the server takes at most.
    `workers` threads send requests. `most_refused` documents may be refused before the load is given up.
    """

    chunk_bytes: int = 8 * MB
    workers: int = 2
    largest_request: int = 100 * 2**20
    most_refused: int = 0


@dataclass(slots=True)
class Loaded:
    """What became of operations: numbers of documents, and bytes of those written."""

    sent: int = 0
    deleted: int = 0
    refused: int = 0
    bytes: int = 0

    def add(self, other: Loaded) -> None:
        """Adds the numbers of another load."""
        self.sent += other.sent
        self.deleted += other.deleted
        self.refused += other.refused
        self.bytes += other.bytes


Chunk = list[Operation]


def chunks(operations: Iterable[Operation], limit: int) -> Iterator[Chunk]:
    """The operations in their order, in lists of at most `limit` bytes; a larger one is alone in its list."""
    gathered: Chunk = []
    size = 0
    for operation in operations:
        if gathered and size + operation.size > limit:
            yield gathered
            gathered, size = [], 0
        gathered.append(operation)
        size += operation.size
    if gathered:
        yield gathered


def load(
    client: Elasticsearch,
    index: str,
    operations: Iterable[Operation],
    settings: BulkSettings,
    patience: Patience,
    letters: DeadLetters,
    progress: Callable[[Loaded], None] = lambda loaded: None,
) -> Loaded:
    """Does all operations on `index`, and calls `progress` with what is done so far after each request.

    Raises PushError where the cluster takes no documents, where nothing succeeds for too long, and where more than
    `settings.most_refused` are refused; AccessError, AliasError (the index is gone). Then, and on Ctrl-C, everything
    that was answered stays.
    """
    stop = Event()
    sender = _Sender(client, index, settings, patience, letters, stop)
    parts = _Parts(chunks(operations, min(settings.chunk_bytes, settings.largest_request)), stop)
    loaded = Loaded()
    with closing(ordered_map(sender.send, parts, workers=settings.workers, ahead=settings.workers + 1)) as results:
        for result in results:
            loaded.add(result)
            progress(loaded)
    return loaded


class _Parts:
    """Chunks for threads. Closing them, which a map does before it waits for its threads, ends the threads' pauses."""

    def __init__(self, parts: Iterator[Chunk], stop: Event) -> None:
        self._parts = parts
        self._stop = stop

    def __iter__(self) -> Iterator[Chunk]:
        return self._parts

    def close(self) -> None:
        self._stop.set()


class _Sender:
    """Sends one chunk after the other, until every operation in it is done or refused. Used by several threads."""

    def __init__(
        self,
        client: Elasticsearch,
        index: str,
        settings: BulkSettings,
        patience: Patience,
        letters: DeadLetters,
        stop: Event,
    ) -> None:
        self._client = client
        self._index = index
        self._settings = settings
        self._patience = patience
        self._letters = letters
        self._stop = stop

    def send(self, chunk: Chunk) -> Loaded:
        """What became of the operations of `chunk`."""
        from elastic_transport import ApiError, TransportError

        loaded = Loaded()
        waiting = [chunk]
        failures = 0
        while waiting:
            part = waiting.pop()
            try:
                answer = self._post(part)
            except (ApiError, TransportError) as error:
                if _is_too_large(error):
                    waiting += self._halves(part, loaded)
                    continue
                if not is_transient(error):
                    with server_errors(self._client):
                        raise
                failures += 1
                # A request that was cut off several times may be too much for what stands between.
                waiting += _halved(part) if failures % _FAILURES_TO_HALVE == 0 else [part]
                self._patience.pause(failures, describe(error), self._stop)
                continue
            again, reason = self._sort(part, answer, loaded, failures)
            failures = 0 if len(again) < len(part) else failures + 1
            if not failures:
                self._patience.progressed()
            if again and never_fits(reason):
                waiting += _halved(again)
            elif again:
                waiting.append(again)
                self._patience.pause(failures or 1, reason, self._stop)
        return loaded

    def _post(self, part: Chunk) -> list[dict[str, Any]]:
        """The server's answers to the operations, in their order."""
        if len(part) == 1 and part[0].size > self._settings.largest_request:
            return [{"status": 413, "error": {"reason": "larger than a request may be (http.max_content_length)"}}]
        lines: Any = [line for operation in part for line in operation.lines()]  # the client's types know no bytes
        body = self._client.bulk(operations=lines, index=self._index, filter_path=_ANSWER, timeout=_SERVER_WAITS).body
        return [next(iter(item.values())) for item in body["items"]]

    def _sort(self, part: Chunk, answers: list[dict[str, Any]], loaded: Loaded, failures: int) -> tuple[Chunk, str]:
        """Counts what is done and writes down what is refused; gives what must be sent again, and why."""
        again: Chunk = []
        why = ""
        for operation, answer in zip(part, answers, strict=True):
            status, error = answer["status"], answer.get("error")
            if 200 <= status < 300:
                _count(operation, loaded)
            elif error is not None:
                reason = reason_of(error)
                self._check_index(status, error, reason)
                alone_too_large = len(part) == 1 and never_fits(reason)
                if not alone_too_large and (status in TRANSIENT or (status >= 500 and failures < _ATTEMPTS_ON_FAULT)):
                    again.append(operation)
                    why = f"{status} {reason}"
                else:
                    self._refuse(operation, status, reason, loaded)
        return again, why  # what is left: a document to be deleted that is not there

    def _check_index(self, status: int, error: Any, reason: str) -> None:
        """Raises where it is not the document that is at fault."""
        kind = error.get("type") if isinstance(error, dict) else None
        if is_blocked(status, reason):
            raise PushError(blocked(reason))
        if status in (401, 403):
            raise AccessError(f"the rights do not suffice to write to {self._index!r} ({reason})")
        if kind in ("index_not_found_exception", "index_closed_exception"):
            raise AliasError(f"index {self._index!r} is gone ({reason}); was another push started at the same time?")

    def _refuse(self, operation: Operation, status: int, reason: str, loaded: Loaded) -> None:
        self._letters.add(operation.id, operation.body, status, reason)
        loaded.refused += 1
        count = len(self._letters.ids)
        if count > self._settings.most_refused:
            raise PushError(
                f"too many documents were refused ({count} so far, more than 1 %); the first: "
                f"{self._letters.first}; all are in {self._letters.path}; searches see what they saw before"
            )

    def _halves(self, part: Chunk, loaded: Loaded) -> list[Chunk]:
        if len(part) == 1:
            self._refuse(part[0], 413, "larger than the server, or what stands before it, takes", loaded)
            return []
        return _halved(part)


def _count(operation: Operation, loaded: Loaded) -> None:
    if operation.body is None:
        loaded.deleted += 1
    else:
        loaded.sent += 1
        loaded.bytes += len(operation.body)


def _halved(part: Chunk) -> list[Chunk]:
    middle = len(part) // 2
    return [half for half in (part[middle:], part[:middle]) if half]


def _is_too_large(error: Exception) -> bool:
    from elastic_transport import ApiError

    return isinstance(error, ApiError) and (error.meta.status == 413 or never_fits(error_reason(error)))


def largest_request(client: Elasticsearch) -> int:
    """How many bytes the node at the other end takes in one request."""
    from elasticsearch import AuthorizationException

    path = "nodes.*.http.max_content_length_in_bytes"
    try:
        nodes = client.nodes.info(node_id="_local", metric="http", filter_path=path).body.get("nodes", {})
    except AuthorizationException:
        nodes = {}
    return min((int(node["http"]["max_content_length_in_bytes"]) for node in nodes.values()), default=100 * 2**20)
