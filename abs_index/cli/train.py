"""Commands `train`, `train pretrain` and `train classifier`: labelled or unlabelled pairs to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import Device, DeviceOption, JsonOption, QuietOption, RecipeOption
from abs_index.errors import UsageError

if TYPE_CHECKING:
    from abs_index.cli.progress import Advance

_GO_ON = "run the same command again to go on from the last checkpoint"


class Regime(StrEnum):
    """How the encoder of the paper's classifier is trained."""

    SCRATCH = "scratch"
    FREEZE = "freeze"
    TRANSFER = "transfer"


LabelsOption = Annotated[
    Path, typer.Option("--labels", help="File of labelled pairs, JSON lines.", metavar="FILE", show_default=False)
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        help="Folder that the image paths start from; left out, the folder of the labels.",
        metavar="DIR",
        show_default=False,
    ),
]
TrainingOption = Annotated[
    Path,
    typer.Option("--output", help="Folder of the training, also to go on with it.", metavar="DIR", show_default=False),
]


def train(
    context: typer.Context,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="File of labelled pairs, JSON lines.", metavar="FILE", show_default=False),
    ] = None,
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
    with _training():
        from abs_index.training.train import Progress, train_model
    from abs_index.recipe import load_recipe
    from abs_index.training.labelled import read_labels

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
    with _training():
        from abs_index.training.pretrain import PretrainProgress
        from abs_index.training.pretrain import pretrain as run
        from abs_index.training.steps import StepProgress
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe)
    with console.resumable(_GO_ON), _two_bars(quiet) as (read, advance):
        told = PretrainProgress(lambda done: read(done, None), StepProgress(advance, _note(quiet)))
        run(settings, corpora, output, device=device.value, progress=told)
    console.stderr().print(f"wrote {output}", markup=False)


def classifier(
    labels: LabelsOption,
    output: TrainingOption,
    regime: Annotated[
        Regime,
        typer.Option(
            "--regime",
            help="scratch: no pretraining; freeze: the pretrained encoder stays; transfer: it is trained further.",
            show_default=False,
        ),
    ],
    pretrained: Annotated[
        Path | None,
        typer.Option("--pretrained", help="Folder of `train pretrain`.", metavar="DIR", show_default=False),
    ] = None,
    images: ImagesOption = None,
    recipe: RecipeOption = "paper",
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train the classifier of the paper on labelled pairs, and score it on those of split "validation".

    Learns from the pairs of split "train" and never looks at those of split "test". A training that was stopped goes
    on where it was, with the same command.

    Example:

        abs-index train classifier --regime transfer --pretrained pretrained --recipe paper-small \
--labels labels.jsonl --images corpora/ --output transfer
    """
    with _training():
        from abs_index.training.classify import train_classifier
        from abs_index.training.steps import StepProgress
    from dataclasses import asdict

    from abs_index.cli.predict import print_evaluation
    from abs_index.recipe import load_recipe
    from abs_index.training.labelled import read_labels

    settings = load_recipe(recipe)
    root = images or labels.parent
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
    console.stderr().print(f"wrote {output}", markup=False)
    if result and json:
        console.write_json(asdict(result))
    elif result:
        print_evaluation(result)


COMMANDS = (pretrain, classifier)


@contextmanager
def _training() -> Iterator[None]:
    """Around the imports that need the extra [train]."""
    from abs_index.errors import MissingExtraError

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name in ("torch", "timm"):
            raise MissingExtraError("training", "train") from None
        raise


@contextmanager
def _two_bars(quiet: bool) -> Iterator[tuple[Advance, Advance]]:
    """Progress of documents, then of steps: a terminal shows one bar at a time."""
    with ExitStack() as stack:
        read = stack.enter_context(console.progress("reading", unit="documents", quiet=quiet))
        second: list[Advance] = []

        def advance(done: int, total: int | None) -> None:
            if not second:
                stack.close()
                second.append(stack.enter_context(console.progress("pretraining", unit="steps", quiet=quiet)))
            second[0](done, total)

        yield read, advance


def _note(quiet: bool) -> Callable[[str], None] | None:
    return None if quiet else lambda line: console.stderr().print(line, markup=False)
