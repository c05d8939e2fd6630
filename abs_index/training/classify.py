"""Training of the paper's classifier on labelled pairs, in one of three regimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from abs_index.errors import ModelError, UsageError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import PairPredictions
from abs_index.networks.paper.image import scale_pixels
from abs_index.networks.paper.network import Answers, Classifier
from abs_index.paper_settings import PaperSettings
from abs_index.recipe import Recipe, format_recipe, load_recipe
from abs_index.training.article_vectors import article_vectors
from abs_index.training.checkpoint import CHECKPOINT, load_part
from abs_index.training.evaluation import Evaluation, score
from abs_index.training.image_vectors import image_vectors, is_frozen
from abs_index.training.labelled import LabelledPair, training_pairs
from abs_index.training.pair_batches import Labels, PairBatches
from abs_index.training.pretrain import paper_settings
from abs_index.training.regimes import Regime, apply_regime, needs_pretraining
from abs_index.training.run_notes import noting
from abs_index.training.steps import Batch, StepProgress, recipe_advice, train_steps
from abs_index.training.training_folder import RECIPE, accelerate, file_digest, find_device, identify, training_folder
from abs_index.training.word_vectors import WORDS, WordTable

MOST_CMI = 3
"""The highest grade of `cmi` in labels."""

_CHUNK = 32


class ClassifierTask:
    """Labelled pairs, and the classifier that is to say their labels."""

    advice = recipe_advice("paper.classifier")

    def __init__(self, network: Classifier, batches: PairBatches) -> None:
        self.network = network
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def load(self, rows: Sequence[int]) -> Batch:
        """Pictures, words and labels of some of the pairs."""
        return self._batches.load(rows)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Of each pair (N,): `abs` and `kind`, cross-entropies; `cmi`, cross-entropy with the grade scaled to 0 to 1; 0
        where the label is not known; `loss`, their sum. Only `abs` reaches the encoder, see `Classifier`."""
        if batch.articles is None:
            answers: Answers = self.network(scale_pixels(batch.pixels), batch.words, batch.vectors)
        else:
            answers = self.network.answer(batch.articles)
        labels, kinds, grades = batch.labels.unbind(1)
        found = functional.cross_entropy(answers.abs, labels, reduction="none")
        kind = functional.cross_entropy(answers.kind, kinds, reduction="none", ignore_index=-1)
        shares = grades.clamp_min(0) / MOST_CMI
        cmi = functional.binary_cross_entropy_with_logits(answers.cmi, shares, reduction="none") * (grades >= 0)
        return {"loss": found + kind + cmi, "abs": found, "kind": kind, "cmi": cmi}


def train_classifier(
    recipe: Recipe,
    regime: Regime,
    pairs: Sequence[LabelledPair],
    images: Path,
    folder: Path,
    *,
    pretrained: Path | None = None,
    device: str = "cpu",
    progress: StepProgress | None = None,
) -> Evaluation | None:
    """Trains on the pairs of split `train` and gives the scores on those of `validation`, None where there are none.

    `pretrained` is the folder of a pretraining with the same network; `freeze` and `transfer` start from its encoder,
    `scratch` takes only its words, or makes words of its own from the training texts. Test pairs are never looked at.
    The same call again goes on where the last one was stopped.

    Raises UsageError for a regime without the pretraining that it needs, LabelsError where there is nothing to learn,
    RecipeError for a recipe without [paper], ModelError for a pretraining of another network or a folder of another
    training.
    """
    settings, where = paper_settings(recipe), find_device(device)
    training, validation = training_pairs(pairs), [pair for pair in pairs if pair.split == "validation"]
    if needs_pretraining(regime) and pretrained is None:
        raise UsageError(f"regime {regime!r} needs a pretrained encoder: give --pretrained, or take regime 'scratch'")
    if pretrained is not None:
        _check_pretrained(pretrained, settings)
    with training_folder(recipe, folder):
        table = _find_words(training, settings, folder, pretrained)
        torch.manual_seed(settings.classifier.seed)
        network = Classifier(settings, table.vectors)
        start = ""
        if needs_pretraining(regime) and pretrained is not None:
            load_part(pretrained / CHECKPOINT, network.encoder, "encoder.")
            start = file_digest(pretrained / CHECKPOINT)
        apply_regime(network, regime)
        accelerate(network, where)
        batches, others = (labelled_batches(some, images, table, settings) for some in (training, validation))
        encoder = network.encoder.image
        if is_frozen(encoder):
            names = [pair.image for pair in (*training, *validation)]
            note = progress.note if progress else None
            vectors = image_vectors(encoder, names, images, settings.image.size, folder, where, note)
            batches.vectors, others.vectors = vectors[: len(training)], vectors[len(training) :]
            batches.pictures = others.pictures = False
        if regime == "freeze":
            texts = [pair.text for pair in training]
            batches.articles = article_vectors(network.encoder, batches, texts, folder, where, progress)
        task = ClassifierTask(network, batches)
        lines = [f"{pair.image}\n{_labels(pair)}\n{pair.text}" for pair in training]
        identity = identify(format_recipe(recipe), regime, start, *table.vocabulary.words, *lines)
        with noting(folder, regime, len(training), where):
            train_steps(task, settings.classifier, folder, identity, where, progress)
    return score(classify(network, validation, others), validation) if validation else None


def _check_pretrained(folder: Path, settings: PaperSettings) -> None:
    """Raises ModelError where the folder holds no pretraining, or one of a network with other settings."""
    if not (folder / CHECKPOINT).is_file() or not (folder / RECIPE).is_file():
        raise ModelError(f"{folder}: no pretraining in it that has come to its first checkpoint")
    theirs = load_recipe(folder / RECIPE).paper
    for name in ("embedding_dim", "image", "text"):
        if theirs is None or getattr(theirs, name) != getattr(settings, name):
            raise ModelError(f"{folder}: pretrained with another {name} in [paper]; take its {RECIPE} as recipe")


def _find_words(
    pairs: Sequence[LabelledPair], settings: PaperSettings, folder: Path, pretrained: Path | None
) -> WordTable:
    """The words of the folder; where it has none yet, those of the pretraining, else those of the texts."""
    if not (folder / WORDS).is_file():
        texts = [pair.text for pair in pairs]
        table = WordTable.load(pretrained) if pretrained else WordTable.build(texts, settings.text)
        table.save(folder)
    return WordTable.load(folder)


def labelled_batches(
    pairs: Sequence[LabelledPair], images: Path, table: WordTable, settings: PaperSettings
) -> PairBatches:
    """Labelled pairs to take batches from, whose images lie below `images`."""
    return PairBatches(
        [pair.text for pair in pairs],
        [pair.image for pair in pairs],
        images,
        table.vocabulary,
        settings,
        [_labels(pair) for pair in pairs],
    )


def _labels(pair: LabelledPair) -> Labels:
    kind, cmi = (-1 if pair.kind is None else KINDS.index(pair.kind)), (-1 if pair.cmi is None else pair.cmi)
    return Labels(ABS.index(pair.abs), kind, cmi)


@torch.inference_mode()
def classify(network: Classifier, pairs: Sequence[LabelledPair], batches: PairBatches) -> PairPredictions:
    """What a classifier says of pairs, in their order; `batches` are of the same pairs."""
    network.eval()
    where = next(network.parameters()).device
    parts = []
    for start in range(0, len(pairs), _CHUNK):
        batch = batches.load(range(start, min(start + _CHUNK, len(pairs)))).to(where)
        articles = network.encoder(scale_pixels(batch.pixels), batch.words, batch.vectors)
        said = network.answer(articles)
        answers = (functional.normalize(articles, dim=1), said.abs.softmax(1), said.kind.softmax(1), said.cmi.sigmoid())
        parts.append(PairPredictions(*(answer.cpu().numpy() for answer in answers)))
    return PairPredictions.join(parts)
