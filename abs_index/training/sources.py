"""How good a recipe is on sources that its training has not seen: each book or journal is left out once.

sources.jsonl    a note of each finished training, with what it said of the pairs of the sources that it had not seen
sources.json     the scores
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from abs_index.errors import LabelsError, ModelError, UsageError
from abs_index.labels import ABS
from abs_index.model.base import ImageFeatures, ModelInfo, PairModel, PairPredictions
from abs_index.model.folder import make_inputs
from abs_index.networks.runtime import NetworkModel
from abs_index.recipe import Recipe, format_recipe
from abs_index.training.checkpoint import replace_durably
from abs_index.training.evaluation import Evaluation, predict_known, score
from abs_index.training.labelled import LabelledPair, training_pairs
from abs_index.training.notes import format_note, read_notes
from abs_index.training.run_notes import describe_hardware
from abs_index.training.train import KnownImages, Progress, TrainedNetworks, look_at_images, project, train_networks
from abs_index.training.training_folder import identify, identify_pairs, locked_folder

NOTES, RESULT = "sources.jsonl", "sources.json"

_DIGITS = 6
"""Digits of noted probabilities. Scores are made from what is noted, so that going on changes none."""


@dataclass(frozen=True, slots=True)
class SourceScore:
    """Of one source: `learnt` is how many pairs the training without it learnt from, `seen_accuracy` how much of the
    validation pairs of the sources that it had seen it says right (None where there are none)."""

    source: str
    learnt: int
    score: Evaluation
    seen_accuracy: float | None


@dataclass(frozen=True, slots=True)
class MeanScore:
    """Means over sources, each of which weighs the same; `recall` of a class is over the sources that have it."""

    accuracy: float
    macro_f1: float
    recall: dict[str, float]
    calibration_error: float
    seen_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores with the words in the figures read, or without: of each source, of all their pairs together, and means."""

    figures_read: bool
    sources: tuple[SourceScore, ...]
    together: Evaluation
    mean: MeanScore


@dataclass(frozen=True, slots=True)
class SourcesResult:
    """What `score_sources` found. `differing` counts the pairs that were not scored because their two passes differ;
    `folds` is None where each source was left out alone."""

    recipe: str
    schedule: str
    hardware: str
    recipe_fingerprint: str
    labels_digest: str
    folds: int | None
    differing: int
    scores: tuple[Scores, ...]


@dataclass(frozen=True, slots=True)
class SourcesProgress:
    """Whom to tell: of the images and epochs, and in words of each training."""

    training: Progress = field(default_factory=Progress)
    note: Callable[[str], None] = lambda _: None


def score_sources(
    recipe: Recipe,
    pairs: Sequence[LabelledPair],
    images: Path,
    output: Path,
    *,
    folds: int | None = None,
    only: Sequence[str] = (),
    cache: Path | None = None,
    progress: SourcesProgress | None = None,
) -> SourcesResult:
    """Trains without each source (or each of `folds` groups of sources), scores on it, and writes `output`.

    A training learns from the pairs of split `train` of the other sources and is calibrated on those of split
    `validation`; scored are the pairs of both splits of the sources left out. Test pairs are never looked at. Scored
    pairs whose two passes differ are left out. `only` names the sources to score; left empty, all. What is known of the
    images is kept in `cache`; left out, in `output`. The same call again goes on where the last one was stopped.

    Raises LabelsError where pairs name no source or all the same one, or a training has nothing to learn from,
    UsageError for a source or a number of folds that cannot be, RecipeError for a recipe of the paper's network,
    ModelError where `output` cannot be written, MissingExtraError where packages that the recipe needs are missing.
    """
    tell = progress or SourcesProgress()
    by_source = pairs_by_source(pairs)
    named = _check_names(only, by_source)
    parts = part_sources({source: len(some) for source, some in by_source.items()}, folds)
    wanted = [part for part in parts if any(_scored(by_source, [source]) for source in part if source in named)]
    if not wanted:
        raise LabelsError(f"no pair to score in {', '.join(named)}: the two passes differ on all of them")
    for part in wanted:
        _split(by_source, part)
    with locked_folder(output):
        run = _Run(recipe, by_source, images, output, cache or output / "images", tell)
        noted = run.train_missing(wanted)
        result = _collect(run, noted, [source for source in by_source if source in named], folds)
        _write(output / RESULT, json.dumps(asdict(result), indent=1) + "\n")
    return result


def read_sources(folder: Path) -> SourcesResult:
    """The scores in a folder that `score_sources` wrote. Raises ModelError where there are none."""
    path = folder / RESULT
    try:
        return TypeAdapter(SourcesResult).validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror}; is it the folder of a finished `train sources`?"
        ) from None
    except ValidationError:
        raise ModelError(f"{path}: damaged; run `abs-index train sources` again to make it anew") from None


def pairs_by_source(pairs: Sequence[LabelledPair]) -> dict[str, list[LabelledPair]]:
    """The pairs of split `train` and `validation` of each source, by its name. Raises LabelsError for fewer than two
    sources, or pairs without one."""
    known = [pair for pair in pairs if pair.split != "test"]
    nameless = sum(not pair.corpus for pair in known)
    if nameless:
        raise LabelsError(
            f"{nameless:,} of {len(known):,} pairs do not say which source they are from: give each the key `corpus`, "
            "the name of its book or journal (see docs/labels.md)"
        )
    by_source: dict[str, list[LabelledPair]] = {name: [] for name in sorted({pair.corpus or "" for pair in known})}
    for pair in known:
        by_source[pair.corpus or ""].append(pair)
    if len(by_source) < 2:
        only = f"only {next(iter(by_source))!r} is there" if by_source else "there is none"
        raise LabelsError(
            f"pairs of split 'train' or 'validation' from at least two sources (`corpus`) are needed, and {only}: "
            "label pairs of another book or journal"
        )
    return by_source


def part_sources(sizes: Mapping[str, int], folds: int | None = None) -> list[tuple[str, ...]]:
    """Which sources are left out together: each alone, or `folds` groups of about equal numbers of pairs.

    Raises UsageError for fewer than two folds, or more than there are sources.

    >>> part_sources({"a": 5, "b": 1, "c": 3, "d": 3}, 2)
    [('a', 'b'), ('c', 'd')]
    """
    if folds is None:
        return [(source,) for source in sorted(sizes)]
    if not 2 <= folds <= len(sizes):
        raise UsageError(f"{folds} folds are not possible: from 2 to {len(sizes)}, which is the number of sources")
    groups: list[list[str]] = [[] for _ in range(folds)]
    for source in sorted(sizes, key=lambda one: (-sizes[one], one)):
        min(groups, key=lambda group: sum(sizes[one] for one in group)).append(source)
    return [tuple(sorted(group)) for group in groups]


def _check_names(only: Sequence[str], by_source: Mapping[str, object]) -> list[str]:
    strange = next((name for name in only if name not in by_source), None)
    if strange is not None:
        raise UsageError(f"no source {strange!r} in the labels; there are: {', '.join(by_source)}")
    return [source for source in by_source if not only or source in only]


_BySource = Mapping[str, Sequence[LabelledPair]]


def _scored(by_source: _BySource, sources: Sequence[str]) -> list[LabelledPair]:
    return [pair for source in sources for pair in by_source[source] if not pair.contested]


def _split(by_source: _BySource, left_out: Sequence[str]) -> tuple[list[LabelledPair], list[LabelledPair]]:
    """Pairs to learn from and pairs to calibrate on. Raises LabelsError where there is nothing to learn."""
    others = [pair for source, some in by_source.items() if source not in left_out for pair in some]
    try:
        return training_pairs(others), [pair for pair in others if pair.split == "validation"]
    except LabelsError as error:
        raise LabelsError(f"without {', '.join(left_out)}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Answers:
    """What one training said of the scored pairs of its sources, in their order, and how good it was on the validation
    pairs of the others; with the words in the figures read, or without."""

    figures_read: bool
    abs: list[list[float]]
    kind: list[list[float]]
    cmi: list[float]
    seen_accuracy: float | None

    @classmethod
    def of(cls, figures_read: bool, said: PairPredictions, seen_accuracy: float | None) -> _Answers:
        """Predictions as they are noted."""
        columns = (said.abs_prob, said.kind_prob, said.cmi)
        labels, kinds, cmi = (one.astype(np.float64).round(_DIGITS).tolist() for one in columns)
        return cls(figures_read, labels, kinds, cmi, seen_accuracy)

    def predictions(self) -> PairPredictions:
        """The same as arrays, without embeddings."""
        said = (np.array(one, dtype=np.float32) for one in (self.abs, self.kind, self.cmi))
        return PairPredictions(np.zeros((len(self.cmi), 1), np.float32), *said)


@dataclass(frozen=True, slots=True)
class _Note:
    """One finished training, as a line of sources.jsonl says it."""

    recipe: str
    labels: str
    sources: tuple[str, ...]
    learnt: int
    hardware: str
    answers: tuple[_Answers, ...]


class _Run:
    """The trainings with one recipe on the same labels, and their notes."""

    def __init__(
        self, recipe: Recipe, by_source: _BySource, images: Path, output: Path, cache: Path, tell: SourcesProgress
    ) -> None:
        self.recipe, self.by_source = recipe, by_source
        self._images, self._output, self._cache, self._tell = images, output, cache, tell
        pairs = [pair for some in by_source.values() for pair in some]
        self._names = sorted({pair.image for pair in pairs})
        self.fingerprint = identify(format_recipe(recipe))
        self.labels = identify_pairs(pairs, images)

    def train_missing(self, parts: Sequence[tuple[str, ...]]) -> list[_Note]:
        """The notes of all parts, those first made that are not there. Raises ModelError where none can be written."""
        path = self._output / NOTES
        noted = read_notes(path)
        known: KnownImages | None = None
        for number, part in enumerate(parts, start=1):
            key = identify(self.fingerprint, self.labels, *part)
            if key in noted:
                continue
            known = known or look_at_images(self.recipe, self._names, self._images, self._cache, self._tell.training)
            folder = self._output / f"training-{key}"
            note = self._train(part, f"{number} of {len(parts)}", known, folder)
            noted[key] = asdict(note)
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(format_note(key, noted[key]))
            except OSError as error:
                raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
            shutil.rmtree(folder, ignore_errors=True)
        reader = TypeAdapter(_Note)
        return [reader.validate_python(noted[identify(self.fingerprint, self.labels, *part)]) for part in parts]

    def _train(self, part: tuple[str, ...], which: str, known: KnownImages, folder: Path) -> _Note:
        training, validation = _split(self.by_source, part)
        self._tell.note(f"training {which}: without {', '.join(part)}, {len(training):,} pairs to learn from")
        folder.mkdir(exist_ok=True)
        made = train_networks(self.recipe, training, validation, known, folder, self._tell.training.epochs)
        model, features = _in_memory(self.recipe, made, known)
        unseen = _scored(self.by_source, part)
        seen = [pair for pair in validation if not pair.contested]
        answers = []
        for words in [None] if known.words is None else [known.words, None]:
            said = predict_known(model, unseen, features, known.rows, words)
            told = predict_known(model, seen, features, known.rows, words) if seen else None
            accuracy = score(told, seen).accuracy if told else None
            answers.append(_Answers.of(words is not None, said, accuracy))
        hardware = describe_hardware(torch.device("cpu"))
        return _Note(self.fingerprint, self.labels, part, len(training), hardware, tuple(answers))


def _in_memory(recipe: Recipe, made: TrainedNetworks, known: KnownImages) -> tuple[PairModel, ImageFeatures]:
    """The networks as a model, without the folder whose making takes long, and what it knows of the images."""
    info = ModelInfo(recipe.name, "", recipe.image_size, recipe.image_dim, recipe.pair_dim)
    model = NetworkModel(recipe, info, make_inputs(recipe, made.words), (made.image, made.pair), "cpu")
    return model, ImageFeatures(*(one.numpy() for one in project(made.image, known.features)))


def _collect(run: _Run, notes: Sequence[_Note], sources: Sequence[str], folds: int | None) -> SourcesResult:
    readings = [answers.figures_read for answers in notes[0].answers]
    return SourcesResult(
        recipe=run.recipe.name,
        schedule=_schedule(run.recipe),
        hardware="; ".join(sorted({note.hardware for note in notes})),
        recipe_fingerprint=run.fingerprint,
        labels_digest=run.labels,
        folds=folds,
        differing=sum(pair.contested for source in sources for pair in run.by_source[source]),
        scores=tuple(_score(run.by_source, notes, sources, number) for number in range(len(readings))),
    )


def _score(by_source: _BySource, notes: Sequence[_Note], sources: Sequence[str], reading: int) -> Scores:
    found: dict[str, tuple[_Note, list[LabelledPair], PairPredictions]] = {}
    for note in notes:
        said = note.answers[reading].predictions()
        start = 0
        for source in note.sources:
            pairs = _scored(by_source, [source])
            if pairs and source in sources:
                found[source] = (note, pairs, said.take(range(start, start + len(pairs))))
            start += len(pairs)
    scores = tuple(
        SourceScore(source, note.learnt, score(said, pairs), note.answers[reading].seen_accuracy)
        for source, (note, pairs, said) in sorted(found.items())
    )
    together = score(
        PairPredictions.join([said for _, _, said in found.values()]),
        [pair for _, pairs, _ in found.values() for pair in pairs],
    )
    return Scores(notes[0].answers[reading].figures_read, scores, together, _mean(scores))


def _mean(scores: Sequence[SourceScore]) -> MeanScore:
    recalls = {
        label: [one.score.per_class[label].recall for one in scores if one.score.per_class[label].support]
        for label in ABS
    }
    seen = [one.seen_accuracy for one in scores if one.seen_accuracy is not None]
    return MeanScore(
        accuracy=_average([one.score.accuracy for one in scores]),
        macro_f1=_average([one.score.macro_f1 for one in scores]),
        recall={label: _average(values) for label, values in recalls.items() if values},
        calibration_error=_average([one.score.calibration_error for one in scores]),
        seen_accuracy=_average(seen) if seen else None,
    )


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _schedule(recipe: Recipe) -> str:
    said, members = (recipe.reader, recipe.reader.members) if recipe.reader else (recipe.training, recipe.pair.members)
    each = f" for each of {members} networks" if members > 1 else ""
    return f"{said.epochs} epochs in batches of {said.batch_size}{each}"


def _write(path: Path, content: str) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(content, encoding="utf-8")
        replace_durably(part, path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
