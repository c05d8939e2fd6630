"""What validation pairs decide of a fine-tuned network: how far it goes from the old weights to the new ones, and what
its kernel machine has to say.

Going only a part of the way keeps what the old network knew and the new labels do not show (Wortsman et al. 2022,
"Robust fine-tuning of zero-shot models"); going none of it is what is left where they teach nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from abs_index.labels import ABS
from abs_index.networks.reader import ReaderNetwork
from abs_index.recipe import Recipe
from abs_index.training.calibration import READINGS, best_sharpness, mean_sharpness
from abs_index.training.finetune_task import Network, raw_answers
from abs_index.training.fit import PairData
from abs_index.training.kernel import fit_kernel

WAYS = (0.0, 0.25, 0.5, 0.75, 1.0)

Weights = Mapping[str, Tensor]


def trained_weights(network: nn.Module) -> Weights:
    """A copy of the weights that learn."""
    return {name: value.detach().clone() for name, value in network.named_parameters() if value.requires_grad}


@torch.no_grad()
def choose_way(network: Network, before: Weights, validation: PairData) -> float:
    """Leaves the network at the best place between the weights `before` and its own, and says how far that is."""
    after = trained_weights(network)
    losses = {}
    for way in WAYS:
        _go(network, before, after, way)
        losses[way] = validation_loss(network, validation)
    best = min(WAYS, key=lambda way: losses[way])
    _go(network, before, after, best)
    return best


def choose_kernel(network: Network, training: PairData, validation: PairData, recipe: Recipe) -> tuple[str, float]:
    """Leaves the network with the best kernel machine and share, and says in words which machine, and its share.

    No gradient reaches the machine: it stays as it was, says less, or is fitted again to the new labels alone.
    """
    old, share = network.kernel, network.share
    options = {"as it was": (old, share), "at half its share": (old, share / 2), "left out": (old, 0.0)}
    if len(training.label.unique()) == len(ABS):
        network.kernel = network.new_kernel()
        fit_kernel(network, training, recipe.kernel)
        options["fitted again to the new labels"] = (network.kernel, share)
    losses = {}
    for name, (network.kernel, network.share) in options.items():
        losses[name] = validation_loss(network, validation)
    best = min(options, key=lambda name: losses[name])
    network.kernel, network.share = options[best]
    return best, network.share


def calibrate(network: Network, validation: PairData) -> None:
    """Sets the inverse temperatures to those that fit the pairs best, a reader's for all that it may be given.

    The fewer pairs there are, the nearer they stay to what they were.
    """
    readings = READINGS if isinstance(network, ReaderNetwork) else READINGS[:1]
    answers = [raw_answers(network, validation, read, told) for read, told in readings]
    network.sharpness.data.copy_(mean_sharpness(answers, validation, network.sharpness.data))


def validation_loss(network: Network, data: PairData) -> float:
    """Cross-entropy of `abs` at the temperature that fits the pairs best."""
    said = raw_answers(network, data)
    logits = best_sharpness(said, data)[0] * said.abs
    return float(-(data.abs * logits.log_softmax(1)).sum(1).mean())


def _go(network: nn.Module, before: Weights, after: Weights, way: float) -> None:
    parameters = dict(network.named_parameters())
    for name, value in after.items():
        parameters[name].copy_(torch.lerp(before[name], value, way))
