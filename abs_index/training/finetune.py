"""Fine-tuning: a model folder and one's own labelled pairs to a new model folder.

What stays as it is: the image network, with it the image embedding; the vocabulary and the word vectors; and the layer
that makes the pair embedding. The rest of the pair network learns, and validation pairs decide how much of that is kept
(see `training.choose`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from abs_index.corpus.figure_text import FigureReader
from abs_index.errors import ModelError, UsageError
from abs_index.model.base import ImageFeatures, PairModel
from abs_index.model.folder import CARD, ModelFolder, find_model, open_folder
from abs_index.model.load import load_model
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.runtime import load_networks
from abs_index.paper_settings import ScheduleSettings
from abs_index.recipe import Recipe
from abs_index.training.checkpoint import read_tensors, write_tensors
from abs_index.training.choose import calibrate, choose_kernel, choose_way, trained_weights
from abs_index.training.evaluation import Advance, Evaluation, encode_files, predict_known, score
from abs_index.training.figure_words import read_figure_words
from abs_index.training.finetune_task import FineTuneTask, Network, fix_parts
from abs_index.training.fit import PairData
from abs_index.training.held_out import split_pairs
from abs_index.training.labelled import LabelledPair
from abs_index.training.model_card import FineTuned, describe
from abs_index.training.steps import StepProgress, train_steps
from abs_index.training.training_folder import file_digest, find_device, identify, locked_folder

_MOST_BETWEEN = 50
"""Steps after which there is a line of the log and a checkpoint, at the latest."""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How a model is fine-tuned. `learning_rate` None is a part of that in the recipe of the model; `validation` is
    the share of the pairs that is cut off where the labels have no pairs of split `validation`."""

    epochs: int = 3
    learning_rate: float | None = None
    batch_size: int = 64
    validation: float = 0.15
    seed: int = 1

    def __post_init__(self) -> None:
        rate = 1.0 if self.learning_rate is None else self.learning_rate
        if self.epochs < 1 or self.batch_size < 1 or not 0 < rate <= 1 or not 0 < self.validation < 1:
            raise UsageError("epochs and batch size are at least 1; learning rate and validation lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class FineTuneProgress:
    """Whom to tell: of images that are read, and of steps."""

    images: Advance | None = None
    steps: StepProgress = field(default_factory=StepProgress)


def fine_tune(
    model: str | Path,
    pairs: Sequence[LabelledPair],
    images: Path,
    output: Path,
    settings: FineTuning | None = None,
    *,
    figure_reader: FigureReader | None = None,
    device: str = "cpu",
    progress: FineTuneProgress | None = None,
) -> FineTuned:
    """Trains a model (a shipped one, a folder, or of the hub) further and writes a new folder, whole or not at all.

    Until then, all is in a folder beside it (`output`.training): the same call again goes on where the last one was
    stopped. Test pairs are never looked at. `figure_reader` reads the words in the figures, for a model that does.

    Raises UsageError for a model or device that does not exist or an `output` that holds something, LabelsError where
    there is nothing to learn or to decide by, ModelError where the model cannot be read or written, AbsIndexError where
    a loss is no number.
    """
    chosen, tell, where = settings or FineTuning(), progress or FineTuneProgress(), find_device(device)
    base = open_folder(find_model(model))
    with _work_folder(output) as work:
        image, pair = load_networks(base)
        training, validation = split_pairs(pairs, chosen.validation, chosen.seed)
        _note_split(tell, training, validation)
        old = load_model(base.path, device=where.type)
        known = _look_at(old, [*training, *validation], images, work, figure_reader, tell.images)
        learnt, judged = known.data(base, training), known.data(base, validation)
        fix_parts(pair)
        weights = trained_weights(pair)
        schedule = _schedule(base.recipe, chosen, len(training))
        folder = work / identify(base.info.fingerprint, repr(schedule), *known.describe(training))
        _train(pair, learnt, base.recipe, schedule, folder, where, tell.steps)
        way = choose_way(pair, weights, judged)
        kernel, share = "not there", 0.0
        if pair.share:
            kernel, share = choose_kernel(pair, learnt, judged, base.recipe)
        calibrate(pair, judged)
        part = work / "model"
        _export(base, image, pair, share, output.name, part)
        before, after = (known.score(one, validation) for one in (old, load_model(part, device="cpu")))
        result = FineTuned(before, after, way, kernel, share)
        said = _settings(schedule, chosen, figure_reader is not None)
        _finish(part, output, describe(base, output.name, result, training, validation, said))
    return result


@contextmanager
def _work_folder(output: Path) -> Iterator[Path]:
    """The folder beside `output` that a training is in until its model is whole; it is deleted then."""
    _check_free(output)
    work = output.with_name(f"{output.name}.training")
    with locked_folder(work):
        yield work
    shutil.rmtree(work, ignore_errors=True)


def _check_free(output: Path) -> None:
    """Raises UsageError where `output` is there already, unless it is an empty folder."""
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise UsageError(f"{output}: is there already; give another --output, or delete it")


def _note_split(tell: FineTuneProgress, training: Sequence[LabelledPair], validation: Sequence[LabelledPair]) -> None:
    if tell.steps.note:
        cut = "" if any(pair.split == "validation" for pair in validation) else " cut off for validation"
        tell.steps.note(f"{len(training):,} pairs to learn from, {len(validation):,}{cut or ' of split validation'}")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the images of labelled pairs: features, with the row of each name, and the words in them."""

    features: ImageFeatures
    rows: dict[str, int]
    words: dict[str, str] | None

    def data(self, base: ModelFolder, pairs: Sequence[LabelledPair]) -> PairData:
        """Pairs for the network of a model."""
        contexts = torch.from_numpy(self.features.context)
        return PairData.make(pairs, contexts, self.rows, base.inputs, base.recipe, self.words)

    def describe(self, pairs: Sequence[LabelledPair]) -> list[str]:
        """All that a training on these pairs hangs on."""
        return [f"{pair.model_dump_json()}\n{(self.words or {}).get(pair.image)}" for pair in pairs]

    def score(self, model: PairModel, pairs: Sequence[LabelledPair]) -> Evaluation:
        """Scores of a model whose image network is the same."""
        return score(predict_known(model, pairs, self.features, self.rows, self.words), pairs)


def _look_at(
    model: PairModel,
    pairs: Sequence[LabelledPair],
    images: Path,
    work: Path,
    figure_reader: FigureReader | None,
    advance: Advance | None,
) -> _Known:
    """Reads the images of pairs; what was read before the training was stopped is taken from files."""
    names = sorted({pair.image for pair in pairs})
    rows = {name: row for row, name in enumerate(names)}
    words = read_figure_words(figure_reader, names, images, work, advance) if figure_reader else None
    key = identify(model.info.fingerprint, *(file_digest(images / name) for name in names))
    path = work / f"features-{key}.safetensors"
    if not path.is_file():
        features = encode_files(model, names, images, advance)
        tensors = {"embedding": features.embedding, "context": features.context}
        write_tensors(path, {name: torch.from_numpy(value) for name, value in tensors.items()}, {})
    read, _ = read_tensors(path)
    return _Known(ImageFeatures(read["embedding"].numpy(), read["context"].numpy()), rows, words)


def _schedule(recipe: Recipe, chosen: FineTuning, pairs: int) -> ScheduleSettings:
    batch = min(chosen.batch_size, pairs)
    steps = chosen.epochs * -(-pairs // batch)
    between = min(_MOST_BETWEEN, -(-pairs // batch))
    return ScheduleSettings(
        seed=chosen.seed,
        steps=steps,
        batch_size=batch,
        learning_rate=chosen.learning_rate or _small_rate(recipe),
        warm_up=steps // 10,
        weight_decay=recipe.training.weight_decay,
        log_every=between,
        checkpoint_every=between,
    )


def _small_rate(recipe: Recipe) -> float:
    """What has learnt from many pairs is not to forget them over a few."""
    return recipe.reader.learning_rate / 2 if recipe.reader else recipe.training.learning_rate / 10


def _settings(schedule: ScheduleSettings, chosen: FineTuning, figures: bool) -> dict[str, object]:
    """What the card says about the training."""
    return {
        "epochs": chosen.epochs,
        "steps": schedule.steps,
        "batch size": schedule.batch_size,
        "learning rate": schedule.learning_rate,
        "weight decay": schedule.weight_decay,
        "seed": chosen.seed,
        "words in the figures": "read" if figures else "not read",
    }


def _train(
    network: Network,
    data: PairData,
    recipe: Recipe,
    schedule: ScheduleSettings,
    folder: Path,
    device: torch.device,
    progress: StepProgress,
) -> None:
    """The folder has the name of all that the training hangs on, so that one of other labels is none to go on with."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(schedule.seed)
    train_steps(FineTuneTask(network, data, recipe), schedule, folder, folder.name, device, progress)
    network.cpu().eval()


def _export(base: ModelFolder, image: ImageNetwork, pair: Network, share: float, name: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    kernel = base.recipe.kernel.model_copy(update={"share": share})
    update = {"name": name, "description": f"fine-tuned from {base.info.name}", "kernel": kernel}
    export_model(base.recipe.model_copy(update=update), image, pair, base.words, folder)


def _finish(part: Path, output: Path, card: str) -> None:
    """Adds the card and puts the folder in its place. Raises ModelError where that fails."""
    try:
        (part / CARD).write_text(card, encoding="utf-8")
        for path in part.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if output.is_dir():
            output.rmdir()
        part.rename(output)
    except OSError as error:
        raise ModelError(f"{output}: cannot be written: {error.strerror}") from None
