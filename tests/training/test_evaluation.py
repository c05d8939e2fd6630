"""Scores, compared with numbers worked out by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abs_index.errors import LabelsError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import FigureWords, PairPredictions
from abs_index.training.evaluation import calibration_error, evaluate, predict_pairs, rank_correlation, score
from abs_index.training.labelled import LabelledPair
from tests.fakes import FakeModel


def say(guesses: list[int], kinds: list[int], sure: float = 1.0) -> PairPredictions:
    abs_prob = np.full((len(guesses), 3), (1 - sure) / 2, dtype=np.float32)
    abs_prob[np.arange(len(guesses)), guesses] = sure
    shared = np.linspace(0, 1, len(guesses), dtype=np.float32)
    return PairPredictions(
        np.zeros((len(guesses), 2), np.float32), abs_prob, np.eye(11, dtype=np.float32)[kinds], shared
    )


def pair(label: int, kind: int | None = None, image: str = "x", cmi: int | None = None) -> LabelledPair:
    named = None if kind is None else KINDS[kind]
    return LabelledPair(text="t", image=image, abs=ABS[label], kind=named, cmi=cmi)


def test_scores_worked_out_by_hand() -> None:
    pairs = [pair(0, 1), pair(0, 1), pair(1), pair(2, 3), pair(2, 3)]
    result = score(say([0, 1, 1, 2, 0], [1, 2, 0, 3, 3]), pairs)
    assert result.n == 5
    assert result.accuracy == pytest.approx(3 / 5)
    assert result.confusion == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    first = result.per_class["image_more_abstract"]
    assert (first.precision, first.recall, first.support) == (0.5, 0.5, 2)
    assert result.per_class["text_more_abstract"].f1 == pytest.approx(2 / 3)
    assert result.macro_f1 == pytest.approx((0.5 + 2 / 3 + 2 / 3) / 3)
    assert result.kind_accuracy == pytest.approx(3 / 4)


def test_a_class_that_does_not_occur_does_not_count_in_macro_f1() -> None:
    result = score(say([0, 0], [0, 0]), [pair(0), pair(0)])
    assert result.macro_f1 == 1
    assert result.per_class["equal"].support == 0
    assert result.kind_accuracy is None


def test_kinds_are_scored_where_they_are_known() -> None:
    result = score(say([0] * 5, [1, 2, 0, 3, 3]), [pair(0, 1), pair(0, 1), pair(0), pair(0, 3), pair(0, 3)])
    assert list(result.per_kind) == [KINDS[1], KINDS[2], KINDS[3]]
    scores = {kind: (one.precision, one.recall, one.support) for kind, one in result.per_kind.items()}
    assert scores == {KINDS[1]: (1, 0.5, 2), KINDS[2]: (0, 0, 0), KINDS[3]: (1, 1, 2)}
    assert score(say([0], [0]), [pair(0)]).per_kind == {}


def test_cmi_is_compared_by_rank_with_the_grades_there_are() -> None:
    pairs = [pair(0, cmi=grade) for grade in (0, None, 1, 3, 3)]
    result = score(say([0] * 5, [0] * 5), pairs)  # cmi 0, 0.25, 0.5, 0.75, 1
    assert result.cmi_pairs == 4
    # ranks 1, 2, 3, 4 against 1, 2, 3.5, 3.5
    assert result.cmi_correlation == pytest.approx(4.5 / np.sqrt(5 * 4.5))
    assert score(say([0], [0]), [pair(0)]).cmi_correlation is None


@pytest.mark.parametrize(("one", "other"), [([], []), ([0.5], [1]), ([0.2, 0.4], [3, 3]), ([0.2, 0.2], [0, 3])])
def test_a_rank_correlation_that_is_not_defined_is_none(one: list[float], other: list[float]) -> None:
    assert rank_correlation(np.array(one), np.array(other)) is None


def test_the_rank_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    said, grades = random.random(200).round(1).astype(np.float32), random.integers(0, 4, 200)
    assert rank_correlation(said, grades) == pytest.approx(stats.spearmanr(said, grades).statistic)


def test_calibration_error_is_the_gap_between_saying_and_being_right() -> None:
    probabilities = say([0] * 10, [0] * 10, sure=0.85).abs_prob
    assert calibration_error(probabilities, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.25, abs=1e-6)
    assert calibration_error(say([0], [0]).abs_prob, np.array([0])) == 0


def test_each_image_is_encoded_once_and_rows_keep_their_order(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(random.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    pairs = [pair(0, image=f"{number % 40}.png") for number in range(300)]
    model = FakeModel()
    told: list[tuple[int, int]] = []
    said = predict_pairs(model, pairs, tmp_path, lambda done, total: told.append((done, total)))
    assert model.images_seen == 40
    assert told == [(32, 40), (40, 40)]
    assert np.allclose(said.abs_prob[:40], said.abs_prob[40:80])
    assert np.allclose(said.abs_prob[:20], said.abs_prob[280:], atol=1e-5)
    assert evaluate(model, pairs, tmp_path).n == 300


def test_words_in_the_figures_go_to_their_pairs(tmp_path: Path) -> None:
    class Listener(FakeModel):
        heard: Sequence[FigureWords] = ()

        def encode_pairs(self, features, texts, roles, figures=None):  # type: ignore[no-untyped-def]
            self.heard = figures
            return super().encode_pairs(features, texts, roles, figures)

    for name in "xy":
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
    pairs, model = [pair(0, image="y.png"), pair(0, image="x.png"), pair(1, image="y.png")], Listener()
    evaluate(model, pairs, tmp_path, words={"x.png": "wheel", "y.png": "pump"})
    assert [one.written for one in model.heard] == ["pump", "wheel", "pump"]
    told = pair(0, image="x.png").model_copy(update={"alt": "A wheel.", "caption": "Wheels"})
    evaluate(model, [told], tmp_path)
    assert model.heard == [FigureWords("", "A wheel.", "Wheels")]


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(LabelsError, match=r"x: "):
        evaluate(FakeModel(), [pair(0)], tmp_path)
