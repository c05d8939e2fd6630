"""Folders of trainings, opened for a report: the networks as they stand, and how they came there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from abs_index.errors import ModelError, UsageError
from abs_index.networks.paper.network import Autoencoder, Classifier
from abs_index.paper_settings import PaperSettings, ScheduleSettings
from abs_index.recipe import Recipe, load_recipe
from abs_index.training.checkpoint import CHECKPOINT, load_part, read_checkpoint
from abs_index.training.loss_log import Row, read_log
from abs_index.training.pretrain import paper_settings
from abs_index.training.regimes import REGIMES, Regime
from abs_index.training.run_notes import RunNotes, read_notes
from abs_index.training.training_folder import RECIPE
from abs_index.training.word_vectors import WordTable


@dataclass(frozen=True, slots=True)
class Run:
    """A training that has come to a checkpoint: `step` of the steps of `schedule`."""

    folder: Path
    recipe: Recipe
    settings: PaperSettings
    schedule: ScheduleSettings
    notes: RunNotes
    words: WordTable
    log: list[Row]
    step: int

    def describe(self) -> str:
        """Recipe, schedule and hardware in one sentence: what has to stand beside every figure from this training."""
        image, schedule, notes = self.settings.image, self.schedule, self.notes
        done = f"{self.step:,}" if self.step == schedule.steps else f"{self.step:,} of {schedule.steps:,}"
        epochs = self.step * schedule.batch_size / notes.pairs
        encoder = f"{image.encoder}{'' if image.fine_tune else ', not fine-tuned'}, {image.size} pixels"
        return (
            f"recipe `{self.recipe.name}` ({encoder}; {self.settings.embedding_dim} numbers an article embedding), "
            f"{done} steps of {schedule.batch_size} pairs ({epochs:.1f} times each of {notes.pairs:,}), "
            f"{notes.hardware}, {notes.seconds / 60:.1f} minutes by the clock"
        )


@dataclass(frozen=True, slots=True)
class Pretraining(Run):
    """A pretrained autoencoder."""

    network: Autoencoder


@dataclass(frozen=True, slots=True)
class ClassifierRun(Run):
    """A classifier that was trained in one of the regimes."""

    network: Classifier

    @property
    def regime(self) -> Regime:
        """The regime of the training."""
        return cast(Regime, self.notes.regime)


def open_pretraining(folder: Path) -> Pretraining:
    """The autoencoder in a folder of `train pretrain`. Raises ModelError for any other folder."""
    recipe, settings, notes, words, log, step = _open(folder)
    if notes.regime:
        raise ModelError(f"{folder}: a classifier; a pretraining is wanted here (folder of `train pretrain`)")
    network = Autoencoder(settings, words.vectors)
    load_part(folder / CHECKPOINT, network, "")
    return Pretraining(folder, recipe, settings, settings.pretraining, notes, words, log, step, network.eval())


def open_classifiers(folders: list[Path]) -> list[ClassifierRun]:
    """The classifiers in folders of `train classifier`, in the order of the regimes. Raises ModelError for any other
    folder, UsageError for two of one regime."""
    runs = [_open_classifier(folder) for folder in folders]
    found = [run.regime for run in runs]
    twice = next((regime for regime in found if found.count(regime) > 1), None)
    if twice:
        raise UsageError(f"two classifiers of regime {twice!r}: give one of each")
    return sorted(runs, key=lambda run: REGIMES.index(run.regime))


def _open_classifier(folder: Path) -> ClassifierRun:
    recipe, settings, notes, words, log, step = _open(folder)
    if notes.regime not in REGIMES:
        raise ModelError(f"{folder}: no classifier in it (folder of `train classifier`)")
    network = Classifier(settings, words.vectors)
    load_part(folder / CHECKPOINT, network, "")
    return ClassifierRun(folder, recipe, settings, settings.classifier, notes, words, log, step, network.eval())


def _open(folder: Path) -> tuple[Recipe, PaperSettings, RunNotes, WordTable, list[Row], int]:
    if not (folder / RECIPE).is_file() or not (folder / CHECKPOINT).is_file():
        raise ModelError(f"{folder}: no training in it that has come to its first checkpoint")
    recipe = load_recipe(folder / RECIPE)
    settings = paper_settings(recipe)
    # The weights of the backbone are those of the checkpoint: nothing needs to be fetched for the report.
    image = settings.image.model_copy(update={"weights": "random"})
    settings = settings.model_copy(update={"image": image})
    _, state = read_checkpoint(folder / CHECKPOINT)
    torch.manual_seed(0)
    return recipe, settings, read_notes(folder), WordTable.load(folder), read_log(folder), int(state["step"])
