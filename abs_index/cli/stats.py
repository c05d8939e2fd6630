"""Command `stats`: what a corpus holds, per source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abs_index.cli import console
from abs_index.cli.options import Corpora, JsonOption, QuietOption, WorkersOption
from abs_index.labels import ROLES

if TYPE_CHECKING:
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
    for line in console.aligned([_HEADINGS, *map(_row, counts), _total(counts)]):
        console.write(line)
    refused = [(c.source, str(number), reason) for c in counts for reason, number in sorted(c.rejects.items())]
    if refused:
        console.write("")
        for line in console.aligned([("source", "rejects", "reason"), *refused]):
            console.write(line)


_HEADINGS = ("source", "documents", "figures", *(f"{role}s" for role in ROLES), "rejects")


def _numbers(counts: SourceStats) -> tuple[int, ...]:
    return counts.documents, counts.figures, *(counts.pairs[role] for role in ROLES), counts.rejects.total()


def _row(counts: SourceStats) -> tuple[str, ...]:
    return counts.source, *map(str, _numbers(counts))


def _total(counts: list[SourceStats]) -> tuple[str, ...]:
    nothing = (0,) * (len(_HEADINGS) - 1)
    return "total", *(str(sum(column)) for column in zip(nothing, *map(_numbers, counts), strict=True))
