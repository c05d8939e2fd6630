"""Values that several threads may want at the same time, each made once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Keeps the values of the last keys that were asked for, or the errors that making them raised.

    >>> words = Once[str](keep=2)
    >>> words.get("a", lambda: "made"), words.get("a", lambda: "made again")
    ('made', 'made')
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._lock = Lock()
        self._recent: dict[str, Future[T]] = {}

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key. Who comes while it is made waits for it. Raises what `make` raises."""
        mine = Future[T]()
        with self._lock:
            said = self._recent.setdefault(key, mine)
            while len(self._recent) > self._keep:
                del self._recent[next(iter(self._recent))]
        if said is mine:
            try:
                mine.set_result(make())
            except BaseException as error:  # noqa: BLE001 (raised below, here and in those who wait for it)
                mine.set_exception(error)
        return said.result()
