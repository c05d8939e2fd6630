"""Fits the support vector machine of a network with libsvm (through scikit-learn)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor

from abs_index.errors import LabelsError
from abs_index.labels import ABS
from abs_index.model.vocabulary import PAD
from abs_index.networks.kernel import KernelMachine
from abs_index.networks.pair import GRADES, PairNetwork
from abs_index.networks.reader import ReaderNetwork
from abs_index.recipe import KernelSettings
from abs_index.training.fit import PairData

_BATCH = 512

_CMI = GRADES.index("cmi")

_RIDGE, _JITTER = 1.0, 1e-4
"""The first was better than 3 and 10 on validation pairs; the second keeps the equations solvable."""

_LEAST_SPREAD = 1e-3
"""A part of the descriptions that is the same for all pairs is not blown up beyond what float16 holds."""


@torch.no_grad()
def fit_kernel(network: PairNetwork | ReaderNetwork, data: PairData, settings: KernelSettings) -> None:
    """Sets the kernel machine of a network. See `fit_machine`."""
    described = [network.describe(*data.inputs(batch)) for batch in torch.arange(len(data)).split(_BATCH)]
    fit_machine(network.kernel, torch.cat(described), data, settings)


@torch.no_grad()
def fit_machine(machine: KernelMachine, described: Tensor, data: PairData, settings: KernelSettings) -> None:
    """Sets a kernel machine from the descriptions (N, D) of labelled pairs. Each part of them weighs the same.

    Where the labels need more support vectors than the machine has room for, those with the smallest coefficients are
    left out. Deterministic. Raises LabelsError where a label is missing.
    """
    if len(data.label.unique()) < len(ABS):
        raise LabelsError("the kernel machine needs training pairs of all three labels (or [kernel] share = 0)")
    machine.shift.copy_(described.mean(0))
    machine.scale.copy_(_scale(described, machine.widths) * (settings.width / len(machine.widths)) ** 0.5)
    # As float16, which the model folder keeps: the machine is fitted in the very space that it is used in.
    places = ((described - machine.shift.half().float()) * machine.scale.half().float()).half().float()
    svc = SVC(C=settings.penalty, gamma=1.0, decision_function_shape="ovo", cache_size=1000)
    svc.fit(places.numpy(), data.label.numpy(), sample_weight=data.weight.numpy())
    chosen, coefficients = _one_output_a_label(svc, len(machine.supports))
    machine.supports[: len(chosen)] = places[torch.from_numpy(svc.support_[chosen])]
    machine.coefficients[: len(chosen), : len(ABS)] = torch.from_numpy(coefficients[chosen]).float()
    machine.bias[: len(ABS)] = torch.from_numpy(_by_label(svc.intercept_[None])[0]).float()
    if len(machine.bias) > len(ABS):
        known = ~data.grades[:, _CMI].isnan()
        learnt = _fit_ridge(places[known], machine.supports[: len(chosen)], data.grades[known, _CMI])
        machine.coefficients[: len(chosen), len(ABS)], machine.bias[len(ABS)] = learnt


def _fit_ridge(places: Tensor, supports: Tensor, values: Tensor) -> tuple[Tensor, float]:
    """Coefficients (S,) and bias of kernel ridge regression (Saunders et al. 1998) over given vectors."""
    if not len(values):
        return torch.zeros(len(supports)), 0.5
    bias = float(values.double().mean())
    kernel, between = (_gauss(some.double(), supports.double()) for some in (places, supports))
    penalty = _RIDGE * between + _JITTER * torch.eye(len(supports), dtype=torch.float64)
    found = torch.linalg.solve(kernel.T @ kernel + penalty, kernel.T @ (values.double() - bias))
    return found.float(), bias


def _gauss(one: Tensor, other: Tensor) -> Tensor:
    return torch.exp(-(torch.cdist(one, other) ** 2))


def fit_rarity(network: PairNetwork, data: PairData) -> None:
    """Sets the weights of words in the mean that the kernel machine of a pair network sees."""
    network.rarity.data.copy_(_rarity(data.words, len(network.rarity)))


def _rarity(words: Tensor, size: int) -> Tensor:
    """Inverse document frequencies (V, 1); that of padding is zero."""
    there = torch.zeros(len(words), size, dtype=torch.bool)
    there.scatter_(1, words.long(), torch.ones(1, dtype=torch.bool).expand(words.shape))
    rarity = torch.log((1 + len(words)) / (1 + there.sum(0).float()))
    rarity[PAD] = 0
    return rarity[:, None]


def _scale(described: Tensor, widths: Sequence[int]) -> Tensor:
    """Factors that give each part a total variance of 1. Traits have units of their own: each counts the same first."""
    parts = []
    for number, part in enumerate(described.split(list(widths), 1)):
        own = 1 / (part.std(0) + 1e-3) if number == 1 else torch.ones(part.shape[1])
        parts.append(own / (part * own).var(0).sum().sqrt().clamp_min(_LEAST_SPREAD))
    return torch.cat(parts)


def _one_output_a_label(svc: SVC, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of support vectors to keep, and coefficients (S, 3) of the sum of each label's votes against the others.

    libsvm keeps, for the support vectors of class i, their coefficients in the two decisions that i takes part in.
    """
    starts = np.concatenate([[0], np.cumsum(svc.n_support_)])
    decisions = np.zeros((len(svc.support_), len(ABS)))
    for column, (first, second) in enumerate(_PAIRS):
        rows = slice(starts[first], starts[first + 1])
        decisions[rows, column] = svc.dual_coef_[second - 1, rows]
        rows = slice(starts[second], starts[second + 1])
        decisions[rows, column] = svc.dual_coef_[first, rows]
    coefficients = _by_label(decisions)
    strongest = np.argsort(-np.abs(coefficients).sum(1), kind="stable")[:most]
    return np.sort(strongest), coefficients


_PAIRS = ((0, 1), (0, 2), (1, 2))
"""The decisions of libsvm for three labels, positive for the first."""


def _by_label(decisions: np.ndarray) -> np.ndarray:
    """Decisions (N, 3) between two labels each to one answer a label (N, 3)."""
    answers = np.zeros_like(decisions)
    for column, (first, second) in enumerate(_PAIRS):
        answers[:, first] += decisions[:, column]
        answers[:, second] -= decisions[:, column]
    return answers
