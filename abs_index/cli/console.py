"""Where commands write: results to standard output, everything else to standard error.

Rich is loaded only when something is printed with it, so that the program starts fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from abs_index.cli.progress import Advance


def stdout() -> Console:
    """Console for results. Long lines are left to the terminal, so that a pipe gets them whole."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False, emoji=False)


def stderr() -> Console:
    """Console for summaries, notes and errors."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def write(line: str) -> None:
    """One line of a result, as it is: no markup, no wrapping."""
    sys.stdout.write(line + "\n")


def write_json(value: object) -> None:
    """A value as JSON on one line. Data classes become objects, paths become strings."""
    write(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines of columns under headings: numbers to the right, words to the left. Nothing is cut, however narrow.

    >>> print(*aligned([("what", "how many"), ("pairs", "97"), ("rejects", "1")]), sep="\\n")
    what     how many
    pairs          97
    rejects         1
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [
        all(cell.replace(".", "", 1).isdigit() for cell in column[1:] if cell) for column in zip(*rows, strict=True)
    ]
    for row in rows:
        cells = zip(row, widths, numeric, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()


def summary_table() -> Table:
    """An empty table for what a command has done: a name, a number and a note in each row."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    return table


@contextmanager
def resumable(how: str = "run the same command again to go on") -> Iterator[None]:
    """Ends the program with 130 on Ctrl-C, with a line that says how to go on."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        stderr().print(f"interrupted; {how}")
        raise typer.Exit(130) from None


def progress(title: str, *, unit: str = "images", quiet: bool = False) -> AbstractContextManager[Advance]:
    """Shows how far a long piece of work is, with its rate and the time left, on standard error.

    >>> with progress("embedding", quiet=True) as advance:
    ...     advance(32, 100)
    """
    if quiet:
        return nullcontext(lambda done, total: None)
    from abs_index.cli.progress import shown

    return shown(stderr(), title, unit)


@contextmanager
def two_bars(
    first: tuple[str, str], second: tuple[str, str], *, quiet: bool = False
) -> Iterator[tuple[Advance, Advance]]:
    """Progress of two pieces of work (title and unit), one after the other: a terminal shows one bar at a time."""
    with ExitStack() as stack:
        begun = stack.enter_context(progress(first[0], unit=first[1], quiet=quiet))
        shown: list[Advance] = []

        def advance(done: int, total: int | None) -> None:
            if not shown:
                stack.close()
                shown.append(stack.enter_context(progress(second[0], unit=second[1], quiet=quiet)))
            shown[0](done, total)

        yield begun, advance
