"""Writing labels back: partial updates that apply only to the very state of a document that was read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from abs_index.enriching.elements import Json
from abs_index.enriching.reading import UserDocument
from abs_index.enriching.target import TargetIndex
from abs_index.errors import AccessError, AliasError, PushError
from abs_index.indexing.elasticsearch.connection import blocked, error_reason, is_blocked, never_fits, reason_of
from abs_index.indexing.elasticsearch.patience import TRANSIENT, Patience

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_CHUNK_BYTES = 8 * 2**20
_ANSWER = "items.update.status,items.update.error"


@dataclass(frozen=True, slots=True)
class Refused:
    """An update that the server refused for good."""

    document: UserDocument
    body: bytes
    status: int
    reason: str


@dataclass(slots=True)
class Written:
    """What became of updates: `changed` documents were changed by somebody since they were read, `gone` deleted."""

    done: list[UserDocument] = field(default_factory=list)
    changed: list[UserDocument] = field(default_factory=list)
    gone: list[UserDocument] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def write_updates(
    client: Elasticsearch, patience: Patience, target: TargetIndex, updates: Sequence[tuple[UserDocument, Json]]
) -> Written:
    """Sends partial updates, each guarded by the sequence number that was read, and sends again what may pass later.

    Raises PushError where the index takes nothing any more, or the server stays away; AccessError, AliasError (the
    index is gone).
    """
    written = Written()
    # The standard library writes numbers of any length and half surrogates as they were read.
    waiting = [
        _Update(document, _action(target.index, document), json.dumps(update).encode()) for document, update in updates
    ]
    attempt = 0
    while waiting := _send_all(client, patience, target, waiting, written):
        attempt += 1
        patience.pause(attempt, "the server is too busy to take updates")
    return written


@dataclass(frozen=True, slots=True)
class _Update:
    """One update as it is sent: what to do, and the partial document."""

    document: UserDocument
    action: bytes
    body: bytes

    def lines(self) -> bytes:
        return b'%s\n{"doc":%s}\n' % (self.action, self.body)


def _action(index: str, document: UserDocument) -> bytes:
    action: dict[str, Any] = {
        "_index": index, "_id": document.id, "if_seq_no": document.number, "if_primary_term": document.term
    }  # fmt: skip
    if document.routing is not None:
        action["routing"] = document.routing
    return json.dumps({"update": action}).encode()


def _send_all(
    client: Elasticsearch, patience: Patience, target: TargetIndex, updates: Sequence[_Update], written: Written
) -> list[_Update]:
    """Sends updates in chunks; returns those that the server was too busy for."""
    busy: list[_Update] = []
    for chunk in _chunks(updates):
        answers = patience.call(partial(_send, client, chunk))
        for update, (status, cause) in zip(chunk, answers, strict=True):
            document, reason = update.document, reason_of(cause) if cause else ""
            if status < 300:
                written.done.append(document)
            elif status == 409:
                written.changed.append(document)
            elif status == 404 and cause.get("index_uuid") == target.uuid:
                written.gone.append(document)
            elif status in TRANSIENT and not is_blocked(status, reason) and not never_fits(reason):
                busy.append(update)
            else:
                _check_index(status, cause, reason)
                written.refused.append(Refused(document, update.body, status, reason))
    return busy


def _check_index(status: int, cause: Any, reason: str) -> None:
    """Raises where it is not the document that is at fault."""
    if is_blocked(status, reason):
        raise PushError(blocked(reason))
    if status in (401, 403):
        raise AccessError(f"the rights do not suffice to write ({reason})")
    if status == 404 or cause.get("type") == "index_closed_exception":
        raise AliasError(f"the index was closed, removed or replaced meanwhile ({reason})")


def _send(client: Elasticsearch, chunk: Sequence[_Update]) -> list[tuple[int, Any]]:
    """Status and cause of each update of one request."""
    from elasticsearch import ApiError

    body = b"".join(update.lines() for update in chunk)
    headers = {"accept": "application/json", "content-type": "application/x-ndjson"}
    path = f"/_bulk?filter_path={_ANSWER}"
    try:
        answer = client.perform_request("POST", path, headers=headers, body=body)
    except ApiError as error:
        if error.meta.status != 413 and not never_fits(error_reason(error)):
            raise
        if len(chunk) > 1:
            half = len(chunk) // 2
            return _send(client, chunk[:half]) + _send(client, chunk[half:])
        return [(413, "the update is larger than the server takes (http.max_content_length)")]
    found = [(item["update"]["status"], item["update"].get("error")) for item in answer["items"]]
    if len(chunk) > 1:  # what was too much together may not be by itself
        return [
            _send(client, [update])[0] if cause and never_fits(reason_of(cause)) else (status, cause)
            for update, (status, cause) in zip(chunk, found, strict=True)
        ]
    return found


def _chunks(updates: Sequence[_Update]) -> Iterator[list[_Update]]:
    chunk: list[_Update] = []
    size = 0
    for update in updates:
        if chunk and size + len(update.body) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(update)
        size += len(update.body)
    if chunk:
        yield chunk
