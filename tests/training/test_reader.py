"""The reader: what it sees, how it learns, and that a model folder of it says the same in both runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from abs_index.errors import AbsIndexError
from abs_index.labels import ABS
from abs_index.model.base import FigureWords, ImageFeatures, PairPredictions
from abs_index.model.cpu import CpuModel
from abs_index.model.folder import open_folder
from abs_index.model.reading import FIGURE_FACTS, count_facts
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.reader import PAD, KindSorter, ReaderNetwork
from abs_index.networks.runtime import TorchModel
from abs_index.recipe import ImageSettings, KernelSettings, ReaderSettings, Recipe, TrainingSettings
from abs_index.training.kinds import fit_sorter
from abs_index.training.labelled import LabelledPair
from abs_index.training.reader import Pictures, ReadPairs, answer_pairs, first_reader, fit_reader, train_reader

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

IMAGE = ImageSettings(weights="random", size=64, embedding_dim=12, summary_dim=10, grid=2, region_dim=6, kinds_dim=7)
READER = ReaderSettings(
    encoder="random",
    width=32,
    layers=1,
    members=2,
    word_dim=16,
    queries=2,
    figure_queries=2,
    image_queries=2,
    max_pieces=12,
    max_figure_pieces=8,
    told=True,
    hidden_dim=16,
    embedding_dim=8,
    dropout=0.0,
    missed_words=0.0,
    missed_figures=0.3,
    epochs=12,
    batch_size=12,
    learning_rate=5e-3,
)
RECIPE = Recipe(
    name="tiny",
    image=IMAGE,
    reader=READER,
    kernel=KernelSettings(share=0.2, cmi_share=0.4, supports=30),
    training=TrainingSettings(kind_weight=0.1),
)
CONTEXT, FACTS = RECIPE.context_dim, count_facts(told=True)
START = 2
TEXTS = {"image_more_abstract": "the pump moves", "text_more_abstract": "a garden", "equal": "a red circle beside"}


@dataclass
class Trained:
    network: ReaderNetwork
    pieces: list[str]
    pairs: list[LabelledPair]
    pictures: Pictures


@pytest.fixture(scope="module")
def trained(one_thread: None) -> Trained:
    """Labels follow from the text; only every second picture has words."""
    torch.manual_seed(5)
    pairs = [
        LabelledPair(
            text=TEXTS[ABS[number % 3]],
            image=f"{number}.png",
            abs=ABS[number % 3],
            kind="photo" if number % 2 else "diagram",
            split="validation" if number >= 36 else "train",
            cmi=number % 4,
            alt="a wheel" if number % 4 > 1 else None,
            caption="the pump" if number % 4 == 3 else None,
        )
        for number in range(48)
    ]
    rows = {pair.image: row for row, pair in enumerate(pairs)}
    words = {pair.image: "wheel pump 12" if number % 2 else "" for number, pair in enumerate(pairs)}
    standard = torch.randn(48, 5) + 4 * (torch.arange(48)[:, None] % 2)
    pictures = Pictures(torch.randn(48, CONTEXT), rows, words, torch.nn.Linear(5, IMAGE.kinds_dim), standard)
    learnt, judged = pairs[:36], pairs[36:]
    network, pieces = train_reader(RECIPE, learnt, judged, pictures)
    return Trained(network, pieces, pairs, pictures)


def some_inputs(rows: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Contexts, words with a figure behind the text, and facts."""
    torch.manual_seed(1)
    words = torch.tensor([[START, 4, 5, 6, 3, START, 7, 8, 3, PAD]] * rows, dtype=torch.int32)
    return torch.randn(rows, CONTEXT), words, torch.randn(rows, FACTS)


@pytest.fixture(scope="module")
def fresh() -> ReaderNetwork:
    torch.manual_seed(3)
    return first_reader(RECIPE, 12, START).eval()


def test_text_and_words_in_the_figure_are_first_read_apart(fresh: ReaderNetwork) -> None:
    _, words, _ = some_inputs(1)
    both, text = fresh.read(words), fresh.read(words[:, :5])
    torch.testing.assert_close(both[:, :5], text)
    torch.testing.assert_close(both[:, 5:9], fresh.read(words[:, 5:9]))


def test_then_everything_is_read_against_everything(fresh: ReaderNetwork) -> None:
    context, words, facts = some_inputs(1)
    before = fresh.answer(context, words, facts).abs
    for changed in (
        (context + 1, words, facts),
        (context, words.where(words != 7, 9), facts),
        (context, words.where(words != 4, 9), facts),
        (context, words, facts + 1),
    ):
        assert not torch.allclose(fresh.answer(*changed).abs, before, atol=1e-4)


def test_padding_changes_nothing(fresh: ReaderNetwork) -> None:
    context, words, facts = some_inputs(2)
    longer = torch.nn.functional.pad(words, (0, 9))
    torch.testing.assert_close(fresh.answer(context, longer, facts).abs, fresh.answer(context, words, facts).abs)


def test_the_kernel_machine_has_its_share(trained: Trained) -> None:
    from abs_index.model.folder import make_inputs

    words, facts = make_inputs(RECIPE, trained.pieces).encode(["the pump moves", "a garden"], 2 * ["mention"])
    inputs = trained.pictures.contexts[:2], torch.from_numpy(words), torch.from_numpy(facts)
    network = trained.network
    with_machine = network.answer(*inputs)
    machine = network.kernel(network.describe(*inputs))
    network.share = 0.0
    without = network.answer(*inputs)
    network.share = RECIPE.kernel.share
    torch.testing.assert_close(with_machine.abs, 0.8 * without.abs + 0.2 * machine[:, :3])
    torch.testing.assert_close(with_machine.grades[:, 0], 0.6 * without.grades[:, 0] + 0.4 * machine[:, 3])
    torch.testing.assert_close(with_machine.grades[:, 1:], without.grades[:, 1:])
    assert (machine[0] - machine[1]).abs().max() > 0.1


def test_the_sorter_learns_kinds_from_pictures_and_texts() -> None:
    """Whether it is the first or the second half of the kinds is in the pictures, which half of those in the texts."""
    torch.manual_seed(0)
    kinds = torch.arange(2000) % 4
    row = torch.arange(2000).flip(0)
    pictures = (torch.randn(2000, 9) + 4 * torch.nn.functional.one_hot(kinds // 2, 9))[row]
    told = torch.randn(2000, 5) + 4 * torch.nn.functional.one_hot(kinds % 2, 5)
    told[:, 4] = 5.0  # says nothing, and must not hurt
    sorter, projection = KindSorter(5, 64), torch.nn.Linear(9, 64)
    given = kinds.where(torch.arange(2000) < 1500, -1)
    fit_sorter(sorter, projection, pictures, row, told, given, seed=1)
    assert (sorter(projection(pictures[row]), told).argmax(1) == kinds)[1500:].float().mean() > 0.9
    before = [value.clone() for value in (*sorter.parameters(), *projection.parameters())]
    fit_sorter(sorter, projection, pictures, row, told, torch.full((2000,), -1), seed=1)
    for value, old in zip((*sorter.parameters(), *projection.parameters()), before, strict=True):
        assert torch.equal(value, old), "without labels nothing is learnt"


def test_what_is_hidden_is_as_if_nobody_had_known_it(fresh: ReaderNetwork) -> None:
    _, words, facts = some_inputs(4)
    unread, untold = torch.tensor([True, False, True, False]), torch.tensor([False, True, True, False])
    seen, fewer = fresh.hide(words, facts, unread, untold)
    assert seen[0].tolist() == seen[2].tolist() == [START, 4, 5, 6, 3, *5 * [PAD]]
    assert torch.equal(seen[[1, 3]], words[[1, 3]])
    read, told = fewer[:, -2 * FIGURE_FACTS : -FIGURE_FACTS], fewer[:, -FIGURE_FACTS:]
    assert (read == 0).all(1).tolist() == unread.tolist()
    assert (told == 0).all(1).tolist() == untold.tolist()
    assert torch.equal(fewer[:, : -2 * FIGURE_FACTS], facts[:, : -2 * FIGURE_FACTS])


def test_the_encoder_learns_nothing_and_all_of_the_members_gets_gradients() -> None:
    network = first_reader(RECIPE, 12, START)
    context, words, facts = some_inputs()
    reading = network.look(context, words, network.read(words), facts)
    for member in network.members:
        said = member(reading)
        (said.abs.sum() + said.kind.sum() + said.grades.square().sum()).backward()
    for name, value in network.named_parameters():
        if name.startswith("members."):
            assert value.grad is not None, name
            assert value.grad.abs().sum() > 0, name
        else:
            assert value.grad is None, name


def test_it_learns_what_the_text_says(trained: Trained) -> None:
    judged = trained.pairs[36:]
    said = answer_trained(trained, judged)
    right = said.argmax(1) == torch.tensor([ABS.index(pair.abs) for pair in judged])
    assert right.float().mean() > 0.9


def answer_trained(trained: Trained, pairs: list[LabelledPair]) -> Tensor:
    from abs_index.model.folder import make_inputs
    from abs_index.training.fit import PairData

    inputs = make_inputs(RECIPE, trained.pieces)
    pictures = trained.pictures
    data = PairData.make(pairs, pictures.contexts, pictures.rows, inputs, RECIPE, pictures.words)
    return answer_pairs(trained.network, ReadPairs.make(trained.network, data)).abs


def test_a_training_that_was_stopped_ends_with_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 14:  # the second of the second member
            raise StopError

    learnt = trained.pairs[:36]
    torch.manual_seed(7)
    whole, _ = train_reader(RECIPE, learnt, [], trained.pictures)
    torch.manual_seed(7)
    with pytest.raises(StopError):
        train_reader(RECIPE, learnt, [], trained.pictures, tmp_path, stop)
    torch.manual_seed(7)
    rest, _ = train_reader(RECIPE, learnt, [], trained.pictures, tmp_path)
    torch.testing.assert_close(rest.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_loss_that_is_no_number_stops_with_what_to_try(trained: Trained) -> None:
    from abs_index.model.folder import make_inputs
    from abs_index.training.fit import PairData

    contexts = trained.pictures.contexts * float("nan")
    inputs = make_inputs(RECIPE, trained.pieces)
    network = first_reader(RECIPE, len(trained.pieces), START)
    data = PairData.make(trained.pairs[:8], contexts, trained.pictures.rows, inputs, RECIPE)
    with pytest.raises(AbsIndexError, match="no number in epoch 1: try a smaller learning_rate"):
        fit_reader(network, ReadPairs.make(network, data), RECIPE)


def test_both_runtimes_say_the_same_of_a_model_folder(trained: Trained, tmp_path: Path) -> None:
    export_model(RECIPE, ImageNetwork(IMAGE), trained.network, trained.pieces, tmp_path / "model")
    folder = open_folder(tmp_path / "model")
    assert folder.info.pair_dim == READER.embedding_dim
    features = ImageFeatures(np.zeros((5, 12), np.float32), trained.pictures.contexts[:5].numpy())
    texts = ["the pump moves", "", "a garden a garden a garden a garden a garden", "a red circle", "zzz"]
    figures = [
        FigureWords("wheel pump"),
        FigureWords(),
        FigureWords("12", "a wheel", "the pump"),
        FigureWords(),
        FigureWords("pump " * 30, caption="the pump"),
    ]
    graph, torch_ = CpuModel(folder, 1, "f32"), TorchModel(folder, "cpu")
    said: list[PairPredictions] = []
    for model in (graph, torch_):
        said.append(model.encode_pairs(features, texts, 5 * ["mention"], figures))
    for name in ("embedding", "abs_prob", "kind_prob", "cmi"):
        np.testing.assert_allclose(getattr(said[0], name), getattr(said[1], name), atol=1e-3)
    # What reads may be rounded, where the processor does that, and what compares never is.
    for precision in ("bf16", "int8"):
        rounded = CpuModel(folder, 1, precision).encode_pairs(features, texts, 5 * ["mention"], figures)
        np.testing.assert_allclose(rounded.abs_prob, said[1].abs_prob, atol=2e-2)
    silent = graph.encode_pairs(features, texts, 5 * ["mention"])
    told = np.abs(silent.embedding - said[0].embedding).max(axis=1)
    assert told[[0, 2, 4]].min() > 1e-4, "words in figures are read"
    np.testing.assert_allclose(silent.abs_prob[[1, 3]], said[0].abs_prob[[1, 3]], atol=1e-5)
