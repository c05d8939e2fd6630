"""Trains the sorter of kinds of a reader."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from abs_index.networks.reader import KindSorter

_EPOCHS, _BATCH, _RATE, _DECAY = 8, 128, 2e-3, 0.05
_LEAST_SPREAD = 0.01
"""What hardly differs among the pairs is not blown up."""


def fit_sorter(sorter: KindSorter, described: Tensor, kinds: Tensor, seed: int) -> None:
    """Trains on descriptions (N, D) of pairs with the numbers of their kinds (N,), -1 where there is none."""
    known = kinds >= 0
    described, kinds = described[known], kinds[known]
    if len(kinds) < 2:
        return
    sorter.shift.copy_(described.mean(0))
    sorter.scale.copy_(1 / (described.std(0) + _LEAST_SPREAD))
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(sorter.layers.parameters(), _RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(kinds) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1, pct_start=0.1)
    sorter.train()
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(kinds), generator=generator).split(_BATCH):
            loss = functional.cross_entropy(sorter(described[rows]), kinds[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    sorter.eval()
