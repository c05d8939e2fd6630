"""Commands `export` and `rejects`: what an index holds, for other tools, and what was refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from abs_index.cli import console
from abs_index.cli.options import IndexArgument, IndexOption, JsonOption

_WIDE = 2000
"""Columns where there is no terminal: lines are then for `grep` and the like."""


class What(StrEnum):
    """Kinds of rows."""

    PAIRS = "pairs"
    FIGURES = "figures"
    DOCUMENTS = "documents"
    REJECTS = "rejects"


class Format(StrEnum):
    """Formats of files."""

    JSONL = "jsonl"
    PARQUET = "parquet"


def export(
    index: IndexArgument,
    what: Annotated[What, typer.Option("--what", help="What to write, a row each.")] = What.PAIRS,
    form: Annotated[Format, typer.Option("--format", help="JSON Lines (an object a line) or Parquet.")] = Format.JSONL,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write instead of standard output.", metavar="FILE", show_default=False
        ),
    ] = None,
) -> None:
    """Write all pairs, figures, documents or rejects of an index, for other tools.

    Paths of images are as in the corpus, those inside an archive with the archive's name in front.

    Example:

        abs-index export figures > pairs.jsonl
        abs-index export figures --what figures --format parquet --output figures.parquet
    """
    from abs_index.indexing.table import Table
    from abs_index.search import export as exporting

    table = Table.open_published(index)
    with exporting.replacing(output) if output else _standard_output() as out:
        count = exporting.export(table, what.value, form.value, out)
    if output:
        console.stderr().print(f"{count:,} {what.value} written to {output}", markup=False)


def rejects(index: IndexOption, json: JsonOption = False) -> None:
    """List what was refused when the index was built, and why.

    Example:

        abs-index rejects --index figures
    """
    from abs_index.indexing.table import Table
    from abs_index.search.export import rejects as rejects_of

    listed = list(rejects_of(Table.open_published(index)))
    if json:
        console.write_json(listed)
        return
    if not listed:
        console.stderr().print("nothing was refused")
        return
    from rich.table import Table as Listing
    from rich.text import Text

    listing = Listing(box=None, pad_edge=False)
    for name in ("reason", "path", "figure", "detail"):
        listing.add_column(name, overflow="fold")
    for row in listed:
        listing.add_row(*(Text(row[name] or "") for name in ("reason", "path", "figure", "detail")))
    out = console.stdout()
    if not out.is_terminal:
        out.width = _WIDE
    out.print(listing)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    """Standard output for bytes; whoever reads it may stop reading, as `head` does."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the end of Python finds it open
