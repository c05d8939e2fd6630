"""A model folder and one's own labels to a new model folder, also with interruptions and too little memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import AbsIndexError, ModelError, UsageError
from abs_index.labels import ABS
from abs_index.model.folder import make_inputs, open_folder
from abs_index.model.word_pieces import START
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.pair import PairNetwork, PairOutput
from abs_index.networks.reader import ReaderNetwork
from abs_index.paper_settings import ScheduleSettings
from abs_index.recipe import ReaderSettings, Recipe, TrainingSettings
from abs_index.training import choose, finetune, finetune_task
from abs_index.training.finetune import FineTuneProgress, FineTuning, fine_tune
from abs_index.training.finetune_task import FineTuneTask, fix_parts, raw_answers
from abs_index.training.fit import PairData, pair_loss
from abs_index.training.labelled import LabelledPair
from abs_index.training.loss_log import Row, read_log
from abs_index.training.steps import StepProgress, train_steps
from abs_index.training.words import build_words
from tests.training.test_train import RECIPE, TEXTS, draw_pairs

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SETTINGS = FineTuning(epochs=6, learning_rate=0.01, batch_size=8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def pairs(images: Path) -> list[LabelledPair]:
    """Train and validation pairs, and a test pair whose image must not be read."""
    return [*draw_pairs(images), LabelledPair(text="x", image="none.png", abs="equal", split="test")]


def make_network() -> tuple[PairNetwork, list[str]]:
    torch.manual_seed(3)
    words, vectors = build_words(TEXTS.values(), RECIPE.text)
    return PairNetwork(RECIPE, tuple(words), vectors), words


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows nothing yet, with a card."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    network, words = make_network()
    export_model(RECIPE, ImageNetwork(RECIPE.image), network, words, folder)
    (folder / "README.md").write_text("# Model `tiny`\n\nKnows nothing.\n")
    return folder


@pytest.fixture
def copied(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export takes most of the time of a test: the old model is written instead."""
    monkeypatch.setattr(finetune, "export_model", lambda *given: shutil.copytree(base, given[-1]))


def make_data(pairs: list[LabelledPair]) -> PairData:
    some = [pair for pair in pairs if pair.split == "train"]
    rows = {pair.image: row for row, pair in enumerate(some)}
    contexts = torch.randn(len(rows), 34, generator=torch.Generator().manual_seed(1))
    return PairData.make(some, contexts, rows, make_inputs(RECIPE, make_network()[1]), RECIPE)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["train", "classifier", *[str(word) for word in words]])


def test_command_makes_a_model_that_knows_the_labels_from_one_that_does_not(
    pairs: list[LabelledPair], images: Path, base: Path, tmp_path: Path
) -> None:
    labels, output = tmp_path / "my.jsonl", tmp_path / "mine"
    labels.write_text("".join(pair.model_dump_json() + "\n" for pair in pairs[:-1]), encoding="utf-8")
    options = ("--images", images, "--output", output, "--model", base, "--device", "cpu", "--json")
    result = run("--labels", labels, *options, "--epochs", 6, "--learning-rate", 0.01, "--batch-size", 8)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["before"]["n"] == said["after"]["n"] == 6
    assert said["after"]["accuracy"] == 1 > said["before"]["accuracy"]
    assert "42 pairs to learn from, 6 of split validation" in result.stderr
    old, new = open_folder(base), open_folder(output)
    assert (new.info.name, new.words) == ("mine", old.words)
    assert new.recipe.kernel.share == said["share"]
    assert new.info.fingerprint != old.info.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "my.jsonl"]
    card = (output / "README.md").read_text()
    for part in (f"`tiny`, fingerprint `{old.info.fingerprint}`", "- steps: 36", "without a folder | 14 | 14 | 14 |"):
        assert part in card
    assert card.endswith("### Model `tiny`\n\nKnows nothing.\n")
    assert "is there already; give another --output" in str(run("--labels", labels, *options).exception)


def test_a_training_that_was_stopped_goes_on(
    pairs: list[LabelledPair], images: Path, base: Path, tmp_path: Path, copied: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First while it learns, then while it writes."""
    output, done, seen = tmp_path / "mine", list[int](), list[int]()

    def stop(step: int, _: int) -> None:
        done.append(step)
        if step == 20 and done.count(20) == 1:
            raise KeyboardInterrupt

    progress = FineTuneProgress(lambda count, _: seen.append(count), StepProgress(step=stop))
    with pytest.raises(KeyboardInterrupt):
        fine_tune(base, pairs, images, output, SETTINGS, progress=progress)
    assert not output.exists()
    export = finetune.export_model

    def fail(*given: object) -> None:
        Path(str(given[-1])).mkdir()
        (Path(str(given[-1])) / "recipe.toml").write_text("half")
        raise ModelError("the disk is full")

    monkeypatch.setattr(finetune, "export_model", fail)
    with pytest.raises(ModelError, match="the disk is full"):
        fine_tune(base, pairs, images, output, SETTINGS, progress=progress)
    assert not output.exists()
    monkeypatch.setattr(finetune, "export_model", export)
    fine_tune(base, pairs, images, output, SETTINGS, progress=progress)
    assert done == [*range(1, 21), *range(19, 37)]  # there was a checkpoint after 18 steps, and one at the end
    assert seen == [32, 48]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert open_folder(output).info == open_folder(base).info


def test_other_labels_begin_anew(
    pairs: list[LabelledPair], images: Path, base: Path, tmp_path: Path, copied: None
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    done: list[int] = []
    for some, step in ((pairs, stop), (pairs[3:], lambda step, _: done.append(step))):
        try:
            fine_tune(
                base, some, images, tmp_path / "mine", SETTINGS, progress=FineTuneProgress(steps=StepProgress(step))
            )
        except KeyboardInterrupt:
            continue
    assert done == list(range(1, 31))


def test_what_cannot_be_written_is_said_before_anything_is_done(
    pairs: list[LabelledPair], images: Path, base: Path
) -> None:
    broken = [pair.model_copy(update={"image": "none.png"}) for pair in pairs]  # would be the next error
    with pytest.raises(ModelError, match=r"0.png/model.training: cannot be written: Not a directory"):
        fine_tune(base, broken, images, images / "0.png" / "model", SETTINGS)
    with pytest.raises(UsageError, match="is there already"):
        fine_tune(base, broken, images, images / "0.png", SETTINGS)
    labels = images / "one.jsonl"
    labels.write_text(pairs[0].model_dump_json(), encoding="utf-8")
    result = CliRunner().invoke(app, ["train", "--labels", "none.jsonl", "--output", str(images / "0.png" / "model")])
    assert "0.png/model: cannot be written: Not a directory" in str(result.exception)


def test_options_that_would_change_nothing_are_refused(tmp_path: Path) -> None:
    given = ("--labels", tmp_path / "none.jsonl", "--output", tmp_path / "out")
    for option, value in (("--epochs", 2), ("--model", "default"), ("--validation", 0.2)):
        message = str(run(*given, "--regime", "scratch", option, value).exception)
        assert message.startswith(f"{option} goes without --regime")
    assert str(run(*given, "--recipe", "paper-small").exception).startswith("--recipe goes with --regime")
    assert "none.jsonl: cannot be read" in str(run(*given).exception)
    for wrong in ({"epochs": 0}, {"learning_rate": float("nan")}, {"validation": 1.0}):
        with pytest.raises(UsageError, match="lie between 0 and 1"):
            replace(SETTINGS, **wrong)


SCHEDULE = ScheduleSettings(
    steps=4, batch_size=16, learning_rate=0.01, warm_up=0, log_every=2, checkpoint_every=2, weight_decay=0.0
)


def train(
    network: PairNetwork, data: PairData, folder: Path, note: Callable[[str], None] | None = None
) -> Sequence[Row]:
    """The log of a short training."""
    folder.mkdir()
    torch.manual_seed(1)
    task = FineTuneTask(network, data, RECIPE)
    train_steps(task, SCHEDULE, folder, "test", torch.device("cpu"), StepProgress(note=note))
    return read_log(folder)


def test_too_little_memory_halves_the_batch_and_changes_nothing_else(
    pairs: list[LabelledPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts, the mean over the kinds that are known is another: all or none are known here."""
    data = make_data(pairs)
    whole = train(make_network()[0], data, tmp_path / "whole")
    notes: list[str] = []

    def narrow(said: PairOutput, some: PairData, batch: Tensor, settings: TrainingSettings) -> Tensor:
        if len(batch) > 5:
            raise torch.OutOfMemoryError
        return pair_loss(said, some, batch, settings)

    monkeypatch.setattr(finetune_task, "pair_loss", narrow)
    parts = train(make_network()[0], data, tmp_path / "parts", notes.append)
    assert [note.partition(" of the")[0] for note in notes] == [
        "step 1: out of memory; goes on with 8",
        "step 1: out of memory; goes on with 4",
    ]
    assert [row["loss"] for row in parts] == pytest.approx([row["loss"] for row in whole], rel=1e-3)
    assert whole[-1]["loss"] < whole[0]["loss"]
    monkeypatch.setattr(finetune_task, "pair_loss", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(AbsIndexError, match="the memory of cpu does not suffice for one pair; take --device cpu"):
        train(make_network()[0], data, tmp_path / "none")


def test_a_loss_that_is_no_number_says_what_to_try(pairs: list[LabelledPair], tmp_path: Path) -> None:
    data = make_data(pairs)
    data.facts[0] = torch.nan
    with pytest.raises(AbsIndexError, match=r"the loss is no number between steps .*: try a smaller --learning-rate"):
        train(make_network()[0], data, tmp_path / "out")


def test_what_is_no_better_is_not_taken(pairs: list[LabelledPair], tmp_path: Path) -> None:
    data, network = make_data(pairs), make_network()[0]
    fix_parts(network)
    before = choose.trained_weights(network)
    with torch.no_grad():
        network.members[0].abs.weight.add_(torch.full((3, 24), 50.0))
        network.members[0].abs.bias.add_(torch.tensor([90.0, 0.0, 0.0]))
    assert choose.choose_way(network, before, data) == 0
    assert all(network.state_dict()[name].equal(value) for name, value in before.items())
    train(network, data, tmp_path / "out")
    after = choose.trained_weights(network)
    learnt = choose.validation_loss(network, data)
    way = choose.choose_way(network, before, data)
    assert way > 0
    assert choose.validation_loss(network, data) <= learnt + 1e-6
    for name, value in network.named_parameters():
        if name in after:
            torch.testing.assert_close(value.detach(), torch.lerp(before[name], after[name], way))
    assert "embedding.weight" not in after


def test_a_kernel_machine_that_is_wrong_is_left_out_or_fitted_again(pairs: list[LabelledPair]) -> None:
    data, network = make_data(pairs), make_network()[0]
    machine = network.kernel
    machine.bias.copy_(torch.tensor([60.0, -60.0, 0.0]))
    machine.coefficients.fill_(7.0)
    for member in network.members:
        member.requires_grad_(False)
    said, share = choose.choose_kernel(network, data, data, RECIPE)
    assert (said, share) == ("fitted again to the new labels", RECIPE.kernel.share)
    assert network.kernel is not machine
    assert not (network.kernel.coefficients == 7).any()  # rows without a support vector are empty again
    assert (raw_answers(network, data).abs.argmax(1) == data.label).float().mean() > 0.9
    two = make_data([pair for pair in pairs if pair.abs != ABS[0]])  # a machine needs all three labels
    network.kernel = machine
    assert choose.choose_kernel(network, two, two, RECIPE) == ("left out", 0.0)
    assert network.share == 0


def test_a_reader_learns_by_the_same_steps(pairs: list[LabelledPair], tmp_path: Path) -> None:
    pieces = [
        "[PAD]",
        "[UNK]",
        START,
        "[SEP]",
        *sorted({word.lower() for text in TEXTS.values() for word in text.split()}),
    ]
    reader = ReaderSettings(encoder="random", max_pieces=16, max_figure_pieces=8, hidden_dim=8)
    recipe = Recipe(name="reads", image=RECIPE.image, reader=reader, kernel=RECIPE.kernel)
    some = pairs[:12]
    rows = {pair.image: row for row, pair in enumerate(some)}
    data = PairData.make(some, torch.randn(12, 34), rows, make_inputs(recipe, pieces), recipe)
    network = ReaderNetwork(recipe, len(pieces), pieces.index(START))
    fix_parts(network)
    task = FineTuneTask(network, data, recipe)
    before = choose.trained_weights(network)
    assert before
    assert all(name.startswith("members.") for name in before)
    loss = task.losses(task.load(range(12)))["loss"]
    assert loss.shape == (12,)
    loss.mean().backward()
    assert all(member.abs.weight.grad is not None for member in network.members)
    assert raw_answers(network, data).abs.shape == (12, 3)
    assert choose.choose_way(network, before, data) == 0
    # The machine of this network was never fitted: it can only win.
    assert choose.choose_kernel(network, data, data, recipe) == ("fitted again to the new labels", recipe.kernel.share)
