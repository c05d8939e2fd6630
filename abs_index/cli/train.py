"""Commands `train`, `train pretrain` and `train classifier`: labelled or unlabelled pairs to a model.

`train sources` is in a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.extras import training_extra
from abs_index.cli.options import (
    Device,
    DeviceOption,
    FigureTextOption,
    ImagesOption,
    JsonOption,
    LabelsOption,
    LabelsRequired,
    QuietOption,
    RecipeOption,
)
from abs_index.cli.sources import sources
from abs_index.errors import UsageError

if TYPE_CHECKING:
    from abs_index.training.model_card import FineTuned

_GO_ON = "run the same command again to go on from the last checkpoint"


class Regime(StrEnum):
    """How the encoder of the paper's classifier is trained."""

    SCRATCH = "scratch"
    FREEZE = "freeze"
    TRANSFER = "transfer"


TrainingOption = Annotated[
    Path,
    typer.Option("--output", help="Folder of the training, also to go on with it.", metavar="DIR", show_default=False),
]


def train(
    context: typer.Context,
    labels: LabelsOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder that the model is written to.", metavar="DIR", show_default=False),
    ] = None,
    images: ImagesOption = None,
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

    The network of the paper is trained in two steps: `train pretrain`, then `train classifier`.

    Example:

        abs-index train --labels labels.jsonl --images corpora/ --output my-model
        abs-index evaluate labels.jsonl --root corpora/ --split test --model my-model
    """
    if context.invoked_subcommand is not None:
        if labels or output:
            raise UsageError(f"options of `train {context.invoked_subcommand}` stand behind its name")
        return
    if labels is None or output is None:
        raise UsageError("give --labels and --output, or a command (see `abs-index train --help`)")
    with training_extra():
        from abs_index.training.train import Progress, train_model
        from abs_index.training.training_folder import check_writable
    from abs_index.cli.labelled import read_labels_for
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe)
    check_writable(output)
    root = images or labels.parent
    pairs = read_labels_for(settings, labels, root, quiet=quiet)
    note = console.stderr()
    bars = console.two_bars(("reading images", "images"), ("reading words in figures", "images"), quiet=quiet)
    how = _GO_ON if cache else "no model was written; with --cache, what was done is kept"
    with console.resumable(how), bars as (read, words):
        told = Progress(
            images=read,
            figures=words,
            epochs=None
            if quiet
            else lambda epoch, epochs, loss: note.print(f"epoch {epoch}/{epochs}: loss {loss:.3f}"),
        )
        train_model(settings, pairs, root, output, cache=cache, progress=told)
    note.print(f"wrote {output}")


def pretrain(
    corpora: Annotated[
        list[Path],
        typer.Option(
            "--corpus",
            help="Folder or archive of documents. May be repeated.",
            metavar="CORPUS",
            show_default=False,
        ),
    ],
    output: TrainingOption,
    recipe: RecipeOption = "paper",
    device: DeviceOption = Device.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Pretrain the network of the paper: an autoencoder of the figures and texts of a corpus, without labels.

    Recipe "paper" needs a GPU, "paper-small" is the same structure in a size for a CPU. A training that was stopped
    goes on where it was, with the same command. The folder holds the log (losses.jsonl) and its curves (losses.png).

    Example:

        abs-index train pretrain --recipe paper-small --corpus articles/ --corpus books.zip --output pretrained
    """
    with training_extra():
        from abs_index.training.pretrain import PretrainProgress
        from abs_index.training.pretrain import pretrain as run
        from abs_index.training.steps import StepProgress
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe)
    bars = console.two_bars(("reading", "documents"), ("pretraining", "steps"), quiet=quiet)
    with console.resumable(_GO_ON), bars as (read, advance):
        told = PretrainProgress(lambda done: read(done, None), StepProgress(advance, _note(quiet)))
        run(settings, corpora, output, device=device.value, progress=told)
    console.stderr().print(f"wrote {output}", markup=False)


def classifier(
    context: typer.Context,
    labels: LabelsRequired,
    output: TrainingOption,
    images: ImagesOption = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", help="Model to fine-tune: a shipped one, a folder, or hf:ORG/NAME.", metavar="NAME|DIR"
        ),
    ] = "default",
    epochs: Annotated[int, typer.Option("--epochs", help="How often to go through the pairs.", min=1)] = 3,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate", help="Left out, a part of that in the recipe of the model.", show_default=False
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Pairs a step.", min=1)] = 64,
    validation: Annotated[
        float,
        typer.Option(
            "--validation", help="Share of the pairs to decide by, where none has split validation.", min=0.01, max=0.9
        ),
    ] = 0.15,
    seed: Annotated[int, typer.Option("--seed", help="Of the order of the pairs, and of what is cut off.")] = 1,
    figure_text: FigureTextOption = False,
    regime: Annotated[
        Regime | None,
        typer.Option(
            "--regime",
            help="Train the paper's classifier instead. scratch: no pretraining; freeze: the pretrained encoder stays; "
            "transfer: it is trained further.",
            show_default=False,
        ),
    ] = None,
    pretrained: Annotated[
        Path | None,
        typer.Option(
            "--pretrained", help="With --regime: folder of `train pretrain`.", metavar="DIR", show_default=False
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", help="With --regime: recipe of the paper's network.", metavar="NAME|FILE")
    ] = "paper",
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a model on your own labelled pairs, and score it before and after.

    Learns from the pairs of split "train", decides by those of split "validation" (where there are none, some are cut
    off), and never looks at those of split "test". A training that was stopped goes on where it was, with the same
    command. docs/labels.md says what labels look like.

    With --regime, trains the classifier of the paper instead, after `train pretrain`.

    Example:

        abs-index train classifier --labels my.jsonl --images pictures/ --output my-model
        abs-index train classifier --regime transfer --pretrained pretrained --recipe paper-small \
--labels labels.jsonl --images corpora/ --output transfer
    """
    root = images or labels.parent
    if regime:
        _refuse(context, "goes without --regime", _FINE_TUNING)
        _train_regime(labels, root, output, regime, pretrained, recipe, device, json, quiet)
        return
    _refuse(context, "goes with --regime", ("pretrained", "recipe"))
    with training_extra():
        from abs_index.training.finetune import FineTuneProgress, FineTuning, fine_tune
        from abs_index.training.steps import StepProgress
    from abs_index.cli.labelled import read_told_labels
    from abs_index.corpus.figure_text import RapidReader

    pairs = read_told_labels(labels, root, quiet=quiet)
    reader = RapidReader() if figure_text else None
    settings = FineTuning(epochs, learning_rate, batch_size, validation, seed)
    bars = console.two_bars(("reading", "images"), ("training", "steps"), quiet=quiet)
    with console.resumable(_GO_ON), bars as (read, advance):
        told = FineTuneProgress(read, StepProgress(advance, _note(quiet)))
        result = fine_tune(
            model, pairs, root, output, settings, figure_reader=reader, device=device.value, progress=told
        )
    console.stderr().print(f"wrote {output}", markup=False)
    if json:
        console.write_json(result)
    else:
        _print_tuned(result)


_FINE_TUNING = ("model", "epochs", "learning_rate", "batch_size", "validation", "seed", "figure_text")


def _refuse(context: typer.Context, why: str, names: tuple[str, ...]) -> None:
    """Raises UsageError for an option that was given where it would change nothing."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise UsageError(f"--{name.replace('_', '-')} {why} (see `{context.command_path} --help`)")


def _train_regime(
    labels: Path,
    root: Path,
    output: Path,
    regime: Regime,
    pretrained: Path | None,
    recipe: str,
    device: Device,
    json: bool,
    quiet: bool,
) -> None:
    """The classifier of the paper."""
    with training_extra():
        from abs_index.training.classify import train_classifier
        from abs_index.training.paper_model import write_model
        from abs_index.training.steps import StepProgress
    from dataclasses import asdict

    from abs_index.cli.predict import print_evaluation
    from abs_index.recipe import load_recipe
    from abs_index.training.labelled import read_labels

    settings = load_recipe(recipe)
    pairs = read_labels(labels, root)
    with console.resumable(_GO_ON), console.progress("training", unit="steps", quiet=quiet) as advance:
        result = train_classifier(
            settings,
            regime.value,
            pairs,
            root,
            output,
            pretrained=pretrained,
            device=device.value,
            progress=StepProgress(advance, _note(quiet)),
        )
        write_model(output, output / "model")
    console.stderr().print(f"wrote {output}, and its model: {output / 'model'}", markup=False)
    if result and json:
        console.write_json(asdict(result))
    elif result:
        print_evaluation(result)


def _print_tuned(result: FineTuned) -> None:
    """Scores on the validation pairs before and after, and what these decided."""
    from abs_index.cli.predict import print_evaluation

    for name, one in (("before", result.before), ("after", result.after)):
        console.write(f"{name}:")
        print_evaluation(one)
        console.write("")
    machine = f"; kernel machine: {result.kernel} (share {result.share:g})"
    console.write(f"weights: {result.way:.0%} of the way from the old to the new ones{machine}")


COMMANDS = (pretrain, classifier, sources)


def _note(quiet: bool) -> Callable[[str], None] | None:
    return None if quiet else lambda line: console.stderr().print(line, markup=False)
