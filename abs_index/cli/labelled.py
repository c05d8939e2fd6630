"""Reading labelled pairs, and what their documents tell of the figures, for the commands that take --labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from abs_index.cli import console

if TYPE_CHECKING:
    from abs_index.recipe import Recipe
    from abs_index.training.labelled import LabelledPair, Selection


def read_labels_for(recipe: Recipe, labels: Path, images: Path, *, quiet: bool = False) -> list[LabelledPair]:
    """All pairs of a file, with what their documents tell of the figures where the recipe's network is told of it.
    Raises LabelsError."""
    from abs_index.training.labelled import read_labels

    return read_told_labels(labels, images, quiet=quiet) if recipe.told else read_labels(labels, images)


def read_told_labels(
    labels: Path, images: Path, selection: Selection | None = None, *, quiet: bool = False
) -> list[LabelledPair]:
    """The selected pairs of a file, with alternative texts and captions from their documents, as far as these lie below
    `images`; says of how many. Raises LabelsError."""
    from abs_index.training.labelled import read_labels
    from abs_index.training.told import tell_figures

    pairs = read_labels(labels, images, selection)
    with console.progress("reading documents", unit="documents", quiet=quiet) as advance:
        told, count = tell_figures(pairs, images, advance)
    if not quiet and any(pair.document for pair in pairs):
        console.stderr().print(
            f"alternative texts and captions: from the documents of {count:,} of {len(pairs):,} pairs", markup=False
        )
    return told
