"""The whole way from labelled pairs to a model folder, with a tiny recipe, and both runtimes on it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from abs_index.errors import LabelsError, ModelError
from abs_index.labels import ABS, KINDS
from abs_index.model.cpu import CpuModel
from abs_index.model.folder import open_folder
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.pair import PairNetwork
from abs_index.networks.runtime import TorchModel
from abs_index.recipe import (
    ImageSettings,
    KernelSettings,
    PairSettings,
    ReaderSettings,
    Recipe,
    TextSettings,
    TrainingSettings,
)
from abs_index.training.labelled import LabelledPair
from abs_index.training.train import Progress, train_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RECIPE = Recipe(
    name="tiny",
    image=ImageSettings(weights="random", size=64, embedding_dim=12, summary_dim=10, grid=2, region_dim=6),
    text=TextSettings(vectors="random", min_count=1, word_dim=16, hint_dim=4, max_tokens=24),
    pair=PairSettings(members=2, queries=2, image_queries=2, hidden_dim=24, embedding_dim=8),
    kernel=KernelSettings(share=0.3, supports=40),
    training=TrainingSettings(epochs=12, batch_size=8, learning_rate=0.01, dropout=0.0, word_dropout=0.0),
)
TEXTS = {
    "image_more_abstract": "The pump moves formula litres because its wheel turns 12 times.",
    "text_more_abstract": "A garden.",
    "equal": "Figure shows a red circle beside a line.",
}


@dataclass
class Trained:
    folder: Path
    images: Path
    pairs: list[LabelledPair]
    losses: list[float] = field(default_factory=list)


def draw_pairs(images: Path) -> list[LabelledPair]:
    """A label is what the text says, and the picture has a different look for each kind."""
    pairs = []
    for number in range(48):
        label, kind = ABS[number % 3], ("photo", "diagram")[number % 2]
        picture = Image.new("RGB", (90, 60), "white" if number % 2 else (40 + 4 * number, 90, 60))
        ImageDraw.Draw(picture).line((5, number, 80, 59 - number), fill="black", width=2)
        picture.save(images / f"{number}.png")
        split = "validation" if number >= 42 else "train"
        pairs.append(
            LabelledPair(text=TEXTS[label], image=f"{number}.png", abs=label, kind=kind, split=split, cmi=number % 4)
        )
    return pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    images, folder = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("model") / "tiny"
    made = Trained(folder, images, draw_pairs(images))
    progress = Progress(epochs=lambda epoch, epochs, loss: made.losses.append(loss))
    train_model(RECIPE, made.pairs, images, folder, cache=images / "cache", progress=progress)
    return made


def test_training_lowers_the_loss_of_every_member_and_learns_the_labels(trained: Trained) -> None:
    first, second = trained.losses[:12], trained.losses[12:]
    assert first[-1] < 0.6 * first[0]
    assert second[-1] < 0.6 * second[0]
    model = CpuModel(open_folder(trained.folder))
    pixels = np.stack([model.preprocess(Image.open(trained.images / pair.image)) for pair in trained.pairs])
    said = model.encode_pairs(
        model.encode_images(pixels), [pair.text for pair in trained.pairs], [pair.role for pair in trained.pairs]
    )
    assert [ABS[best] for best in said.abs_prob.argmax(1)] == [pair.abs for pair in trained.pairs]
    assert [KINDS[best] for best in said.kind_prob.argmax(1)] == [pair.kind for pair in trained.pairs]


def test_both_runtimes_say_the_same(trained: Trained) -> None:
    folder = open_folder(trained.folder)
    graph, network = CpuModel(folder, precision="f32"), TorchModel(folder, "cpu")
    pixels = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    one, other = graph.encode_images(pixels), network.encode_images(pixels)
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)
    np.testing.assert_allclose(one.context, other.context, atol=1e-3 * np.abs(other.context).max())
    texts, roles = [*TEXTS.values(), "", "unseen words " * 60], ["caption", "mention"] * 2 + ["mention"]
    first, second = graph.encode_pairs(one, texts, roles), network.encode_pairs(other, texts, roles)
    for name in ("embedding", "abs_prob", "kind_prob"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-3)
    assert (first.abs_prob.argmax(1) == second.abs_prob.argmax(1)).all()


def test_weights_are_stored_once(trained: Trained) -> None:
    networks = ImageNetwork(RECIPE.image), PairNetwork(RECIPE, open_folder(trained.folder).words)
    numbers = sum(value.numel() for network in networks for value in network.state_dict().values())
    assert (trained.folder / "model.safetensors").stat().st_size < 2 * numbers + 2**18
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "image.xml",
        "model.safetensors",
        "pair.xml",
        "recipe.toml",
        "vocabulary.txt",
    ]


def test_a_picture_far_from_all_others_gets_a_different_vector(trained: Trained) -> None:
    model = CpuModel(open_folder(trained.folder))
    white, dark = Image.new("RGB", (90, 60), "white"), Image.new("RGB", (90, 60), (40, 90, 60))
    vectors = model.encode_images(np.stack([model.preprocess(one) for one in (white, white, dark)])).embedding
    assert vectors[0] @ vectors[1] > 0.999
    assert vectors[0] @ vectors[2] < 0.9


def test_the_folder_holds_no_weights_that_do_not_fit_its_recipe(trained: Trained) -> None:
    folder = open_folder(trained.folder)
    other = RECIPE.model_copy(update={"pair": RECIPE.pair.model_copy(update={"hidden_dim": 16})})
    object.__setattr__(folder, "recipe", other)
    with pytest.raises(ModelError, match="does not fit its recipe"):
        TorchModel(folder, "cpu")


def test_the_same_seed_gives_the_same_members(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.training.train.export_model", lambda *_: None)  # it takes a minute
    again: list[float] = []
    short = RECIPE.model_copy(update={"training": RECIPE.training.model_copy(update={"epochs": 1})})
    progress = Progress(epochs=lambda epoch, epochs, loss: again.append(loss))
    images = trained.images
    for _ in range(2):
        train_model(short, trained.pairs, images, images / "unused", cache=images / "cache", progress=progress)
    assert again[:2] == again[2:]


def test_a_cache_may_be_shared_by_trainings_with_other_recipes_and_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader keeps there where its training stands, and goes on only with its own."""

    class NoWords:
        name = "none"

        def __init__(self, *_: object) -> None:
            pass

        def read(self, image: Image.Image) -> str:
            return ""

    made: list[Tensor] = []
    monkeypatch.setattr("abs_index.training.train.RapidReader", NoWords)
    monkeypatch.setattr(
        "abs_index.training.train.export_model",
        lambda recipe, image, pair, words, output: made.append(pair.members[0].joint[2].weight.clone()),
    )
    reader = ReaderSettings(
        encoder="random", width=32, layers=1, members=1, word_dim=8, hidden_dim=8, epochs=3, learning_rate=0.02
    )
    recipe = Recipe(name="tiny", image=RECIPE.image, reader=reader)
    wider = recipe.model_copy(update={"reader": reader.model_copy(update={"hidden_dim": 16})})
    pairs = draw_pairs(tmp_path)
    others = [pair.model_copy(update={"abs": ABS[(ABS.index(pair.abs) + 1) % 3]}) for pair in pairs]
    cache, epochs = tmp_path / "cache", []

    def stop(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    def note(epoch: int, of: int, loss: float) -> None:
        epochs.append(epoch)

    with pytest.raises(KeyboardInterrupt):
        train_model(recipe, pairs, tmp_path, tmp_path / "a", cache=cache, progress=Progress(epochs=stop))
    for some, labels in ((recipe, others), (wider, pairs), (recipe, pairs)):
        train_model(some, labels, tmp_path, tmp_path / "a", cache=cache, progress=Progress(epochs=note))
        train_model(some, labels, tmp_path, tmp_path / "b")
    assert epochs == [1, 2, 3, 1, 2, 3, 3]
    for cached, alone in zip(made[::2], made[1::2], strict=True):
        torch.testing.assert_close(cached, alone, atol=1e-3, rtol=0)
    assert (made[0] - made[4]).abs().max() > 1e-2, "other labels give other weights"
    assert not list(cache.glob("training-*")), "what is finished is not kept"


def test_a_model_that_cannot_be_written_is_said(trained: Trained) -> None:
    words = open_folder(trained.folder).words
    networks = ImageNetwork(RECIPE.image), PairNetwork(RECIPE, words)
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(ModelError, match="cannot be written"),
    ):
        for name in ("_serialize", "convert_image_network", "convert_pair_network", "_join"):
            patch.setattr(f"abs_index.networks.export.{name}", lambda *_: {})
        export_model(RECIPE, *networks, words, trained.images / "0.png")


def test_one_label_is_not_enough(tmp_path: Path) -> None:
    pairs = [pair for pair in draw_pairs(tmp_path) if pair.abs == "equal"]
    with pytest.raises(LabelsError, match="at least two different labels"):
        train_model(RECIPE, pairs, tmp_path, tmp_path / "model")


@pytest.mark.parametrize("name", ["hints.weight", "joint.2.weight", "region.weight", "facts.weight"])
def test_gradients_reach_the_parts(name: str) -> None:
    torch.manual_seed(0)
    words = open_words()
    network = PairNetwork(RECIPE, words, torch.randn(len(words), 16))
    _, probabilities, *_ = network(torch.randn(3, 34), torch.randint(1, len(words), (3, 7)), torch.randn(3, 6))
    probabilities[:, 0].sum().backward()
    gradient = dict(network.members[0].named_parameters())[name].grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def open_words() -> tuple[str, ...]:
    from abs_index.model.vocabulary import SPECIAL

    return (*SPECIAL, "a", "b", "c")
