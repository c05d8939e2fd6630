"""What is learnt when a model is fine-tuned, in the form that `training.steps` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from abs_index.model.vocabulary import PAD
from abs_index.networks.pair import PairNetwork, PairOutput
from abs_index.networks.reader import ReaderNetwork
from abs_index.recipe import Recipe
from abs_index.training.fit import PairData, pair_loss
from abs_index.training.steps import Advice

_CHUNK = 64
"""Pairs of like length that are answered at once."""

Network = PairNetwork | ReaderNetwork
"""The networks that can be fine-tuned."""


@dataclass(frozen=True, slots=True)
class PairExamples:
    """Some pairs; pair i has row i of `contexts`."""

    data: PairData

    @classmethod
    def take(cls, data: PairData, rows: Sequence[int]) -> Self:
        """Some of the pairs of `data`, whose images may be shared."""
        chosen = torch.tensor(list(rows))
        shared = cls(replace(data, contexts=data.row))._each(lambda one: one[chosen]).data
        return cls(replace(shared, contexts=data.contexts[shared.row], row=torch.arange(len(chosen))))

    def __len__(self) -> int:
        return len(self.data)

    def rows(self, start: int, end: int) -> Self:
        """Some of the pairs, one after the other."""
        some = self._each(lambda one: one[start:end]).data
        return type(self)(replace(some, row=torch.arange(len(some), device=some.row.device)))

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return self._each(lambda one: one.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(PairData(**{one.name: change(getattr(self.data, one.name)) for one in fields(PairData)}))


class FineTuneTask:
    """Labelled pairs, and the members of a pair network that are to say their labels."""

    advice = Advice("try a smaller --learning-rate; no model was written", "take --device cpu")

    def __init__(self, network: Network, data: PairData, recipe: Recipe) -> None:
        self.network = network
        self._data, self._settings = data, recipe.training
        self._missed = recipe.reader.missed if recipe.reader else (0.0, 0.0)

    def __len__(self) -> int:
        return len(self._data)

    def load(self, rows: Sequence[int]) -> PairExamples:
        """Some of the pairs."""
        return PairExamples.take(self._data, rows)

    def losses(self, batch: PairExamples) -> Mapping[str, Tensor]:
        """`loss`: the mean loss of the pairs, for each of them (N,), summed over the members."""
        rows = torch.arange(len(batch), device=batch.data.row.device)
        said = member_answers(self.network, *batch.data.inputs(rows), missed=self._missed)
        loss = torch.stack([pair_loss(one, batch.data, rows, self._settings) for one in said]).sum()
        return {"loss": loss.expand(len(batch))}


def fix_parts(network: Network) -> None:
    """Takes out of the training what stays as it is: the layer of the pair embedding, and a reader's sorter of
    kinds, which belongs to a projection in the image network. A reader's encoder never learns."""
    network.embedding.requires_grad_(False)
    if isinstance(network, ReaderNetwork) and network.sorter:
        network.sorter.requires_grad_(False)


def member_answers(
    network: Network, context: Tensor, words: Tensor, facts: Tensor, missed: tuple[float, float] = (0.0, 0.0)
) -> list[PairOutput]:
    """What each network of an ensemble says, since each learns on its own. Kernel machine and sorter do not.

    A reader sees a share of the pairs as if nobody had read their figures, and a share as if their documents told
    nothing of the figures (both in `missed`), so that it can do without.
    """
    if isinstance(network, ReaderNetwork):
        unread, untold = ((torch.rand(len(words)) < share).to(words.device) for share in missed)
        words, facts = network.hide(words, facts, unread, untold)
        reading = network.look(context, words, network.read(words), facts)
        return [member(reading) for member in network.members]
    told = network.tell(words, facts)
    return [member(network.vectors, context, words, told) for member in network.members]


@torch.inference_mode()
def raw_answers(network: Network, data: PairData, read: bool = True, told: bool = True) -> PairOutput:
    """Raw answers of the whole network for all pairs, in their order. A reader is not given the words in the pictures
    without `read`, and not what documents tell of the figures without `told`."""
    network.eval()
    order = (data.words != PAD).sum(1).argsort(stable=True)
    parts = []
    for rows in order.split(_CHUNK):
        context, words, facts = data.inputs(rows)
        if isinstance(network, ReaderNetwork):
            words, facts = network.hide_all(words, facts, read=read, told=told)
        parts.append(network.answer(context, words, facts))
    place = order.argsort()
    return PairOutput(*(torch.cat([getattr(part, one.name) for part in parts])[place] for one in fields(PairOutput)))
