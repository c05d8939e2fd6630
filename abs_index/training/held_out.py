"""Which labelled pairs a training is judged by, where the labels do not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from abs_index.errors import LabelsError
from abs_index.training.labelled import LabelledPair, training_pairs

_MOST = 1.5
"""A document that would make more than this times the wanted share is passed over, where there are others."""


def split_pairs(
    pairs: Sequence[LabelledPair], share: float, seed: int
) -> tuple[list[LabelledPair], list[LabelledPair]]:
    """Pairs to learn from, and pairs to decide and calibrate by: those of split `validation` where there are any.

    Else about `share` of the pairs of split `train` are cut off, whole documents; where they name fewer than two
    documents, whole images. By the same seed, the same ones are cut off first, whatever else is in the labels. Raises
    LabelsError where nothing can be cut off, or what is left has one label only.
    """
    training = training_pairs(pairs)
    validation = [pair for pair in pairs if pair.split == "validation"]
    if validation:
        return training, validation
    homes = _homes(training)
    chosen = _choose(Counter(homes), share, seed)
    validation = [pair for pair, home in zip(training, homes, strict=True) if home in chosen]
    rest = [pair for pair, home in zip(training, homes, strict=True) if home not in chosen]
    return training_pairs(rest), validation


def _homes(pairs: Sequence[LabelledPair]) -> list[str]:
    """What each pair is kept together by: its document, else its image."""
    documents = [f"{pair.corpus or ''}\n{pair.document}" if pair.document else pair.image for pair in pairs]
    homes = documents if len(set(documents)) > 1 else [pair.image for pair in pairs]
    if len(set(homes)) < 2:
        raise LabelsError("all pairs to train on have the same image: give more, or some with split 'validation'")
    return homes


def _choose(sizes: Counter[str], share: float, seed: int) -> set[str]:
    """Some of the homes, in an order by chance, until they have the share of the pairs."""
    wanted = share * sizes.total()
    chosen: set[str] = set()
    count = 0
    for home in sorted(sizes, key=lambda home: _chance(home, seed)):
        if count < wanted and count + sizes[home] <= _MOST * wanted:
            chosen.add(home)
            count += sizes[home]
    return chosen or {min(sizes, key=lambda home: (sizes[home], _chance(home, seed)))}


def _chance(home: str, seed: int) -> bytes:
    return blake2b(home.encode("utf-8", "surrogatepass"), key=seed.to_bytes(8, "big", signed=True)).digest()
