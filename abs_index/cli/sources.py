"""Command `train sources`: how good a recipe is on books and journals that its training has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.extras import training_extra
from abs_index.cli.options import ImagesOption, JsonOption, LabelsRequired, QuietOption, RecipeOption
from abs_index.labels import ABS

if TYPE_CHECKING:
    from abs_index.training.sources import Scores, SourcesResult


def sources(
    labels: LabelsRequired,
    output: Annotated[
        Path,
        typer.Option(
            "--output", help="Folder of the scores, also to go on with it.", metavar="DIR", show_default=False
        ),
    ],
    images: ImagesOption = None,
    recipe: RecipeOption = "default",
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            help="Leave out so many groups of sources of about equal numbers of pairs; left out, each source alone.",
            min=2,
            metavar="N",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            help="Score only this source (`corpus` of the labels). May be repeated; left out, all.",
            metavar="CORPUS",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            help="Keeps the features of the images and the words in them here; left out, in the output folder.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Score a recipe on sources that its training has not seen.

    A source is the "corpus" of a labelled pair: a book or journal. For each one, the recipe is trained on the pairs of
    split "train" of all other sources and calibrated on those of split "validation"; then it is scored on the pairs of
    both splits of the source that was left out. Pairs of split "test" are never looked at. Scored pairs whose two
    passes differ are left out.

    Each training takes as long as `train`. What is finished is noted at once: a command that was stopped goes on with
    the same command. The scores are written to sources.json too, which `report --sources` takes. Where the recipe reads
    words in figures, there are scores with and without them.

    Example:

        abs-index train sources --labels labels.jsonl --images corpora/ --recipe default --output unseen
        abs-index train sources --labels labels.jsonl --images corpora/ --recipe fast --output unseen-fast --folds 5
    """
    with training_extra():
        from abs_index.training.sources import SourcesProgress, score_sources
        from abs_index.training.train import Progress
    from abs_index.cli.labelled import read_labels_for
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe)
    root = images or labels.parent
    pairs = read_labels_for(settings, labels, root, quiet=quiet)
    note = console.stderr()

    def tell(line: str) -> None:
        if not quiet:
            note.print(line, markup=False)

    bars = console.two_bars(("reading images", "images"), ("reading words in figures", "images"), quiet=quiet)
    with console.resumable("run the same command again to go on"), bars as (read, words):
        told = Progress(read, words, lambda epoch, epochs, loss: tell(f"epoch {epoch}/{epochs}: loss {loss:.3f}"))
        result = score_sources(
            settings,
            pairs,
            root,
            output,
            folds=folds,
            only=only or (),
            cache=cache,
            progress=SourcesProgress(told, tell),
        )
    note.print(f"wrote {output / 'sources.json'}", markup=False)
    if json:
        console.write_json(result)
    else:
        _print_scores(result)


def _print_scores(result: SourcesResult) -> None:
    """A table for each way in which the figures were read, as text on standard output."""
    for scores in result.scores:
        if len(result.scores) > 1:
            console.write(f"words in the figures {'read' if scores.figures_read else 'not read'}:")
        for line in console.aligned(_rows(scores)):
            console.write(line)
        console.write("")
    if result.differing:
        console.write(f"not scored: {result.differing} pairs whose two passes differ")


def _rows(scores: Scores) -> list[tuple[str, ...]]:
    recalls = (f"recall {label.replace('_more_abstract', ' >')}" for label in ABS)
    rows: list[tuple[str, ...]] = [("source", "pairs", "accuracy", "macro F1", *recalls, "calibration error")]
    for name, one in (*((one.source, one.score) for one in scores.sources), ("all pairs together", scores.together)):
        classes = [one.per_class[label] for label in ABS]
        recall = (f"{each.recall:.3f}" if each.support else "" for each in classes)
        rows.append((name, str(one.n), *_digits(one.accuracy, one.macro_f1), *recall, *_digits(one.calibration_error)))
    mean = scores.mean
    recall = (f"{mean.recall[label]:.3f}" if label in mean.recall else "" for label in ABS)
    rows.append(
        ("mean over sources", "", *_digits(mean.accuracy, mean.macro_f1), *recall, *_digits(mean.calibration_error))
    )
    return rows


def _digits(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)
