"""The kernel machine as a layer says what libsvm says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from abs_index.errors import LabelsError
from abs_index.model.vocabulary import FACTS, SPECIAL
from abs_index.networks.kernel import KernelMachine
from abs_index.networks.pair import PairNetwork
from abs_index.recipe import ImageSettings, KernelSettings, PairSettings, Recipe, TextSettings
from abs_index.training.fit import PairData
from abs_index.training.kernel import _one_output_a_label, fit_kernel, fit_machine, fit_rarity

WORDS = (*SPECIAL, *(f"w{number}" for number in range(40)))
RECIPE = Recipe(
    name="tiny",
    image=ImageSettings(weights="random", summary_dim=6, grid=1, region_dim=2),
    text=TextSettings(vectors="random", word_dim=8, hint_dim=2, max_tokens=12),
    pair=PairSettings(queries=1, image_queries=1, hidden_dim=8, embedding_dim=4),
    kernel=KernelSettings(share=0.5, supports=90),
)


def make_data(seed: int, labels: int = 3) -> PairData:
    random = torch.Generator().manual_seed(seed)
    count = 90
    label = torch.arange(count) % labels
    contexts = torch.randn(count, 8, generator=random) + label[:, None]
    return PairData(
        contexts=contexts,
        row=torch.arange(count),
        words=torch.randint(1, len(WORDS), (count, 9), generator=random, dtype=torch.int32),
        facts=torch.rand(count, FACTS, generator=random),
        abs=torch.nn.functional.one_hot(label, 3).float(),
        label=label,
        kind=torch.full((count,), -1),
        grades=torch.full((count, 3), torch.nan),
        weight=torch.ones(count),
    )


def make_network() -> PairNetwork:
    torch.manual_seed(0)
    return PairNetwork(RECIPE, WORDS, torch.randn(len(WORDS), 8)).eval()


def test_the_layer_learns_what_the_labels_hang_on() -> None:
    network, data, fresh = make_network(), make_data(1), make_data(2)
    fit_rarity(network, data)
    fit_kernel(network, data, RECIPE.kernel)
    answers = network.kernel(network.describe(fresh.contexts, fresh.words, fresh.facts))
    assert (answers.argmax(1) == fresh.label).float().mean() > 0.6
    with_machine = network.answer(*fresh.inputs(torch.arange(90))).abs
    network.share = 0
    without = network.answer(*fresh.inputs(torch.arange(90))).abs
    torch.testing.assert_close(with_machine, 0.5 * without + 0.5 * answers)


def test_one_output_a_label_is_the_sum_of_its_votes() -> None:
    random = np.random.default_rng(3)
    places, labels = random.normal(size=(60, 5)), np.arange(60) % 3
    svc = SVC(gamma=0.3, decision_function_shape="ovo").fit(places, labels)
    rows, coefficients = _one_output_a_label(svc, 60)
    distances = ((places[:, None] - svc.support_vectors_[None, rows]) ** 2).sum(2)
    first, second, third = (svc.decision_function(places) - svc.intercept_).T
    expected = np.stack([first + second, third - first, -second - third], axis=1)
    np.testing.assert_allclose(np.exp(-0.3 * distances) @ coefficients[rows], expected, atol=1e-9)


def test_too_little_room_keeps_the_strongest() -> None:
    network, data = make_network(), make_data(1)
    fit_rarity(network, data)
    fit_kernel(network, data, RECIPE.kernel)
    room = RECIPE.model_copy(update={"kernel": RECIPE.kernel.model_copy(update={"supports": 20})})
    small = PairNetwork(room, WORDS, network.vectors.clone())
    fit_rarity(small, data)
    fit_kernel(small, data, room.kernel)
    strengths = network.kernel.coefficients.abs().sum(1)
    kept = small.kernel.coefficients.abs().sum(1)
    assert len(kept) == 20
    torch.testing.assert_close(kept.min(), strengths.sort(descending=True).values[19])


def test_what_both_have_in_common_is_kernel_ridge_regression() -> None:
    data, machine = make_data(1), KernelMachine((6,), 90, cmi=True)
    described = data.contexts[:, :6]
    grades = data.grades.clone()
    grades[:60, 0] = described[:60, 0].sigmoid()
    fit_machine(machine, described, replace(data, grades=grades), RECIPE.kernel.model_copy(update={"penalty": 0.1}))
    places = ((described - machine.shift) * machine.scale).numpy()
    assert (machine.supports.abs().sum(1) > 0).all(), "each pair is a support vector"
    ridge = KernelRidge(alpha=1.0, kernel="rbf", gamma=1.0)
    ridge.fit(places[:60], grades[:60, 0].numpy() - float(grades[:60, 0].mean()))
    expected = ridge.predict(places) + float(grades[:60, 0].mean())
    np.testing.assert_allclose(machine(described)[:, 3].numpy(), expected, atol=0.02)
    assert np.corrcoef(expected[60:], described[60:, 0])[0, 1] > 0.5


def test_without_grades_it_says_the_middle_of_all() -> None:
    data, machine = make_data(1), KernelMachine((6,), 90, cmi=True)
    fit_machine(machine, data.contexts[:, :6], data, RECIPE.kernel)
    assert machine(data.contexts[:, :6])[:, 3].tolist() == 90 * [0.5]


def test_all_labels_are_needed() -> None:
    with pytest.raises(LabelsError, match="all three labels"):
        fit_kernel(make_network(), make_data(1, labels=2), RECIPE.kernel)
