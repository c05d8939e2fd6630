"""The three regimes of the classifier: gradients reach every parameter that learns, and none that is frozen."""

import pytest
import torch
from torch.nn import functional

from abs_index.networks.paper.network import Autoencoder, Classifier
from abs_index.networks.paper.text_decoder import text_losses
from abs_index.paper_settings import PaperSettings
from abs_index.training.regimes import REGIMES, Regime, apply_regime, needs_pretraining, trained_parameters
from tests.networks.paper_settings import TINY

WORDS = torch.tensor([[[2, 3, 4], [5, 0, 0]], [[6, 7, 0], [8, 9, 2]]])
VECTORS = torch.randn(10, 7, generator=torch.Generator().manual_seed(1))
PICTURES = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(2)) * 2 - 1
FROZEN_BACKBONE = TINY.model_copy(update={"image": TINY.image.model_copy(update={"fine_tune": False})})


def learn(regime: Regime, settings: PaperSettings) -> tuple[set[str], set[str], set[str]]:
    """Names of the parameters that learn, of those that got a gradient, and of all that a step has changed."""
    torch.manual_seed(0)
    network = Classifier(settings, VECTORS).train()
    apply_regime(network, regime)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(trained_parameters(network), 1e-2, weight_decay=0.1)
    said = network(PICTURES, WORDS)
    others = said.kind.square().mean() + said.cmi.square().mean()
    (functional.cross_entropy(said.abs, torch.tensor([0, 2])) + others).backward()
    optimizer.step()
    learning = {name for name, value in network.named_parameters() if value.requires_grad}
    reached = {
        name
        for name, value in network.named_parameters()
        if value.grad is not None and bool(value.grad.abs().sum() > 0)
    }
    return learning, reached, {name for name, value in network.state_dict().items() if not value.equal(before[name])}


@pytest.mark.parametrize("settings", [TINY, FROZEN_BACKBONE], ids=["fine-tuned", "frozen backbone"])
@pytest.mark.parametrize("regime", REGIMES)
def test_gradients_reach_what_learns_and_nothing_else(regime: Regime, settings: PaperSettings) -> None:
    learning, reached, moved = learn(regime, settings)
    everything = {name for name, _ in Classifier(settings, VECTORS).named_parameters()}
    head = {name for name in everything if not name.startswith("encoder.")}
    backbone = {name for name in everything if ".backbone." in name}
    frozen = backbone if settings is FROZEN_BACKBONE else set()
    assert learning == (head if regime == "freeze" else everything - frozen)
    assert reached == learning
    assert moved <= learning  # not the word vectors either, nor the statistics of the backbone
    assert moved >= learning - {name for name in learning if name.endswith("bias")}


def test_what_is_learnt_of_kind_and_cmi_does_not_reach_the_encoder() -> None:
    torch.manual_seed(0)
    network = Classifier(TINY, VECTORS).train()
    said = network(PICTURES, WORDS)
    (said.kind.square().mean() + said.cmi.square().mean()).backward()
    reached = {name for name, value in network.named_parameters() if value.grad is not None}
    assert reached == {"kind.weight", "kind.bias", "cmi.weight", "cmi.bias"}


def test_which_regime_needs_a_pretrained_encoder() -> None:
    assert [needs_pretraining(regime) for regime in REGIMES] == [False, True, True]


def test_gradients_reach_every_parameter_of_the_autoencoder() -> None:
    torch.manual_seed(0)
    network = Autoencoder(TINY, VECTORS).train()
    made = network(PICTURES, WORDS)
    (made.picture.square().mean() + text_losses(made.words, WORDS, VECTORS).mean()).backward()
    missed = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    assert missed == []
