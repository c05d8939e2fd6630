"""Several rankings into one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)

RANK_CONSTANT = 60


def fuse(rankings: Sequence[Sequence[Item]], constant: int = RANK_CONSTANT) -> list[tuple[Item, float]]:
    """Reciprocal rank fusion: each item with its score, best first.

    The score of an item is the sum of 1 / (constant + rank) over the rankings that hold it, rank 1 being the best
    (Cormack, Clarke, Büttcher 2009: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR; 60 is theirs). Scores of the rankings do not matter, so they need not be comparable. Items of one
    score keep the order in which they are met, the first ranking first.

    >>> fuse([["a", "b"], ["b", "c"]])
    [('b', 0.03252247488101534), ('a', 0.01639344262295082), ('c', 0.016129032258064516)]
    """
    scores: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (constant + rank)
    return sorted(scores.items(), key=lambda entry: -entry[1])
