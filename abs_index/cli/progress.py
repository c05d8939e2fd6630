"""Progress of long work: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int, int | None], None]
"""Takes how much is done and, where it is known, how much there is in all."""

SECONDS_BETWEEN_LINES = 30.0
"""How often progress is told where there is no terminal that could draw a bar."""


@contextmanager
def shown(console: Console, title: str, unit: str) -> Iterator[Advance]:
    """Progress on `console`, in the form that suits it."""
    if not console.is_terminal:
        yield _Lines(console, title, unit)
        return
    with _bar(console, unit) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(console: Console, unit: str) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


class _Rate(ProgressColumn):
    """Pieces of work a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


class _Lines:
    """Progress as plain lines, not too many of them."""

    def __init__(self, console: Console, title: str, unit: str) -> None:
        self._console, self._title, self._unit = console, title, unit
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        rate = done / (now - self._start)
        left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
        share = f"{done} of {total}" if total else str(done)
        self._console.print(f"{self._title}: {share} {self._unit}, {rate:.1f} {self._unit}/s{left}", markup=False)
