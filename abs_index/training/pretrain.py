"""Pretraining of the paper's network: an autoencoder of the pairs of a corpus, which need no labels.

What a folder of a pretraining holds:

    recipe.toml             the recipe
    pairs/                  the pairs of the corpus, see `training.corpus_pairs`
    words.safetensors       vocabulary and word vectors
    checkpoint.safetensors  weights, optimizer and random numbers, see `training.checkpoint`
    images.safetensors      image vectors, where the image encoder does not learn
    losses.jsonl, .png      the log of the losses and their curves
    run.json                hardware and time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor

from abs_index.errors import RecipeError
from abs_index.networks.paper.image import image_losses, scale_pixels
from abs_index.networks.paper.network import Autoencoder
from abs_index.networks.paper.text_decoder import text_losses
from abs_index.paper_settings import PaperSettings
from abs_index.recipe import Recipe, format_recipe
from abs_index.training.corpus_pairs import CorpusPair, Documents, prepare_pairs
from abs_index.training.image_vectors import image_vectors, is_frozen
from abs_index.training.pair_batches import PairBatches
from abs_index.training.run_notes import noting
from abs_index.training.steps import Batch, StepProgress, recipe_advice, train_steps
from abs_index.training.training_folder import accelerate, find_device, identify, training_folder
from abs_index.training.word_vectors import WORDS, WordTable

PAIRS = "pairs"

_CHUNK = 15
"""Pairs at once where nothing is learnt: the paper's batch, which fits into any memory that the training fits into."""


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
    """Trains the autoencoder of a recipe on the pairs of the corpora, to the last step, and gives its words.

    Some documents are held out (`held_out` in the recipe), for words and weights alike. The same call again goes on
    where the last one was stopped. Raises RecipeError for a recipe without [paper], CorpusError for corpora
    without pairs, ModelError for a folder of another training or one that cannot be written, UsageError for a device
    that is not there or a folder of other corpora.
    """
    settings = paper_settings(recipe)
    tell, where = progress or PretrainProgress(), find_device(device)
    with training_folder(recipe, folder):
        pairs = prepare_pairs(corpora, settings.image.size, folder / PAIRS, recipe.corpus, tell.documents)
        learnt, held_out = hold_out(pairs, settings.pretraining.held_out)
        texts = [pair.text for pair in learnt]
        table = _find_words(texts, settings, folder)
        if tell.steps.note:
            known = f"{len(table.vocabulary):,} words, {table.coverage:.1%} of all in the texts"
            tell.steps.note(f"{len(learnt):,} pairs, {len(held_out):,} held out; vocabulary: {known}")
        torch.manual_seed(settings.pretraining.seed)
        batches, others = (_batches(some, folder, table, settings) for some in (learnt, held_out))
        task = AutoencoderTask(settings, table, batches)
        accelerate(task.network, where)
        encoder = task.network.encoder.image
        if is_frozen(encoder):
            images = [pair.image for pair in (*learnt, *held_out)]
            vectors = image_vectors(
                encoder, images, folder / PAIRS, settings.image.size, folder, where, tell.steps.note
            )
            batches.vectors, others.vectors = vectors[: len(learnt)], vectors[len(learnt) :]
        identity = identify(format_recipe(recipe), *table.vocabulary.words, *texts)
        check = partial(_check, task, others, where) if held_out else None
        with noting(folder, "", len(learnt), where):
            train_steps(task, settings.pretraining, folder, identity, where, tell.steps, check)
    return table


def hold_out(pairs: Sequence[CorpusPair], share: float) -> tuple[list[CorpusPair], list[CorpusPair]]:
    """The pairs to learn from, and those of the documents that are held out: about `share` of them, by their ids alone.

    Where nothing would be left to learn from, nothing is held out.
    """
    held_out = [pair for pair in pairs if _place(pair.document) < share]
    if len(held_out) == len(pairs):
        return list(pairs), []
    return [pair for pair in pairs if _place(pair.document) >= share], held_out


def _place(document: str) -> float:
    """A number from 0 to 1 that is spread evenly over ids."""
    return int.from_bytes(blake2b(document.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big") / 2**48


def _batches(pairs: Sequence[CorpusPair], folder: Path, table: WordTable, settings: PaperSettings) -> PairBatches:
    texts, images = [pair.text for pair in pairs], [pair.image for pair in pairs]
    return PairBatches(texts, images, folder / PAIRS, table.vocabulary, settings)


@torch.no_grad()
def _check(task: AutoencoderTask, batches: PairBatches, device: torch.device) -> dict[str, float]:
    """Mean losses of pairs that are not learnt from."""
    sums: dict[str, float] = {}
    for start in range(0, len(batches), _CHUNK):
        rows = range(start, min(start + _CHUNK, len(batches)))
        for name, value in task.losses(batches.load(rows).to(device)).items():
            sums[name] = sums.get(name, 0.0) + float(value.sum())
    return {f"held_out_{name}": value / len(batches) for name, value in sums.items()}


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
