"""Pretraining of the paper's network: an autoencoder of the pairs of a corpus, which need no labels.

What a folder of a pretraining holds:

    recipe.toml             the recipe
    pairs/                  the pairs of the corpus, see `training.corpus_pairs`
    words.safetensors       vocabulary and word vectors
    checkpoint.safetensors  weights, optimizer and random numbers, see `training.checkpoint`
    images.safetensors      image vectors, where the image encoder does not learn
    losses.jsonl, .png      the log of the losses and their curves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from abs_index.errors import RecipeError
from abs_index.networks.paper.image import image_losses, scale_pixels
from abs_index.networks.paper.network import Autoencoder
from abs_index.networks.paper.text_decoder import text_losses
from abs_index.recipe import PaperSettings, Recipe, format_recipe
from abs_index.training.corpus_pairs import Documents, prepare_pairs
from abs_index.training.image_vectors import image_vectors, is_frozen
from abs_index.training.pair_batches import PairBatches
from abs_index.training.steps import Batch, StepProgress, recipe_advice, train_steps
from abs_index.training.training_folder import accelerate, find_device, identify, training_folder
from abs_index.training.word_vectors import WORDS, WordTable

PAIRS = "pairs"


@dataclass(frozen=True, slots=True)
class PretrainProgress:
    """Whom to tell: of documents that are read, of the vocabulary when it is made, and of steps."""

    documents: Documents | None = None
    steps: StepProgress = field(default_factory=StepProgress)


class AutoencoderTask:
    """Pictures and texts that are to come out of the autoencoder as they went in."""

    advice = recipe_advice("paper.pretraining")

    def __init__(self, settings: PaperSettings, table: WordTable, batches: PairBatches) -> None:
        self.network = Autoencoder(settings, table.vectors)
        self._weights = settings.pretraining.image_weight, settings.pretraining.text_weight
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def load(self, rows: Sequence[int]) -> Batch:
        """Pictures and words of some of the pairs."""
        return self._batches.load(rows)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """`image`: mean squared error of the picture; `text`: mean cosine distance of the words; `loss`: their sum by
        the weights of the recipe. Each (N,)."""
        picture = scale_pixels(batch.pixels)
        made = self.network(picture, batch.words, batch.vectors)
        image = image_losses(made.picture, picture)
        text = text_losses(made.words, batch.words, self.network.encoder.text.vectors)
        return {"loss": self._weights[0] * image + self._weights[1] * text, "image": image, "text": text}


def pretrain(
    recipe: Recipe,
    corpora: Sequence[Path],
    folder: Path,
    *,
    device: str = "cpu",
    progress: PretrainProgress | None = None,
) -> WordTable:
    """Trains the autoencoder of a recipe on all pairs of the corpora, to the last step, and gives its words.

    The same call again goes on where the last one was stopped. Raises RecipeError for a recipe without [paper],
    CorpusError for corpora without pairs, ModelError for a folder of another training or one that cannot be written,
    UsageError for a device that is not there or a folder of other corpora.
    """
    settings = paper_settings(recipe)
    tell, where = progress or PretrainProgress(), find_device(device)
    with training_folder(recipe, folder):
        pairs = prepare_pairs(corpora, settings.image.size, folder / PAIRS, recipe.corpus, tell.documents)
        texts = [pair.text for pair in pairs]
        table = _find_words(texts, settings, folder)
        if tell.steps.note:
            known = f"{len(table.vocabulary):,} words, {table.coverage:.1%} of all in the texts"
            tell.steps.note(f"{len(pairs):,} pairs; vocabulary: {known}")
        torch.manual_seed(settings.pretraining.seed)
        images = [pair.image for pair in pairs]
        batches = PairBatches(texts, images, folder / PAIRS, table.vocabulary, settings)
        task = AutoencoderTask(settings, table, batches)
        accelerate(task.network, where)
        encoder = task.network.encoder.image
        if is_frozen(encoder):
            batches.vectors = image_vectors(
                encoder, images, folder / PAIRS, settings.image.size, folder, where, tell.steps.note
            )
        identity = identify(format_recipe(recipe), *table.vocabulary.words, *texts)
        train_steps(task, settings.pretraining, folder, identity, where, tell.steps)
    return table


def _find_words(texts: Sequence[str], settings: PaperSettings, folder: Path) -> WordTable:
    """The words of the folder, made from the texts where they are not there yet."""
    if not (folder / WORDS).is_file():
        WordTable.build(texts, settings.text).save(folder)
    return WordTable.load(folder)


def paper_settings(recipe: Recipe) -> PaperSettings:
    """Section [paper] of a recipe. Raises RecipeError where there is none."""
    if recipe.paper is None:
        raise RecipeError(f"recipe {recipe.name!r} has no section [paper]: take --recipe paper or paper-small")
    return recipe.paper
