"""Pretraining: what a folder holds in the end, and that no interruption changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image

from abs_index.errors import AbsIndexError, CorpusError, ModelError, RecipeError, UsageError
from abs_index.networks.paper.network import Autoencoder
from abs_index.recipe import Recipe, load_recipe
from abs_index.training.checkpoint import CHECKPOINT, load_part, read_checkpoint
from abs_index.training.corpus_pairs import prepare_pairs, read_pairs
from abs_index.training.loss_log import read_log
from abs_index.training.pretrain import AutoencoderTask, PretrainProgress, hold_out, pretrain
from abs_index.training.run_notes import read_notes
from abs_index.training.steps import Batch, StepProgress
from abs_index.training.word_vectors import WordTable
from tests.fakes import write_corpus
from tests.training.pretrain_child import RECIPE, run_and_die

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), documents=3, figures=2, mentions=1)


@dataclass
class Pretrained:
    folder: Path
    table: WordTable
    steps: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.folder / "losses.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    """A pretraining that nothing has disturbed."""
    steps: list[int] = []
    notes: list[str] = []
    folder = tmp_path_factory.mktemp("whole") / "new" / "folder"
    told = PretrainProgress(steps=StepProgress(step=lambda done, _: steps.append(done), note=notes.append))
    return Pretrained(folder, pretrain(RECIPE, [corpus], folder, progress=told), steps, notes)


def changed(section: str, **values: object) -> Recipe:
    paper = RECIPE.paper
    assert paper
    part = getattr(paper, section).model_copy(update=values)
    return RECIPE.model_copy(update={"paper": paper.model_copy(update={section: part})})


def test_a_finished_folder(whole: Pretrained) -> None:
    assert whole.steps == list(range(1, 13))
    assert sorted(path.name for path in whole.folder.iterdir()) == [
        "checkpoint.safetensors",
        "lock",
        "losses.jsonl",
        "losses.png",
        "pairs",
        "recipe.toml",
        "run.json",
        "words.safetensors",
    ]
    with Image.open(whole.folder / "losses.png") as curves:
        assert curves.size == (720, 420)
        assert len(curves.getcolors(100_000) or ()) > 3
    rows = read_log(whole.folder)
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10, 12]
    for name in ("loss", "image", "text"):
        assert rows[-1][name] < rows[0][name]
    assert rows[0]["loss"] == pytest.approx(rows[0]["image"] + rows[0]["text"])


def test_coverage_of_the_vocabulary_is_told(whole: Pretrained) -> None:
    table = WordTable.load(whole.folder)
    assert len(table.vocabulary) == 22 == len(table.vectors)
    assert 0.5 < table.coverage < 1
    assert whole.notes == [f"12 pairs, 0 held out; vocabulary: 22 words, {table.coverage:.1%} of all in the texts"]


def test_what_is_lost_of_documents_that_are_held_out(corpus: Path, tmp_path: Path, whole: Pretrained) -> None:
    """It is measured at each checkpoint, and measuring it does not change the training."""
    recipe = changed("pretraining", held_out=0.7)
    notes: list[str] = []
    pretrain(recipe, [corpus], tmp_path, progress=PretrainProgress(steps=StepProgress(note=notes.append)))
    learnt, held_out = hold_out(read_pairs(tmp_path / "pairs"), 0.7)
    assert notes[0].startswith(f"{len(learnt)} pairs, {len(held_out)} held out; ")
    assert {pair.document for pair in learnt}.isdisjoint(pair.document for pair in held_out)
    assert min(len(learnt), len(held_out)) > 0
    rows = read_log(tmp_path)
    measured = [row["step"] for row in rows if "held_out_loss" in row]
    assert measured == [4, 8, 12]
    last = rows[-1]
    assert last["held_out_loss"] == pytest.approx(last["held_out_image"] + last["held_out_text"], rel=1e-4)
    assert last["held_out_loss"] != pytest.approx(last["loss"], rel=1e-3)
    assert read_notes(tmp_path).pairs == len(learnt)


def test_nothing_is_held_out_where_nothing_would_be_left(whole: Pretrained) -> None:
    pairs = read_pairs(whole.folder / "pairs")
    assert hold_out(pairs, 0.999999) == (pairs, [])
    assert hold_out(pairs, 0) == (pairs, [])


def test_the_encoder_can_be_taken_out(whole: Pretrained) -> None:
    assert RECIPE.paper
    network = Autoencoder(RECIPE.paper, whole.table.vectors)
    load_part(whole.folder / CHECKPOINT, network.encoder, "encoder.")
    tensors, state = read_checkpoint(whole.folder / CHECKPOINT)
    assert state["step"] == 12
    torch.testing.assert_close(network.encoder.joint.weight.data, tensors["network.encoder.joint.weight"])
    other = Autoencoder(RECIPE.paper, torch.zeros(5, 7))
    with pytest.raises(ModelError, match=r"does not fit; was it made with this recipe and vocabulary\?") as caught:
        load_part(whole.folder / CHECKPOINT, other.encoder, "encoder.")
    assert "\n" not in str(caught.value)


def same_training(one: Path, other: Path) -> None:
    tensors, state = read_checkpoint(one / CHECKPOINT)
    others, state_too = read_checkpoint(other / CHECKPOINT)
    assert state == state_too
    assert tensors.keys() == others.keys()
    assert [name for name, value in tensors.items() if not torch.equal(value, others[name])] == []
    assert (one / "losses.jsonl").read_bytes() == (other / "losses.jsonl").read_bytes()


def test_killed_and_started_again_it_is_as_if_nothing_had_happened(
    whole: Pretrained, corpus: Path, tmp_path: Path
) -> None:
    """Before the first checkpoint; behind a line of the log that no checkpoint has; while a checkpoint is written."""
    for step, in_checkpoint in ((3, False), (7, False), (8, True), (11, False)):
        assert run_and_die([corpus], tmp_path, step, in_checkpoint=in_checkpoint) == -9
        assert (tmp_path / "losses.jsonl").read_bytes() != (whole.folder / "losses.jsonl").read_bytes()
    with (tmp_path / "losses.jsonl").open("a") as log:
        log.write('{"step": 11, "loss"')  # as if the last line had been cut off
    done: list[int] = []
    progress = PretrainProgress(steps=StepProgress(step=lambda step, _: done.append(step)))
    pretrain(RECIPE, [corpus], tmp_path, progress=progress)
    assert done == [9, 10, 11, 12]
    same_training(tmp_path, whole.folder)


def test_the_same_call_again_trains_no_further(whole: Pretrained, corpus: Path) -> None:
    before = (whole.folder / CHECKPOINT).stat().st_mtime_ns, whole.log
    pretrain(RECIPE, [corpus], whole.folder)
    assert ((whole.folder / CHECKPOINT).stat().st_mtime_ns, whole.log) == before


def test_another_seed_gives_another_training(whole: Pretrained, corpus: Path, tmp_path: Path) -> None:
    pretrain(changed("pretraining", seed=2, steps=2), [corpus], tmp_path)
    assert read_log(tmp_path)[0]["loss"] != read_log(whole.folder)[0]["loss"]


def test_a_folder_of_something_else(whole: Pretrained, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a training with another recipe; give another folder"):
        pretrain(changed("pretraining", seed=2), [corpus], whole.folder)
    with pytest.raises(UsageError, match="made from other corpora"):
        pretrain(RECIPE, [corpus / "article-000"], whole.folder)
    with FileLock(whole.folder / "lock"), pytest.raises(ModelError, match="another process is training here"):
        pretrain(RECIPE, [corpus], whole.folder)
    with pytest.raises(RecipeError, match=r"'default' has no section \[paper\]: take --recipe paper"):
        pretrain(load_recipe("default"), [corpus], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        pretrain(RECIPE, [corpus], tmp_path / "file" / "folder")


def test_a_damaged_or_foreign_checkpoint(corpus: Path, tmp_path: Path, whole: Pretrained) -> None:
    pretrain(changed("pretraining", steps=2), [corpus], tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    foreign = (whole.folder / CHECKPOINT).read_bytes()
    words = (tmp_path / "words.safetensors").read_bytes()
    for bad, message in (
        (content[: len(content) // 2], "damaged, or not in the safetensors format"),
        (b"", "damaged, or not in the safetensors format"),
        (words, "no checkpoint of this version"),
        (foreign, "of a training with another recipe, vocabulary or data"),
    ):
        (tmp_path / CHECKPOINT).write_bytes(bad)
        with pytest.raises(ModelError, match=message) as caught:
            pretrain(changed("pretraining", steps=2), [corpus], tmp_path)
        assert "\n" not in str(caught.value)
    (tmp_path / "words.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"words\.safetensors: no vocabulary of this version"):
        pretrain(changed("pretraining", steps=2), [corpus], tmp_path)


def test_a_loss_that_is_no_number_stops_with_what_to_try(corpus: Path, tmp_path: Path) -> None:
    recipe = changed("pretraining", learning_rate=1e30, warm_up=0, steps=8)
    with pytest.raises(
        AbsIndexError, match=r"no number between steps 1 and 2: try a smaller learning_rate .*\[paper\."
    ) as e:
        pretrain(recipe, [corpus], tmp_path)
    assert "\n" not in str(e.value)
    assert (tmp_path / "losses.jsonl").read_text() == ""
    assert not (tmp_path / CHECKPOINT).exists()


def test_too_little_memory_halves_the_batch(
    corpus: Path, tmp_path: Path, whole: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = AutoencoderTask.losses

    def within(room: int) -> None:
        def limited(task: AutoencoderTask, batch: Batch) -> Mapping[str, torch.Tensor]:
            if len(batch) > room:
                raise torch.OutOfMemoryError
            return losses(task, batch)

        monkeypatch.setattr(AutoencoderTask, "losses", limited)

    notes: list[str] = []
    within(2)
    progress = PretrainProgress(steps=StepProgress(note=notes.append))
    pretrain(changed("pretraining", steps=4), [corpus], tmp_path / "two", progress=progress)
    assert notes[1:] == ["step 1: out of memory; goes on with 2 of the 3 pairs of a batch at once"]
    # The rate is that of a shorter schedule from the second row on; the first one is as without parts.
    assert read_log(tmp_path / "two")[0]["loss"] == pytest.approx(read_log(whole.folder)[0]["loss"], rel=1e-4)
    within(0)
    with pytest.raises(AbsIndexError, match=r"step 1: the memory of cpu does not suffice for one pair; take a smaller"):
        pretrain(changed("pretraining", steps=4), [corpus], tmp_path / "none")


def test_pairs_of_a_corpus(corpus: Path, whole: Pretrained) -> None:
    pairs = read_pairs(whole.folder / "pairs")
    assert len(pairs) == 12
    images = {pair.image for pair in pairs}
    assert len(images) == 6 == len(list((whole.folder / "pairs" / "images").iterdir()))
    for name in images:
        with Image.open(whole.folder / "pairs" / name) as picture:
            assert (picture.size, picture.mode) == ((40, 40), "RGB")


def test_a_corpus_without_pictures(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", documents=1, figures=1, mentions=1)
    for picture in (tmp_path / "corpus").rglob("*.png"):
        picture.write_bytes(b"no picture")
    with pytest.raises(CorpusError, match="no figure of the corpus has an image and a text"):
        prepare_pairs([tmp_path / "corpus"], 40, tmp_path / "pairs", RECIPE.corpus)


def test_a_gpu_that_is_not_there(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="torch sees no GPU here"):
        pretrain(RECIPE, [corpus], tmp_path, device="cuda")
