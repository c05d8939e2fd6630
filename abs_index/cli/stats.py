"""Command `stats`: what a corpus holds, per source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abs_index.cli import console
from abs_index.cli.options import Corpora, JsonOption, QuietOption, WorkersOption
from abs_index.labels import ROLES

if TYPE_CHECKING:
    from rich.table import Table

    from abs_index.corpus.stats import SourceStats


def stats(
    corpora: Corpora, json: JsonOption = False, workers: WorkersOption = None, quiet: QuietOption = False
) -> None:
    """Count documents, figures, pairs and rejects of a corpus, per source folder.

    Figures are those with an image that can be decoded; pairs are the pairs of these figures, by the role of the text.
    Rejects are what was refused, by reason. Nothing is written.

    Example:

        abs-index stats my-corpus
        abs-index stats books/ packages/PMC123.tar.gz --json
    """
    from abs_index.corpus.stats import collect_stats

    with console.progress("reading", unit="documents", quiet=quiet) as advance:
        counts = collect_stats(corpora, workers=workers, progress=lambda done: advance(done, None))
    if json:
        console.write_json([source.to_json() for source in counts])
        return
    out = console.stdout()
    out.print(_table(counts))
    if any(source.rejects for source in counts):
        out.print()
        out.print(_rejects_table(counts))


def _table(counts: list[SourceStats]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    rows = [
        (source.documents, source.figures, *(source.pairs[role] for role in ROLES), source.rejects.total())
        for source in counts
    ]
    totals = [sum(column) for column in zip(*rows, strict=True)] or [0] * 5
    table = Table(box=None, show_footer=True)
    table.add_column("source", "total")
    for heading, total in zip(
        ("documents", "figures", *(f"{role}s" for role in ROLES), "rejects"), totals, strict=True
    ):
        table.add_column(heading, str(total), justify="right")
    for source, row in zip(counts, rows, strict=True):
        table.add_row(escape(source.source), *map(str, row))
    return table


def _rejects_table(counts: list[SourceStats]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("source", "rejected", box=None)
    table.add_column("", justify="right")
    for source in counts:
        for reason, number in sorted(source.rejects.items()):
            table.add_row(escape(source.source), reason, str(number))
    return table
