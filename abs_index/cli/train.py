"""Command `train`: labelled pairs to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import QuietOption, RecipeOption


def train(
    labels: Annotated[
        Path, typer.Option("--labels", help="File of labelled pairs, JSON lines.", metavar="FILE", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", help="Folder that the model is written to.", metavar="DIR", show_default=False)
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="Folder that the image paths start from; left out, the folder of the labels.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    recipe: RecipeOption = "default",
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Keeps the features of the images here, for the next training.", metavar="DIR"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train a model on labelled pairs and write it to a folder, for `build --model` and `predict --model`.

    Learns from the pairs of split "train", calibrates its probabilities on those of split "validation", and never
    looks at those of split "test". The same labels, images and recipe give the same model on the same machine.

    Example:

        abs-index train --labels labels.jsonl --images corpora/ --output my-model
        abs-index evaluate labels.jsonl --root corpora/ --split test --model my-model
    """
    from abs_index.errors import MissingExtraError
    from abs_index.recipe import load_recipe
    from abs_index.training.labelled import read_labels

    try:
        from abs_index.training.train import Progress, train_model
    except ModuleNotFoundError as error:
        if error.name in ("torch", "timm"):
            raise MissingExtraError("training", "train") from None
        raise
    settings = load_recipe(recipe)
    root = images or labels.parent
    pairs = read_labels(labels, root)
    note = console.stderr()
    with console.progress("reading images", quiet=quiet) as advance:
        told = Progress(
            images=advance,
            epochs=None
            if quiet
            else lambda epoch, epochs, loss: note.print(f"epoch {epoch}/{epochs}: loss {loss:.3f}"),
        )
        train_model(settings, pairs, root, output, cache=cache, progress=told)
    note.print(f"wrote {output}")
