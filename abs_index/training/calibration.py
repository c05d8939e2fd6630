"""Temperature scaling (Guo et al. 2017, section 4.2): probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn import functional

from abs_index.networks.pair import PairNetwork, PairOutput
from abs_index.training.fit import PairData

_BATCH = 512

_SPREAD = 0.3
"""How far the logarithm of a temperature is expected to be from that of the network before: by a third either way."""

READINGS = ((True, True), (True, False), (False, True), (False, False))
"""What a reader may be given beside a text: the words in the picture, and what the document tells of the figure."""


@torch.inference_mode()
def mean_answers(network: PairNetwork, data: PairData) -> PairOutput:
    """Raw answers for all pairs."""
    network.eval()
    parts = [network.answer(*data.inputs(batch)) for batch in torch.arange(len(data)).split(_BATCH)]
    return PairOutput(*(torch.cat([getattr(part, one.name) for part in parts]) for one in fields(PairOutput)))


def fit_sharpness(network: PairNetwork, data: PairData) -> None:
    """Sets the inverse temperatures of the network to those that fit labelled pairs best."""
    network.sharpness.data.copy_(best_sharpness(mean_answers(network, data), data))


def best_sharpness(said: PairOutput, data: PairData, before: Tensor | None = None) -> Tensor:
    """The inverse temperatures (2,), of `abs` and of `kind`, that fit the labels of pairs best; 1 where none are.

    With those of the network `before`, which stay where there are no labels, few pairs move them little: a handful
    that the network gets right would make it certain of everything.
    """
    known = data.kind >= 0
    kinds = functional.one_hot(data.kind[known], said.kind.shape[1]).float()
    abs_before, kind_before = (None, None) if before is None else map(float, before)
    kind = _best(said.kind[known], kinds, kind_before) if len(kinds) else kind_before or 1.0
    return torch.tensor([_best(said.abs, data.abs, abs_before), kind])


def mean_sharpness(answers: Sequence[PairOutput], data: PairData, before: Tensor | None = None) -> Tensor:
    """The geometric mean (2,) of what fits several answers to the same pairs best."""
    return torch.stack([best_sharpness(said, data, before) for said in answers]).log().mean(0).exp()


def _best(logits: Tensor, target: Tensor, before: float | None = None) -> float:
    """The factor in 0.1 to 10 with the smallest cross-entropy. One number: looking at 200 is exact enough."""
    factors = torch.logspace(-1, 1, 200)
    losses = torch.stack([-(target * (factor * logits).log_softmax(1)).sum(1).mean() for factor in factors])
    if before is not None:
        losses += ((factors / before).log() / _SPREAD).square() / 2 / max(1, len(target))
    return float(factors[losses.argmin()])
