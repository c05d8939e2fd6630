"""What classifiers and models say of the test pairs, and how good that is, in each part of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from abs_index.labels import ABS, KINDS
from abs_index.model.base import PairModel, PairPredictions
from abs_index.training.classify import classify, labelled_batches
from abs_index.training.evaluation import Evaluation, predict_pairs, score
from abs_index.training.image_vectors import image_vectors
from abs_index.training.labelled import LabelledPair
from abs_index.training.report.runs import ClassifierRun


@dataclass(frozen=True, slots=True)
class Result:
    """Of one classifier: its predictions for all test pairs, and its scores in each part of them, by its name."""

    name: str
    predictions: PairPredictions
    scores: dict[str, Evaluation]


def parts(pairs: Sequence[LabelledPair]) -> dict[str, list[int]]:
    """The rows of the pairs that are scored together. Each draw apart, of which those count on which two passes agree;
    then all pairs. A part that would be empty is left out; without any second label, agreement is not asked for."""
    twice = any(pair.second for pair in pairs)
    named = {
        draw + (", both passes agree" if twice else ""): [
            row for row, pair in enumerate(pairs) if pair.draw == draw and (pair.agreed or not twice)
        ]
        for draw in ("active", "random")
    }
    return {name: rows for name, rows in named.items() if rows} | {"all test pairs": list(range(len(pairs)))}


def score_parts(name: str, predictions: PairPredictions, pairs: Sequence[LabelledPair]) -> Result:
    """The scores of predictions that are in the order of the pairs."""
    scores = {part: score(predictions.take(rows), [pairs[row] for row in rows]) for part, rows in parts(pairs).items()}
    return Result(name, predictions, scores)


def try_classifier(run: ClassifierRun, pairs: Sequence[LabelledPair], images: Path, cache: Path) -> Result:
    """A trained classifier on pairs. `cache` keeps image vectors for the next one with the same image encoder."""
    batches = labelled_batches(pairs, images, run.words, run.settings)
    names = [pair.image for pair in pairs]
    encoder = run.network.encoder.image
    batches.vectors = image_vectors(encoder, names, images, run.settings.image.size, cache, torch.device("cpu"))
    batches.pictures = False
    return score_parts(run.regime, classify(run.network, pairs, batches), pairs)


def try_model(model: PairModel, pairs: Sequence[LabelledPair], images: Path) -> Result:
    """A model, as `build` uses it, on pairs."""
    return score_parts(f"model `{model.info.name}`", predict_pairs(model, pairs, images), pairs)


def try_guess(training: Sequence[LabelledPair], pairs: Sequence[LabelledPair]) -> Result:
    """What always saying the most frequent class of the training pairs would give."""
    most = Counter(pair.abs for pair in training).most_common(1)[0][0]
    probabilities = np.zeros((len(pairs), len(ABS)), np.float32)
    probabilities[:, ABS.index(most)] = 1
    kinds = np.full((len(pairs), len(KINDS)), 1 / len(KINDS), np.float32)
    nothing = np.zeros((len(pairs), 1), np.float32)
    guess = PairPredictions(nothing, probabilities, kinds, np.full(len(pairs), 0.5, np.float32))
    return score_parts(f"always `{most}`", guess, pairs)


def mean_recall(result: Evaluation) -> float:
    """The accuracy that there would be if all classes had the same number of pairs, as in the paper's test set."""
    recalls = [one.recall for one in result.per_class.values() if one.support]
    return sum(recalls) / len(recalls)
