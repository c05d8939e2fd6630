"""Plots of a report: accuracies, confusion, losses. None holds a picture or a text of a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from abs_index.errors import ModelError
from abs_index.labels import ABS
from abs_index.sample.axes import Axes, Scale
from abs_index.sample.canvas import GREY, INK, PALE, SERIES, Canvas
from abs_index.training.evaluation import Evaluation
from abs_index.training.loss_log import Row, draw_curves
from abs_index.training.regimes import REGIMES
from abs_index.training.report import published
from abs_index.training.report.results import Result
from abs_index.training.report.runs import ClassifierRun

_SHORT = {"image_more_abstract": "image more", "text_more_abstract": "text more", "equal": "equal"}


def save_picture(picture: Image.Image, path: Path) -> None:
    """Writes a PNG. Raises ModelError where that fails."""
    part = path.with_name(f"{path.name}.part")
    try:
        picture.save(part, format="PNG", optimize=True)
        part.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None


def draw_accuracies(results: Sequence[Result]) -> Image.Image:
    """Accuracy of each regime: published, and ours in each part of the test pairs; a line where guessing would be."""
    shown = {result.name: result for result in results}
    names = list(results[0].scores)
    canvas = Canvas(760, 430)
    axes = Axes(
        canvas,
        Scale(-0.5, len(REGIMES) - 0.5, (), "regime"),
        Scale(0, 1, [0, 0.25, 0.5, 0.75, 1], "accuracy"),
        (74, 56, 736, 368),
    )
    width = 0.8 / (1 + len(names))
    for place, regime in enumerate(REGIMES):
        scores = shown[regime].scores if regime in shown else {}
        values = [published.ACCURACY[regime], *(scores[name].accuracy if name in scores else 0.0 for name in names)]
        for number, value in enumerate(values):
            centre = place - 0.4 + width * (number + 0.5)
            axes.bar(centre, value, width * 0.9, (GREY, *SERIES)[number])
            axes.note(centre, value + 0.03, f"{value:.2f}" if value else "–", size=12, anchor="mm")
        canvas.text((axes.place(place, 0)[0], axes.bottom + 16), regime, 14)
    for number, name in enumerate(["paper, 100 pairs a class", *names]):
        left = 74 + number * 176
        canvas.box((left, 18, left + 12, 30), (GREY, *SERIES)[number], outline=None)
        canvas.text((left + 18, 24), name, 12, anchor="lm")
    return canvas.finish()


def draw_confusions(scores: dict[str, Evaluation]) -> Image.Image:
    """A matrix for each part of the test pairs: rows are true, columns were said; darker is a larger share of a row."""
    cell, left, top = 62, 90, 84
    canvas = Canvas(len(scores) * (3 * cell + left + 10) + 20, top + 3 * cell + 20)
    for number, (name, result) in enumerate(scores.items()):
        x = left + number * (3 * cell + left + 10)
        canvas.text((x + 1.5 * cell, 18), name, 13)
        canvas.text((x + 1.5 * cell, 40), "said", 12, GREY)
        for row, counts in enumerate(result.confusion):
            y = top + row * cell
            canvas.text((x - 6, y + cell / 2), _SHORT[ABS[row]], 12, anchor="rm")
            canvas.text((x + (row + 0.5) * cell, top - 14), _SHORT[ABS[row]], 10)
            for column, count in enumerate(counts):
                share = count / max(1, sum(counts))
                at = (x + column * cell, y)
                canvas.box((*at, at[0] + cell - 2, at[1] + cell - 2), _shade(share), outline=PALE, width=1)
                canvas.text((at[0] + cell / 2, at[1] + cell / 2), str(count), 15, "white" if share > 0.55 else INK)
    return canvas.finish()


def draw_losses(runs: Sequence[ClassifierRun], path: Path) -> None:
    """The losses of the abstractness of all classifiers over their steps."""
    rows: list[Row] = [{"step": row["step"], run.regime: row["abs"]} for run in runs for row in run.log]
    draw_curves(sorted(rows, key=lambda row: row["step"]), [run.regime for run in runs], path)


def _shade(share: float) -> str:
    """White to blue."""
    ends = ((255, 255, 255), (43, 108, 176))
    red, green, blue = (round(one + share * (other - one)) for one, other in zip(*ends, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"
