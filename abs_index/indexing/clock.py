"""Seconds a stage, added up over the threads that work on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Clock:
    """Counts seconds by the name of a stage. Safe to use from several threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time in a `with` block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def calls(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """`function`, with the time of its calls counted."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.stage(name):
                return function(*args, **kwargs)

        return timed

    def items(self, name: str, items: Iterable[T]) -> Generator[T]:
        """The same items, with the time that making them takes counted."""
        iterator = iter(items)
        try:
            while True:
                with self.stage(name):
                    try:
                        item = next(iterator)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
