"""Trains the sorter of kinds of a reader, and what it is told of pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.networks.reader import KindSorter

_EPOCHS, _BATCH, _RATE, _DECAY, _DROPOUT = 8, 128, 2e-3, 0.05, 0.4
_LEAST_SPREAD = 0.01
"""What hardly differs among the pairs is not blown up."""


def fit_sorter(
    sorter: KindSorter, projection: nn.Linear, pictures: Tensor, row: Tensor, told: Tensor, kinds: Tensor, seed: int
) -> None:
    """Trains a new sorter and a projection (`ImageNetwork.kinds`), whatever that was before.

    `pictures` (M, P) are standardised features, `row` (N,) says which of them is in each pair, `told` (N, T) are facts
    and mean state of its text, `kinds` (N,) the numbers of its kind, -1 where there is none. The same seed on the same
    machine gives the same weights.
    """
    known = kinds >= 0
    row, told, kinds = row[known], told[known], kinds[known]
    if len(kinds) < 2:
        return
    sorter.shift.data.copy_(told.mean(0))
    sorter.scale.data.copy_(1 / (told.std(0) + _LEAST_SPREAD))
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    projection.reset_parameters()
    learnt = [value for value in sorter.parameters() if value.requires_grad] + list(projection.parameters())
    optimizer = torch.optim.AdamW(learnt, _RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(kinds) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1, pct_start=0.1)
    sorter.train()
    for _ in range(_EPOCHS):
        for some in torch.randperm(len(kinds), generator=generator).split(_BATCH):
            seen = projection(functional.dropout(pictures[row[some]], _DROPOUT))
            loss = functional.cross_entropy(sorter(seen, told[some]), kinds[some], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    sorter.eval()
