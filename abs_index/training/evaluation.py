"""How good a model is on labelled pairs. Runs wherever a model runs: no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from abs_index.corpus.images import decode_image
from abs_index.errors import LabelsError, RejectedError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import ImageFeatures, PairModel, PairPredictions, Pixels
from abs_index.training.labelled import LabelledPair, figure_words

Advance = Callable[[int, int], None]
"""Told how many of how many images are done."""

_BATCH = 32

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Of one class: `support` is how many pairs truly have it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores on `n` pairs.

    `confusion[i][j]` counts pairs of class i (in the order of `labels.ABS`) that were predicted as class j.
    `calibration_error` is the expected calibration error in 10 bins (Guo et al. 2017). `macro_f1` is over the classes
    that occur. `kind_accuracy` is over the pairs whose kind is given, None where there are none, and `per_kind` has the
    kinds that occur or were predicted. `cmi_correlation` is Spearman's rank correlation of `cmi` with the grades of the
    `cmi_pairs` pairs that have one; None where it is not defined: fewer than two, or all the same.
    """

    n: int
    accuracy: float
    macro_f1: float
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]
    calibration_error: float
    kind_accuracy: float | None
    per_kind: dict[str, ClassScore]
    cmi_correlation: float | None
    cmi_pairs: int


def evaluate(
    model: PairModel,
    pairs: Sequence[LabelledPair],
    images: Path,
    advance: Advance | None = None,
    words: Mapping[str, str] | None = None,
) -> Evaluation:
    """Scores of a model on pairs whose images lie below `images`; `words` are those in the images, by their names.

    Raises LabelsError for an image that is damaged.
    """
    return score(predict_pairs(model, pairs, images, advance, words), pairs)


def predict_pairs(
    model: PairModel,
    pairs: Sequence[LabelledPair],
    images: Path,
    advance: Advance | None = None,
    words: Mapping[str, str] | None = None,
) -> PairPredictions:
    """Predictions in the order of the pairs; each image is read once, however many pairs it is in."""
    names = sorted({pair.image for pair in pairs})
    rows = {name: row for row, name in enumerate(names)}
    return predict_known(model, pairs, encode_files(model, names, images, advance), rows, words)


def predict_known(
    model: PairModel,
    pairs: Sequence[LabelledPair],
    features: ImageFeatures,
    rows: Mapping[str, int],
    words: Mapping[str, str] | None = None,
) -> PairPredictions:
    """Predictions in the order of the pairs, where features are known; `rows` says where in them each image is."""
    # Texts of like length go to the model together, so that few are padded to a long one.
    order = np.argsort([len(pair.text) for pair in pairs], kind="stable")
    answers = [
        model.encode_pairs(
            features.take([rows[pair.image] for pair in some]),
            [pair.text for pair in some],
            [pair.role for pair in some],
            figure_words(some, words),
        )
        for some in _batches([pairs[row] for row in order], 8 * _BATCH)
    ]
    return PairPredictions.join(answers).take(np.argsort(order))


def encode_files(model: PairModel, names: Sequence[str], images: Path, advance: Advance | None = None) -> ImageFeatures:
    """Features of image files below `images`, in their order. Raises LabelsError for an image that is damaged."""
    parts = []
    for pixels in prepare_images(names, images, model.preprocess, model.info.image_size):
        parts.append(model.encode_images(pixels))
        if advance:
            advance(sum(len(part.embedding) for part in parts), len(names))
    return ImageFeatures(
        np.concatenate([part.embedding for part in parts]), np.concatenate([part.context for part in parts])
    )


def prepare_images(
    names: Sequence[str], images: Path, preprocess: Callable[..., Pixels], size: int
) -> Iterator[Pixels]:
    """Batches uint8 (N, size, size, 3) of image files below `images`, decoded by two threads.

    Raises LabelsError with the name of an image that cannot be decoded.
    """

    def prepare(name: str) -> Pixels:
        try:
            return preprocess(decode_image((images / name).read_bytes(), target=size).image)
        except RejectedError as error:
            raise LabelsError(f"{images / name}: {error}") from None
        except OSError as error:
            raise LabelsError(f"{images / name}: cannot be read: {error.strerror}") from None

    with ThreadPoolExecutor(2) as pool:
        for some in _batches(names, _BATCH):
            yield np.stack(list(pool.map(prepare, some)))


def score(predictions: PairPredictions, pairs: Sequence[LabelledPair]) -> Evaluation:
    """Scores of predictions that are in the order of the pairs."""
    truth = np.array([ABS.index(pair.abs) for pair in pairs])
    confusion = _confusion(truth, predictions.abs_prob)
    per_class: dict[str, ClassScore] = {label: _score_class(confusion, number) for number, label in enumerate(ABS)}
    occurring = [one.f1 for one in per_class.values() if one.support]
    kinds = {row: KINDS.index(pair.kind) for row, pair in enumerate(pairs) if pair.kind is not None}
    of_kinds = _confusion(np.array(list(kinds.values()), dtype=int), predictions.kind_prob[list(kinds)])
    grades = {row: pair.cmi for row, pair in enumerate(pairs) if pair.cmi is not None}
    return Evaluation(
        n=len(pairs),
        accuracy=float(confusion.trace() / len(pairs)),
        macro_f1=sum(occurring) / len(occurring),
        per_class=per_class,
        confusion=confusion.tolist(),
        calibration_error=calibration_error(predictions.abs_prob, truth),
        kind_accuracy=float(of_kinds.trace() / len(kinds)) if kinds else None,
        per_kind={
            kind: _score_class(of_kinds, number)
            for number, kind in enumerate(KINDS)
            if of_kinds[number].any() or of_kinds[:, number].any()
        },
        cmi_correlation=rank_correlation(predictions.cmi[list(grades)], np.array(list(grades.values()))),
        cmi_pairs=len(grades),
    )


def calibration_error(probabilities: NDArray[np.float32], truth: NDArray[np.intp], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of confidence, weighted by their size."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = (abs(float((confidence - right)[which == number].sum())) for number in range(bins))
    return sum(gaps) / len(truth)


def rank_correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float | None:
    """Spearman's rank correlation of two series (n,), equal values sharing the mean of their ranks.

    None where it is not defined: fewer than two values, or all of one series the same.
    """
    ranks = [_mean_ranks(values) for values in (one, other)]
    if any(len(values) < 2 or np.ptp(values) == 0 for values in ranks):
        return None
    return float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1])


def _mean_ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    column = pa.array(values)
    first, last = (pc.rank(column, tiebreaker=which).to_numpy().astype(np.float64) for which in ("min", "max"))
    mean: NDArray[np.float64] = (first + last) / 2
    return mean


def _confusion(truth: NDArray[np.int_], probabilities: NDArray[np.float32]) -> NDArray[np.int_]:
    """Counts of true classes (rows) and predicted ones (columns), of N pairs with probabilities (N, classes)."""
    counts = np.zeros((probabilities.shape[1],) * 2, dtype=int)
    np.add.at(counts, (truth, probabilities.argmax(1)), 1)
    return counts


def _score_class(confusion: NDArray[np.int_], number: int) -> ClassScore:
    hits, support, guessed = confusion[number, number], confusion[number].sum(), confusion[:, number].sum()
    precision = float(hits / guessed) if guessed else 0.0
    recall = float(hits / support) if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return ClassScore(precision, recall, f1, int(support))


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
