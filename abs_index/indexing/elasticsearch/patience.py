"""When to try again, and when to stop: what a cluster in trouble may answer, and how long it may do so."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from abs_index.errors import PushError, UnreachableError
from abs_index.indexing.elasticsearch import connection
from abs_index.indexing.elasticsearch.connection import error_reason, is_blocked

if TYPE_CHECKING:
    from elastic_transport import ApiError, TransportError

T = TypeVar("T")

TRANSIENT = (429, 502, 503, 504)
"""Statuses that say "not now": too much to do, a node gone, a proxy without a server behind it."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0


def is_transient(error: ApiError | TransportError) -> bool:
    """Whether the same request may succeed later."""
    from elastic_transport import ApiError, TlsError

    if isinstance(error, ApiError):
        return error.meta.status in TRANSIENT and not is_blocked(error.meta.status, error_reason(error))
    text = f"{error.message} {error.errors}"
    return not (isinstance(error, TlsError) and ("CERTIFICATE_VERIFY" in text or "ingerprint" in text))


class Patience:
    """How long all requests of one push together may fail without any success in between.

    Pauses grow from 0.2 to 30 seconds and are drawn by chance below that, so that many clients, or many threads, do
    not come back at the same moment. Safe to share between threads.
    """

    def __init__(self, seconds: float, url: str) -> None:
        self._seconds = seconds
        self._url = url
        self._failing_since: float | None = None
        self._stop = Event()

    def progressed(self) -> None:
        """Something succeeded: the next failure is the first again."""
        self._failing_since = None

    def stop(self) -> None:
        """Ends all pauses, in all threads, with CancelledError."""
        self._stop.set()

    def pause(self, attempt: int, reason: str, stop: Event | None = None) -> None:
        """Waits before the next attempt; `attempt` counts from 1 the failures since the last success.

        Raises PushError where there was no success for too long, CancelledError as soon as `stop` is set; where none is
        given, after `stop()`.
        """
        now = time.monotonic()
        since = self._failing_since = self._failing_since or now
        if now - since > self._seconds:
            raise PushError(
                f"{self._url}: no progress for {self._seconds:.0f} s ({reason}); what was loaded stays, run the same "
                "command again to go on"
            )
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 16))
        if (stop or self._stop).wait(random.uniform(longest / 2, longest)):  # noqa: S311 (no secret)
            raise CancelledError

    def call(self, request: Callable[[], T], accept: Callable[[T], bool] = lambda answer: True) -> T:
        """The answer to `request`, which is repeated while the cluster says "not now" or `accept` takes no answer.

        Raises PushError where that lasts too long, and the errors of `connection.server_errors`.
        """
        from elastic_transport import ApiError, TransportError

        attempt = 0
        while True:
            reason = "not all shards are ready"
            try:
                answer = request()
                if accept(answer):
                    self.progressed()
                    return answer
            except (ApiError, TransportError) as error:
                if not is_transient(error):
                    with connection.server_errors(self._url):
                        raise
                reason = describe(error)
            except UnreachableError as error:
                reason = str(error)
            attempt += 1
            self.pause(attempt, reason)


def describe(error: ApiError | TransportError) -> str:
    """A transient error in a few words."""
    from elastic_transport import ApiError

    if isinstance(error, ApiError):
        return f"{error.meta.status} {error_reason(error)}"
    return connection.cause_of(error)
