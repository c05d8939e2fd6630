"""The paper's classifier on labelled pairs, in its three regimes, and the commands that lead there."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import AbsIndexError, LabelsError, ModelError, RecipeError, UsageError
from abs_index.labels import ABS
from abs_index.networks.paper.text_encoder import TextEncoder
from abs_index.recipe import Recipe, format_recipe, load_recipe
from abs_index.training.checkpoint import CHECKPOINT, read_checkpoint
from abs_index.training.classify import train_classifier
from abs_index.training.labelled import LabelledPair
from abs_index.training.loss_log import read_log
from abs_index.training.pretrain import pretrain
from abs_index.training.regimes import REGIMES, Regime
from abs_index.training.run_notes import read_notes
from abs_index.training.steps import StepProgress
from abs_index.training.train import train_model
from tests.fakes import write_corpus
from tests.networks.paper_settings import TINY

LONGER = TINY.classifier.model_copy(update={"steps": 40, "dropout": 0.0, "batch_size": 6, "learning_rate": 2e-3})
# With the rate of the other tests, the pretrained encoder would say the same of all pairs.
SLOWER = TINY.pretraining.model_copy(update={"learning_rate": 2e-3})
RECIPE = Recipe(name="tiny", paper=TINY.model_copy(update={"pretraining": SLOWER, "classifier": LONGER}))
TEXTS = ("The wheel turns because of the water.", "A garden. A cat.", "Figure shows a red circle.")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(9):
        Image.new("RGB", (60, 50), ("navy", "white", "olive")[number % 3]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def pairs() -> list[LabelledPair]:
    """Two of three pairs of each class for training, one for validation; a test pair whose image must not be read."""
    made = [
        LabelledPair(
            text=TEXTS[number % 3],
            image=f"{number}.png",
            abs=ABS[number % 3],
            kind="photo",
            cmi=3,
            split="validation" if number >= 6 else "train",
        )
        for number in range(9)
    ]
    return [*made, LabelledPair(text="x", image="none.png", abs="equal", split="test")]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    pretrain(RECIPE, [write_corpus(folder / "corpus", documents=2, figures=2, mentions=1)], folder / "made")
    return folder / "made"


@pytest.mark.parametrize("regime", REGIMES)
def test_each_regime_trains_what_it_says(
    regime: Regime, pairs: list[LabelledPair], images: Path, pretrained: Path, tmp_path: Path
) -> None:
    # An encoder that starts by chance moves under the layers of `kind` and `cmi` at first: they need some steps more.
    assert RECIPE.paper
    paper = RECIPE.paper.model_copy(update={"classifier": LONGER.model_copy(update={"steps": 80})})
    recipe = RECIPE.model_copy(update={"paper": paper})
    result = train_classifier(recipe, regime, pairs, images, tmp_path, pretrained=pretrained)
    rows = read_log(tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert result
    assert result.n == 3
    assert result.kind_accuracy is not None
    after, state = read_checkpoint(tmp_path / CHECKPOINT)
    assert state["step"] == 80
    before, _ = read_checkpoint(pretrained / CHECKPOINT)
    kept = [name for name in before if name.startswith("network.encoder.") and before[name].equal(after[name])]
    encoder = [name for name in before if name.startswith("network.encoder.")]
    assert (kept == encoder) == (regime == "freeze")
    assert "network.encoder.text.vectors" in kept
    assert rows[-1]["kind"] < rows[0]["kind"]
    assert rows[-1]["cmi"] < rows[0]["cmi"]
    assert read_notes(tmp_path).regime == regime
    assert read_notes(tmp_path).pairs == 6
    if regime != "freeze":
        assert result.accuracy == 1


def test_labels_without_kind_and_cmi_teach_no_kind_and_cmi(
    pairs: list[LabelledPair], images: Path, tmp_path: Path
) -> None:
    bare = [pair.model_copy(update={"kind": None, "cmi": None}) for pair in pairs if pair.split == "train"]
    train_classifier(RECIPE, "scratch", bare, images, tmp_path)
    assert {(row["kind"], row["cmi"]) for row in read_log(tmp_path)} == {(0, 0)}


def test_no_step_of_regime_freeze_runs_the_encoder(
    pairs: list[LabelledPair], images: Path, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    forward = TextEncoder.forward

    def counting(self: TextEncoder, words: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        read.append(len(words))
        return forward(self, words, image)

    monkeypatch.setattr(TextEncoder, "forward", counting)
    training = [pair for pair in pairs if pair.split == "train"]
    train_classifier(RECIPE, "freeze", training, images, tmp_path, pretrained=pretrained)
    assert read == [6]  # each training pair once, for 40 steps
    monkeypatch.setattr("abs_index.training.classify.article_vectors", lambda *_: None)
    train_classifier(RECIPE, "freeze", training, images, tmp_path / "each", pretrained=pretrained)
    for kept, made in zip(read_log(tmp_path), read_log(tmp_path / "each"), strict=True):
        assert kept["loss"] == pytest.approx(made["loss"], rel=1e-4)


def test_a_scratch_classifier_needs_no_pretraining(pairs: list[LabelledPair], images: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    progress = StepProgress(step=lambda done, _: seen.append(done))
    training = [pair for pair in pairs if pair.split == "train"]
    for expected in (40, 40):  # the second call has nothing left to do
        assert train_classifier(RECIPE, "scratch", training, images, tmp_path, progress=progress) is None
        assert len(seen) == expected


def test_what_is_refused(pairs: list[LabelledPair], images: Path, pretrained: Path, tmp_path: Path) -> None:
    paper = RECIPE.paper
    assert paper
    wider = RECIPE.model_copy(update={"paper": paper.model_copy(update={"embedding_dim": 25})})
    one_class = [pair for pair in pairs if pair.abs == "equal"]
    missing = [pair.model_copy(update={"image": "none.png"}) for pair in pairs]
    new = tmp_path / "new"
    cases: list[tuple[Recipe, Regime, list[LabelledPair], Path | None, type[AbsIndexError], str]] = [
        (RECIPE, "freeze", pairs, None, UsageError, "needs a pretrained encoder: give --pretrained"),
        (RECIPE, "transfer", pairs, images, ModelError, "no pretraining in it that has come to its first checkpoint"),
        (
            wider,
            "transfer",
            pairs,
            pretrained,
            ModelError,
            "pretrained with another embedding_dim in .paper.; take its",
        ),
        (RECIPE, "scratch", one_class, None, LabelsError, "at least two different labels"),
        (RECIPE, "scratch", missing, None, LabelsError, "none.png: cannot be read"),
        (load_recipe("default"), "scratch", pairs, None, RecipeError, r"has no section \[paper\]"),
    ]
    for recipe, regime, some, before, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            train_classifier(recipe, regime, some, images, new, pretrained=before)
        assert "\n" not in str(caught.value)


def test_the_other_training_refuses_the_recipes_of_the_paper(
    pairs: list[LabelledPair], images: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="'tiny': the paper's network is trained by `abs-index train pretrain`"):
        train_model(RECIPE, pairs, images, tmp_path)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_commands_from_a_corpus_to_a_classifier(pairs: list[LabelledPair], images: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=2, figures=1, mentions=1)
    recipe, labels = tmp_path / "tiny.toml", tmp_path / "labels.jsonl"
    recipe.write_text(format_recipe(RECIPE), encoding="utf-8")
    labels.write_text("".join(pair.model_dump_json() + "\n" for pair in pairs[:-1]), encoding="utf-8")
    made = run("train", "pretrain", "--recipe", recipe, "--corpus", corpus, "--output", tmp_path / "made")
    assert made.exit_code == 0, made.output
    assert "4 pairs, 0 held out; vocabulary:" in made.stderr
    arguments = ("--labels", labels, "--images", images, "--recipe", recipe, "--device", "cpu")
    result = run(
        "train",
        "classifier",
        *("--regime", "transfer", "--pretrained", tmp_path / "made", "--output", tmp_path / "out", "--json"),
        *arguments,
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n"] == 3
    again = run("train", "classifier", "--regime", "scratch", "--output", tmp_path / "out", *arguments)
    assert "of a training with another recipe" in str(again.exception)


def test_what_a_wrong_command_line_is_told(tmp_path: Path) -> None:
    assert "give --labels and --output, or a command" in str(run("train").exception)
    misplaced = run("train", "--labels", "x", "pretrain", "--corpus", "x", "--output", "y")
    assert "options of `train pretrain` stand behind its name" in str(misplaced.exception)
    built = run("build", tmp_path, "--index", tmp_path / "index", "--recipe", "paper")
    assert str(built.exception) == "no model 'paper'; there are: default, fast, or give the folder of one"


def test_an_interrupted_training_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("abs_index.training.pretrain.train_steps", stop)
    corpus, recipe = write_corpus(tmp_path / "corpus", documents=1, figures=1, mentions=1), tmp_path / "tiny.toml"
    recipe.write_text(format_recipe(RECIPE), encoding="utf-8")
    result = run("train", "pretrain", "--recipe", recipe, "--corpus", corpus, "--output", tmp_path / "made", "--quiet")
    assert (result.exit_code, result.stdout) == (130, "")
    assert "interrupted; run the same command again" in result.stderr
