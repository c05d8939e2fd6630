"""Markdown: tables, and text that must not be read as markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

Cell = str | int | float

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table: the first column to the left, the others to the right.

    >>> print(table(("class", "pairs"), [("equal", 1200), ("all", 2400)]))
    | class | pairs |
    |:--|--:|
    | equal | 1,200 |
    | all | 2,400 |
    """
    lines = [headings, *([_cell(cell) for cell in row] for row in rows)]
    drawn = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([drawn[0], "|" + "|".join([":--", *["--:"] * (len(headings) - 1)]) + "|", *drawn[1:]])


def plain(text: str) -> str:
    """A text of somebody else as one line that Markdown shows as it is.

    >>> plain("a <b>\\n | c")
    'a \\\\<b\\\\> \\\\| c'
    """
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def percent(share: float) -> str:
    """A share with two digits behind the point, as in the paper.

    >>> percent(0.8033)
    '80.33 %'
    """
    return f"{share:.2%}".replace("%", " %")


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
