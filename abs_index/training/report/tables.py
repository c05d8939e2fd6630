"""The paper's tables from our data, with the published values in the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from abs_index.corpus.stats import SourceStats
from abs_index.labels import ABS, ROLES
from abs_index.training.evaluation import Evaluation
from abs_index.training.labelled import LabelledPair
from abs_index.training.regimes import REGIMES
from abs_index.training.report import published
from abs_index.training.report.markdown import Cell, percent, plain, table
from abs_index.training.report.published import NOT_AT_HAND
from abs_index.training.report.results import Result, mean_recall


def corpus_table(counts: Sequence[SourceStats]) -> str:
    """Table 2: documents, figures and pairs of each source, in all, and in the paper."""
    rows: list[Sequence[Cell]] = [(plain(one.source), *_corpus_numbers([one])) for one in counts]
    paper: Sequence[Cell] = ("paper", published.ARTICLES, *[NOT_AT_HAND] * (1 + len(ROLES)), published.PAIRS)
    headings = ("source", "documents", "figures", *(f"{role}s" for role in ROLES), "pairs")
    return table(headings, [*rows, ("**all**", *_corpus_numbers(counts)), paper])


def _corpus_numbers(counts: Sequence[SourceStats]) -> tuple[int, ...]:
    roles = [sum(one.pairs[role] for one in counts) for role in ROLES]
    return sum(one.documents for one in counts), sum(one.figures for one in counts), *roles, sum(roles)


def labels_table(pairs: Sequence[LabelledPair]) -> str:
    """Table 3: pairs of each class in each split and draw, how many have a second label, and how many agree with it."""
    groups: dict[tuple[str, str], list[LabelledPair]] = {}
    for split in ("train", "validation", "test"):
        for draw in ("active", "random", None):
            some = [pair for pair in pairs if (pair.split, pair.draw) == (split, draw)]
            if some:
                groups[split, draw or ""] = some
    rows: list[Sequence[Cell]] = [
        (f"{split} {draw}".strip(), *_label_numbers(some)) for (split, draw), some in groups.items()
    ]
    of_a_class = published.TEST_PAIRS_OF_A_CLASS
    test: Sequence[Cell] = ("paper, test", *[of_a_class] * len(ABS), of_a_class * len(ABS), NOT_AT_HAND, NOT_AT_HAND)
    others = ("paper, train", *[NOT_AT_HAND] * (len(ABS) + 3))
    headings = ("split, draw", *(f"`{label}`" for label in ABS), "pairs", "labelled twice", "of these agree")
    return table(headings, [*rows, ("**all**", *_label_numbers(pairs)), others, test])


def _label_numbers(pairs: Sequence[LabelledPair]) -> list[Cell]:
    counts = Counter(pair.abs for pair in pairs)
    twice = [pair for pair in pairs if pair.second]
    agree = percent(sum(pair.agreed for pair in twice) / len(twice)) if twice else "–"
    return [*(counts[label] for label in ABS), len(pairs), len(twice), agree]


def confusion_table(result: Evaluation) -> str:
    """Table 4: rows are what is true, columns what was said; then precision, recall and F1 of each class."""
    rows: list[Sequence[Cell]] = [
        (f"`{label}`", *counts, one.precision, one.recall, one.f1)
        for label, counts, one in zip(ABS, result.confusion, result.per_class.values(), strict=True)
    ]
    paper = ("paper", *[NOT_AT_HAND] * (len(ABS) + 3))
    headings = ("true class", *(f"said `{label}`" for label in ABS), "precision", "recall", "F1")
    return table(headings, [*rows, paper])


def regimes_table(results: Sequence[Result]) -> str:
    """Table 5: accuracy of each regime as published, and accuracy and mean recall of ours in each part of the test
    pairs; then whatever else was tried on the same pairs."""
    names = list(results[0].scores)
    columns = [f"{measure}, {part} ({results[0].scores[part].n:,})" for part in names for measure in _MEASURES]
    ours = {result.name: _regime_numbers(result, names) for result in results}
    nothing = ("–",) * len(columns)
    rows = [(f"CL\\_{regime}", percent(published.ACCURACY[regime]), *ours.get(regime, nothing)) for regime in REGIMES]
    others = [(name, "–", *numbers) for name, numbers in ours.items() if name not in REGIMES]
    return table(("classifier", "paper: accuracy", *columns), [*rows, *others])


_MEASURES = ("accuracy", "mean recall")


def _regime_numbers(result: Result, names: Sequence[str]) -> tuple[str, ...]:
    scores = [result.scores[name] for name in names]
    return tuple(percent(value) for one in scores for value in (one.accuracy, mean_recall(one)))
