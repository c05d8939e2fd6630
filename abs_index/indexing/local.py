"""The engine on one machine: threads with bounded queues between them. Order is kept, and no model is known here.

Both functions are generators. Closing them (also by an exception in the consumer) stops the threads behind them and
closes the iterators that feed them; an exception in a thread is raised in the consumer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _End:
    """What a producing thread puts last: with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def background(items: Iterable[T], ahead: int, name: str) -> Generator[T]:
    """The same items, made by a thread called `name` that runs at most `ahead` items in front of the consumer.

    >>> list(background(range(5), ahead=2, name="count"))
    [0, 1, 2, 3, 4]
    """
    queue: Queue[T | _End] = Queue(max(1, ahead))
    stop = Event()
    thread = Thread(target=_produce, args=(items, queue, stop), name=name, daemon=True)
    thread.start()
    item: T | _End | None = None
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        while thread.is_alive() and not isinstance(item, _End):
            item = queue.get()
        thread.join()


def _produce(items: Iterable[T], queue: Queue[T | _End], stop: Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            queue.put(item)
            if stop.is_set():
                break
    except BaseException as caught:  # noqa: BLE001 (raised again in the consumer)
        error = caught
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
        queue.put(_End(error))


def ordered_map(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Generator[R]:
    """`function` of each item in the order of the items, computed by `workers` threads at most `ahead` items early.

    >>> list(ordered_map(str, [3, 1, 2], workers=2, ahead=4))
    ['3', '1', '2']
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            close = getattr(items, "close", None)
            if close is not None:
                close()
