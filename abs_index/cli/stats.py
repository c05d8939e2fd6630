"""Command `stats`: what a corpus holds, per source."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from abs_index.cli import console
from abs_index.cli.options import Corpora, JsonOption, QuietOption, WorkersOption

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    else:
        console.stdout().print(_table(counts))


def _table(counts: Iterable[SourceStats]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("source", box=None, header_style="bold", show_footer=True)
    for heading in ("documents", "figures", "captions", "mentions", "rejects"):
        table.add_column(heading, justify="right")
    rows = [(source.source, *_numbers(source), source.rejects.total()) for source in counts]
    for name, *numbers in rows:
        table.add_row(Text(name), *map(str, numbers))
    table.columns[0].footer = "total"
    for column, total in zip(table.columns[1:], map(sum, zip(*(row[1:] for row in rows), strict=True)), strict=False):
        column.footer = str(total)
    return table
