"""The paper's classifier as a model folder: every runtime says what the trained network says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from abs_index.cli.main import app
from abs_index.errors import ModelError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import PairModel, PairPredictions
from abs_index.model.cpu import CpuModel
from abs_index.model.folder import open_folder
from abs_index.model.sentence_inputs import FILL, SentenceInputs
from abs_index.networks.paper.image import scale_pixels
from abs_index.networks.runtime import TorchModel, load_networks
from abs_index.recipe import Recipe
from abs_index.training.classify import train_classifier
from abs_index.training.labelled import LabelledPair
from abs_index.training.paper_model import write_model
from abs_index.training.report.runs import open_classifiers
from tests.networks.paper_settings import TINY

RECIPE = Recipe(
    name="tiny", paper=TINY.model_copy(update={"classifier": TINY.classifier.model_copy(update={"steps": 4})})
)
# Of one sentence, of as many as are read, of more; of no word that is known, and of none.
TEXTS = (
    "The wheel turns because of the water, and the mill with it.",
    "A garden. A cat. Water turns. The wheel.",
    "The cat. A wheel. The garden of the cat. Water. A cat. The mill.",
    "Xyzzy!",
    "…",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Made:
    training: Path
    model: Path
    image: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("paper")
    Image.linear_gradient("L").convert("RGB").resize((60, 50)).save(root / "0.png")
    pairs = [
        LabelledPair(text=text, image="0.png", abs=ABS[row % 3], kind=KINDS[row], cmi=row % 4)
        for row, text in enumerate(TEXTS[:4])
    ]
    train_classifier(RECIPE, "scratch", pairs, root, root / "training")
    write_model(root / "training", root / "model")
    return Made(root / "training", root / "model", root / "0.png")


@pytest.fixture(scope="module")
def cpu(made: Made) -> CpuModel:
    return CpuModel(open_folder(made.model), threads=1, precision="f32")


def answer(model: PairModel) -> PairPredictions:
    pixels = np.random.default_rng(1).integers(0, 256, (len(TEXTS), 40, 40, 3), dtype=np.uint8)
    return model.encode_pairs(model.encode_images(pixels), TEXTS, ["mention"] * len(TEXTS))


def differences(one: PairPredictions, other: PairPredictions) -> list[float]:
    names = ("embedding", "abs_prob", "kind_prob", "cmi")
    return [float(np.abs(getattr(one, name) - getattr(other, name)).max()) for name in names]


def test_all_runtimes_say_what_the_trained_network_says(made: Made, cpu: CpuModel) -> None:
    torch_model = TorchModel(open_folder(made.model), "cpu")
    theirs, ours = answer(torch_model), answer(cpu)
    assert max(differences(theirs, ours)) < 1e-3
    assert (theirs.abs_prob.argmax(1) == ours.abs_prob.argmax(1)).all()
    assert np.linalg.norm(ours.embedding, axis=1) == pytest.approx(1, abs=1e-4)
    (run,) = open_classifiers([made.training])
    pixels = np.random.default_rng(1).integers(0, 256, (len(TEXTS), 40, 40, 3), dtype=np.uint8)
    words = run.words.vocabulary.encode_batch(TEXTS, sentences=4, words=6)
    with torch.no_grad():
        said = run.network(scale_pixels(torch.from_numpy(pixels)), torch.from_numpy(words))
    # What is stored is rounded: 3 digits of each number, 2 of those in large matrices.
    assert np.abs(said.abs.softmax(1).numpy() - ours.abs_prob).max() < 0.01
    assert np.abs(said.cmi.sigmoid().numpy() - ours.cmi).max() < 0.01
    features = cpu.encode_images(pixels)
    theirs_too = torch_model.encode_images(pixels)
    assert np.abs(features.embedding - theirs_too.embedding).max() < 1e-3
    assert np.linalg.norm(features.embedding, axis=1) == pytest.approx(1, abs=1e-4)


def test_an_answer_does_not_hang_on_the_texts_beside_it(cpu: CpuModel) -> None:
    together = answer(cpu)
    pixels = np.random.default_rng(1).integers(0, 256, (len(TEXTS), 40, 40, 3), dtype=np.uint8)
    features = cpu.encode_images(pixels)
    for row, text in enumerate(TEXTS):
        alone = cpu.encode_pairs(features.take([row]), [text], ["caption"])
        assert np.abs(alone.abs_prob[0] - together.abs_prob[row]).max() < 1e-4
    assert len(cpu.encode_pairs(features.take([]), [], []).cmi) == 0


def test_the_model_is_one_for_the_commands(made: Made) -> None:
    said = CliRunner().invoke(
        app, ["predict", str(made.image), "--text", TEXTS[0], "--model", str(made.model), "--device", "cpu", "--json"]
    )
    assert said.exit_code == 0, said.output
    assert set(json.loads(said.stdout)["abs_prob"]) == set(ABS)
    info = open_folder(made.model).info
    assert (info.name, info.image_size, info.image_dim, info.pair_dim) == ("tiny", 40, 256, 24)
    card = (made.model / "README.md").read_text(encoding="utf-8")
    assert "regime scratch" in card
    assert "4 steps of 3 pairs" in card


def test_other_trainings_do_not_take_it(made: Made) -> None:
    with pytest.raises(ModelError, match="of the paper's network, which `abs-index train classifier --regime` trains"):
        load_networks(open_folder(made.model))
    with pytest.raises(ModelError, match="no training in it"):
        write_model(made.model, made.training / "model")


def test_rows_of_sentences() -> None:
    inputs = SentenceInputs(("<pad>", "<unk>", "a", "b"), max_sentences=3, max_words=5)
    words, facts = inputs.encode(["A b it. B!", "a"], ["caption", "mention"])
    assert inputs.longest == 48
    assert words.tolist() == [[2, 3, 1, *[FILL] * 13, 3, *[FILL] * 15], [2, *[FILL] * 15, *[0] * 16]]
    assert facts.shape == (2, inputs.facts)
