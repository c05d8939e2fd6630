"""Temperature scaling (Guo et al. 2017, section 4.2): probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor
from torch.nn import functional

from abs_index.networks.pair import PairNetwork, PairOutput
from abs_index.training.fit import PairData

_BATCH = 512


@torch.inference_mode()
def mean_answers(network: PairNetwork, data: PairData) -> PairOutput:
    """Raw answers for all pairs."""
    network.eval()
    parts = [network.answer(*data.inputs(batch)) for batch in torch.arange(len(data)).split(_BATCH)]
    return PairOutput(*(torch.cat([getattr(part, one.name) for part in parts]) for one in fields(PairOutput)))


def fit_sharpness(network: PairNetwork, data: PairData) -> None:
    """Sets the inverse temperatures of the network to those that fit labelled pairs best."""
    said = mean_answers(network, data)
    kinds = said.kind
    network.sharpness.data[0] = _best(said.abs, data.abs)
    known = data.kind >= 0
    if bool(known.any()):
        network.sharpness.data[1] = _best(kinds[known], functional.one_hot(data.kind[known], kinds.shape[1]).float())


def _best(logits: Tensor, target: Tensor) -> float:
    """The factor in 0.1 to 10 with the smallest cross-entropy. One number: looking at 200 is exact enough."""
    factors = torch.logspace(-1, 1, 200)
    losses = [-(target * (factor * logits).log_softmax(1)).sum(1).mean() for factor in factors]
    return float(factors[torch.stack(losses).argmin()])
