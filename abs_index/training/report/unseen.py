"""The report's table of sources that a training had not seen."""

from __future__ import annotations

from collections.abc import Sequence

from abs_index.labels import ABS
from abs_index.training.evaluation import Evaluation
from abs_index.training.report.markdown import Cell, percent, plain, table
from abs_index.training.sources import Scores, SourcesResult

HEADING = "Sources that the training had not seen"


def unseen_blocks(result: SourcesResult, annotator: str) -> list[str]:
    """Markdown of one run of `train sources`: what was done, and a table for each way in which figures were read."""
    blocks = [_say(result, annotator)]
    for scores in result.scores:
        if len(result.scores) > 1:
            blocks.append(f"**Words in the figures {'read' if scores.figures_read else 'not read'}**")
        blocks.append(unseen_table(scores))
    return blocks


def unseen_table(scores: Scores) -> str:
    """A row a source, then all their pairs together, and the mean over sources."""
    mean = scores.mean
    rows: list[Sequence[Cell]] = [
        (plain(one.source), one.score.n, *_numbers(one.score), _share(one.seen_accuracy)) for one in scores.sources
    ]
    together: Sequence[Cell] = ("**all pairs together**", scores.together.n, *_numbers(scores.together), "–")
    means: Sequence[Cell] = (
        *("**mean over sources**", "–", percent(mean.accuracy), mean.macro_f1),
        *(_share(mean.recall.get(label)) for label in ABS),
        *(mean.calibration_error, _share(mean.seen_accuracy)),
    )
    recalls = (f"recall `{label}`" for label in ABS)
    headings = ("source", "pairs", "accuracy", "macro F1", *recalls, "calibration error", "accuracy, seen sources")
    return table(headings, [*rows, together, means])


def _say(result: SourcesResult, annotator: str) -> str:
    how = "each source" if result.folds is None else f"each of {result.folds} groups of sources"
    left_out = f" {result.differing:,} pairs whose two passes differ are not scored." if result.differing else ""
    return (
        f"Recipe `{result.recipe}` ({result.schedule}, {result.hardware}) was trained without {how} (a book or "
        f"journal) and scored on its pairs of split `train` and `validation`; those of split `test` were not looked "
        f"at.{left_out} The last column is the accuracy of the same training on the validation pairs of the sources "
        f"that it had seen, by which it was calibrated. Labels: {annotator}."
    )


def _numbers(one: Evaluation) -> tuple[Cell, ...]:
    recalls = (_share(one.per_class[label].recall if one.per_class[label].support else None) for label in ABS)
    return (percent(one.accuracy), one.macro_f1, *recalls, one.calibration_error)


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)
