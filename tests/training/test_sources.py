"""Scores on sources that a training has not seen: who learns from what, what is noted, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import AbsIndexError, LabelsError, ModelError, RecipeError, UsageError
from abs_index.labels import ABS
from abs_index.networks.runtime import NetworkModel
from abs_index.recipe import (
    ImageSettings,
    KernelSettings,
    PairSettings,
    ReaderSettings,
    Recipe,
    TextSettings,
    TrainingSettings,
    format_recipe,
)
from abs_index.training import sources as module
from abs_index.training import train
from abs_index.training.features import image_features
from abs_index.training.labelled import LabelledPair
from abs_index.training.report.write import ReportSources, write_report
from abs_index.training.sources import SourcesProgress, SourcesResult, part_sources, read_sources, score_sources
from abs_index.training.train import train_networks
from tests.networks.paper_settings import TINY

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

IMAGE = ImageSettings(
    encoder="test_efficientnet", weights="random", size=32, embedding_dim=8, summary_dim=8, grid=2, region_dim=4
)
READER = Recipe(
    name="tiny-reader",
    image=IMAGE,
    reader=ReaderSettings(
        encoder="random",
        width=32,
        layers=3,
        max_pieces=12,
        max_figure_pieces=8,
        hidden_dim=16,
        embedding_dim=4,
        epochs=2,
        batch_size=8,
    ),
)
PAIRS = Recipe(
    name="tiny-pairs",
    image=IMAGE,
    text=TextSettings(vectors="random", min_count=1, word_dim=8, hint_dim=4, max_tokens=16),
    pair=PairSettings(members=2, queries=2, image_queries=2, hidden_dim=16, embedding_dim=4),
    kernel=KernelSettings(share=0.2, supports=20),
    training=TrainingSettings(epochs=2, batch_size=8),
)
SIZES = {"book-a": 9, "book-b": 6, "journal": 12}
"""Training pairs of each source."""


@dataclass
class Spy:
    """What trainings were given, and how often pictures were looked at."""

    learnt: list[list[LabelledPair]] = field(default_factory=list)
    judged: list[list[LabelledPair]] = field(default_factory=list)
    looks: int = 0
    read: int = 0

    def sources(self) -> list[set[str | None]]:
        return [{pair.corpus for pair in pairs} for pairs in self.learnt]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Trainings are as ever, but noted; the words in a figure are its width."""
    seen = Spy()

    def spied_training(recipe: Recipe, training: Any, validation: Any, *others: Any) -> Any:
        seen.learnt.append(list(training))
        seen.judged.append(list(validation))
        return train_networks(recipe, training, validation, *others)

    def spied_look(*arguments: Any) -> Any:
        seen.looks += 1
        return image_features(*arguments)

    class WidthReader:
        name = "widths"

        def __init__(self, *_: object) -> None:
            pass

        def read(self, image: Image.Image) -> str:
            seen.read += 1
            return f"{image.width} wide"

    monkeypatch.setattr(module, "train_networks", spied_training)
    monkeypatch.setattr(train, "image_features", spied_look)
    monkeypatch.setattr(train, "RapidReader", WidthReader)
    return seen


def draw_pairs(images: Path) -> list[LabelledPair]:
    """Of each source training pairs of all labels, three validation pairs and a test pair, each with its picture."""
    pairs = []
    for shade, (source, size) in enumerate(SIZES.items()):
        for number in range(size + 4):
            name = f"{source}-{number}.png"
            Image.new("RGB", (32 + number, 20), (15 * number, 90, 60 * shade)).save(images / name)
            pairs.append(
                LabelledPair(
                    id=name,
                    text=("A pump.", "A garden with a wheel.", "Figure is a red circle.")[number % 3],
                    image=name,
                    abs=ABS[number % 3],
                    kind="photo",
                    cmi=number % 4,
                    split="train" if number < size else "validation" if number < size + 3 else "test",
                    corpus=source,
                )
            )
    return pairs


def test_nothing_of_a_source_is_in_the_training_that_it_is_scored_by(spy: Spy, tmp_path: Path) -> None:
    pairs = draw_pairs(tmp_path)
    result = score_sources(READER, pairs, tmp_path, tmp_path / "out")
    assert spy.sources() == [{"book-b", "journal"}, {"book-a", "journal"}, {"book-a", "book-b"}]
    for learnt, judged in zip(spy.learnt, spy.judged, strict=True):
        assert {pair.split for pair in learnt} == {"train"}
        assert {pair.split for pair in judged} == {"validation"}
        assert {pair.corpus for pair in judged} == {pair.corpus for pair in learnt}
    assert [len(learnt) for learnt in spy.learnt] == [18, 21, 15]
    assert (spy.looks, spy.read) == (1, sum(SIZES.values()) + 3 * len(SIZES)), "once for all, test pairs never"
    assert [scores.figures_read for scores in result.scores] == [True, False]
    for scores in result.scores:
        assert {one.source: (one.score.n, one.learnt) for one in scores.sources} == {
            "book-a": (12, 18),
            "book-b": (9, 21),
            "journal": (15, 15),
        }
        assert scores.together.n == 36
        hits = sum(one.score.accuracy * one.score.n for one in scores.sources)
        assert scores.together.accuracy == pytest.approx(hits / 36)
        assert scores.mean.accuracy == pytest.approx(sum(one.score.accuracy for one in scores.sources) / 3)
        assert all(one.seen_accuracy is not None for one in scores.sources)
    assert result.scores[0].sources != result.scores[1].sources, "words in figures were read in one of both"
    assert read_sources(tmp_path / "out") == result


def test_predictions_are_those_of_the_pairs(tmp_path: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With answers that say a pair's own label, everything is right, whatever order they are predicted in."""
    truth = {pair.text: ABS.index(pair.abs) for pair in draw_pairs(tmp_path)}
    encode = NetworkModel.encode_pairs

    def tell_truth(self: Any, features: Any, texts: Any, *others: Any) -> Any:
        said = encode(self, features, texts, *others)
        said.abs_prob[:] = 0.1
        for row, text in enumerate(texts):
            said.abs_prob[row, truth[text]] = 0.8
        return said

    monkeypatch.setattr(NetworkModel, "encode_pairs", tell_truth)
    (scores,) = score_sources(PAIRS, draw_pairs(tmp_path), tmp_path, tmp_path / "out").scores
    assert not scores.figures_read
    assert {one.score.accuracy for one in scores.sources} == {1.0}
    assert {one.seen_accuracy for one in scores.sources} == {1.0}
    assert (scores.together.macro_f1, scores.mean.recall) == (1.0, dict.fromkeys(ABS, 1.0))


def test_folds_part_the_sources_evenly_and_always_the_same_way() -> None:
    sizes = {f"s{number}": 10 * number for number in range(1, 9)}
    folds = part_sources(sizes, 3)
    assert Counter(source for fold in folds for source in fold) == Counter(list(sizes))
    totals = [sum(sizes[source] for source in fold) for fold in folds]
    assert max(totals) <= 1.2 * min(totals)
    assert part_sources(dict(reversed(sizes.items())), 3) == folds
    assert part_sources(sizes) == [(source,) for source in sizes]


def test_sources_of_a_fold_are_left_out_together_and_scored_apart(spy: Spy, tmp_path: Path) -> None:
    (scores,) = score_sources(PAIRS, draw_pairs(tmp_path), tmp_path, tmp_path / "out", folds=2).scores
    assert spy.sources() == [{"book-a", "book-b"}, {"journal"}]
    assert {one.source: one.learnt for one in scores.sources} == {"book-a": 12, "book-b": 12, "journal": 15}


def test_only_named_sources_are_scored(spy: Spy, tmp_path: Path) -> None:
    pairs, out = draw_pairs(tmp_path), tmp_path / "out"
    (scores,) = score_sources(PAIRS, pairs, tmp_path, out, only=["book-b"]).scores
    assert spy.sources() == [{"book-a", "journal"}]
    assert [one.source for one in scores.sources] == ["book-b"]
    score_sources(PAIRS, pairs, tmp_path, out)
    assert len(spy.learnt) == 3, "what was scored alone counts for all"


def test_pairs_on_which_two_passes_differ_are_learnt_from_but_not_scored(spy: Spy, tmp_path: Path) -> None:
    pairs = draw_pairs(tmp_path)
    pairs[0] = pairs[0].model_copy(update={"second": "equal"})
    pairs[1] = pairs[1].model_copy(update={"second": pairs[1].abs})
    result = score_sources(PAIRS, pairs, tmp_path, tmp_path / "out")
    assert [one.score.n for one in result.scores[0].sources] == [11, 9, 15]
    assert result.differing == 1
    assert pairs[0] in spy.learnt[1]


class StopError(Exception):
    pass


def test_a_stopped_command_goes_on_behind_what_is_finished(spy: Spy, tmp_path: Path) -> None:
    pairs, out = draw_pairs(tmp_path), tmp_path / "out"
    whole = score_sources(READER, pairs, tmp_path, tmp_path / "whole")
    trained = len(spy.learnt)

    def stop(line: str) -> None:
        if line.startswith("training 3 of 3"):
            raise StopError

    with pytest.raises(StopError):
        score_sources(READER, pairs, tmp_path, out, progress=SourcesProgress(note=stop))
    notes = out / "sources.jsonl"
    assert len(notes.read_text().splitlines()) == 2
    notes.write_text(notes.read_text()[:-20])  # as if the power had failed in the line
    reads = spy.read
    result = score_sources(READER, pairs, tmp_path, out)
    assert spy.sources()[trained + 2 :] == [{"book-a", "journal"}, {"book-a", "book-b"}]
    assert spy.read == reads, "words in figures are read once"
    assert [one.score.n for one in result.scores[0].sources] == [one.score.n for one in whole.scores[0].sources]
    assert score_sources(READER, pairs, tmp_path, out) == result
    assert len(spy.learnt) == trained + 4, "nothing is trained again"
    assert not list(out.glob("training-*"))


def test_notes_of_another_recipe_or_other_labels_are_not_taken(spy: Spy, tmp_path: Path) -> None:
    pairs, out = draw_pairs(tmp_path), tmp_path / "out"
    score_sources(PAIRS, pairs, tmp_path, out, only=["book-a"])
    slower = PAIRS.model_copy(update={"training": TrainingSettings(epochs=1, batch_size=8)})
    score_sources(slower, pairs, tmp_path, out, only=["book-a"])
    relabelled = [pairs[0].model_copy(update={"abs": "equal"}), *pairs[1:]]
    score_sources(PAIRS, relabelled, tmp_path, out, only=["book-a"])
    assert len(spy.learnt) == 3
    score_sources(PAIRS, [pair for pair in pairs if pair.split != "test"], tmp_path, out, only=["book-a"])
    assert len(spy.learnt) == 3, "test pairs make no difference"


def test_what_is_refused(spy: Spy, tmp_path: Path) -> None:
    pairs = draw_pairs(tmp_path)
    one_label = [pair for pair in pairs if pair.corpus == "book-a" or pair.abs == "equal"]
    nameless = [pair.model_copy(update={"corpus": None}) if pair.corpus == "journal" else pair for pair in pairs]
    differing = [pair.model_copy(update={"second": "equal"}) for pair in pairs if pair.abs != "equal"]
    paper = Recipe(name="paper", paper=TINY)
    cases: list[tuple[dict[str, Any], type[AbsIndexError], str]] = [
        (
            {"pairs": [pair for pair in pairs if pair.corpus == "journal"]},
            LabelsError,
            "only .journal. is there",
        ),
        ({"pairs": [pair for pair in pairs if pair.split == "test"]}, LabelsError, "and there is none"),
        ({"pairs": nameless}, LabelsError, "15 of 36 pairs do not say .* give each the key `corpus`"),
        ({"pairs": one_label}, LabelsError, "without book-a: training needs .* at least two different labels"),
        ({"pairs": differing}, LabelsError, "no pair to score in book-a, book-b, journal: the two passes differ"),
        ({"only": ["book-c"]}, UsageError, "no source 'book-c' in the labels; there are: book-a, book-b, journal"),
        ({"folds": 4}, UsageError, "4 folds are not possible: from 2 to 3"),
        ({"recipe": paper}, RecipeError, "the paper's network is trained by"),
        ({"output": tmp_path / "journal-0.png"}, ModelError, "cannot be written"),
    ]
    usual = {"recipe": PAIRS, "pairs": pairs, "images": tmp_path, "output": tmp_path / "out"}
    for changed, kind, message in cases:
        with pytest.raises(kind, match=message):
            score_sources(**{**usual, **changed})
    assert spy.learnt == []


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_command_and_table_of_the_report(spy: Spy, tmp_path: Path) -> None:
    pairs = draw_pairs(tmp_path)
    (tmp_path / "labels.jsonl").write_text("".join(pair.model_dump_json() + "\n" for pair in pairs), encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(format_recipe(READER), encoding="utf-8")
    command = ["train", "sources", "--labels", tmp_path / "labels.jsonl", "--recipe", tmp_path / "tiny.toml"]
    made = run(*command, "--output", tmp_path / "out", "--cache", tmp_path / "cache")
    assert made.exit_code == 0, made.output
    assert "training 2 of 3: without book-b, 21 pairs to learn from" in made.stderr
    first, *lines = made.stdout.splitlines()
    assert first == "words in the figures read:"
    columns = "source pairs accuracy macro F1 recall image > recall text > recall equal calibration error"
    assert lines[0].split() == columns.split()
    assert [line.split()[0] for line in lines[1:6]] == ["book-a", "book-b", "journal", "all", "mean"]
    assert lines[1].split()[1] == "12"
    again = run(*command, "--output", tmp_path / "out", "--json", "--quiet")
    assert len(spy.learnt) == 3
    assert json.loads(again.stdout) == json.loads((tmp_path / "out" / "sources.json").read_text())
    assert [path.name.partition("-")[0] for path in (tmp_path / "cache").iterdir()].count("features") == 1

    report = run("report", "--output", tmp_path / "r", "--sources", tmp_path / "out", "--annotator", "two students")
    assert report.exit_code == 0, report.output
    page = (tmp_path / "r" / "README.md").read_text(encoding="utf-8")
    section = page.partition("## Sources that the training had not seen")[2]
    assert "Recipe `tiny-reader` (2 epochs in batches of 8 for each of 2 networks, " in section
    assert "Labels: two students." in section
    assert section.count("| book-a | 12 | ") == section.count("| **all pairs together** | 36 | ") == 2
    assert section.count("| **mean over sources** | – | ") == 2
    shown = run("train", "sources", "--help")
    assert "abs-index train sources --labels labels.jsonl" in shown.output


def test_folders_without_scores_are_refused_by_the_report(tmp_path: Path) -> None:
    for content, message in ((None, "is it the folder of a finished `train sources`"), ("{}", "damaged")):
        if content:
            (tmp_path / "sources.json").write_text(content)
        with pytest.raises(ModelError, match=message):
            write_report(ReportSources(unseen=[tmp_path]), tmp_path / "report")


def test_classes_that_a_source_lacks_are_not_in_the_mean(spy: Spy, tmp_path: Path) -> None:
    pairs = [pair for pair in draw_pairs(tmp_path) if pair.corpus != "book-a" or pair.abs != "equal"]
    result: SourcesResult = score_sources(PAIRS, pairs, tmp_path, tmp_path / "out", only=["book-a"])
    mean = result.scores[0].mean
    assert set(mean.recall) == {"image_more_abstract", "text_more_abstract"}
