"""Temperatures from labelled pairs: what fits many, and how little a few decide."""

from __future__ import annotations

import torch
from torch import Tensor

from abs_index.training.calibration import _best


def answers(count: int, right: float) -> tuple[Tensor, Tensor]:
    """Logits that say the first of three classes, and labels of which a share agrees."""
    logits = torch.tensor([[2.0, 0.0, 0.0]]).repeat(count, 1)
    label = (torch.arange(count) >= round(right * count)).long()
    return logits, torch.nn.functional.one_hot(label, 3).float()


def test_many_pairs_decide_whatever_was_before() -> None:
    logits, labels = answers(3000, 0.6)
    free, bound = _best(logits, labels), _best(logits, labels, before=3.0)
    assert abs(bound - free) < 0.05
    said = torch.softmax(free * logits[0], 0)[0]
    assert abs(float(said) - 0.6) < 0.02


def test_a_few_pairs_that_are_right_do_not_make_it_certain() -> None:
    logits, labels = answers(2, 1.0)
    assert _best(logits, labels) > 8
    assert 1.2 <= _best(logits, labels, before=1.2) < 1.5
    assert 0.9 < _best(*answers(2, 0.0), before=1.2) <= 1.2
