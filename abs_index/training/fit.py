"""Trains the members of a pair network on the features of images and the words of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from abs_index.errors import AbsIndexError
from abs_index.labels import ABS, KINDS
from abs_index.model.inputs import PairInputs
from abs_index.model.vocabulary import PAD
from abs_index.networks.pair import GRADES, PairMember, PairNetwork, PairOutput
from abs_index.recipe import Recipe, TrainingSettings
from abs_index.training.labelled import LabelledPair, figure_words

Step = Callable[[int, int, float], None]
"""Told the epoch, the number of epochs and the mean loss of the epoch."""


@dataclass(frozen=True, slots=True)
class PairData:
    """N pairs as tensors: inputs (`row` is the row of the pair's image in `contexts`) and targets.

    `abs` (N, 3) are probabilities: two passes that differ make halves; `label` (N,) is that of the first pass. `kind`
    (N,) is -1 and `grades` (N, 3) is nan
    where they are not given.
    """

    contexts: Tensor
    row: Tensor
    words: Tensor
    facts: Tensor
    abs: Tensor
    label: Tensor
    kind: Tensor
    grades: Tensor
    weight: Tensor

    @classmethod
    def make(
        cls,
        pairs: Sequence[LabelledPair],
        contexts: Tensor,
        rows: dict[str, int],
        inputs: PairInputs,
        recipe: Recipe,
        written: Mapping[str, str] | None = None,
    ) -> PairData:
        """`rows` says where in `contexts` each image is; `written` are the words in the images by their names."""
        weights = torch.tensor([recipe.training.confidence_weights[pair.confidence - 1] for pair in pairs])
        texts, roles = [pair.text for pair in pairs], [pair.role for pair in pairs]
        words, facts = inputs.encode(texts, roles, figure_words(pairs, written))
        return cls(
            contexts=contexts,
            row=torch.tensor([rows[pair.image] for pair in pairs]),
            words=torch.from_numpy(words),
            facts=torch.from_numpy(facts),
            abs=torch.tensor([_soft_label(pair) for pair in pairs]),
            label=torch.tensor([ABS.index(pair.abs) for pair in pairs]),
            kind=torch.tensor([-1 if pair.kind is None else KINDS.index(pair.kind) for pair in pairs]),
            grades=torch.tensor([_scaled_grades(pair) for pair in pairs]),
            weight=weights / weights.mean(),
        )

    def __len__(self) -> int:
        return len(self.row)

    def inputs(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Contexts, words and facts of some pairs; words are cut to the longest text among them."""
        words = self.words[batch]
        length = max(1, int((words != PAD).sum(1).max()))
        return self.contexts[self.row[batch]], words[:, :length], self.facts[batch]


def fit_members(network: PairNetwork, data: PairData, settings: TrainingSettings, step: Step | None = None) -> None:
    """Trains each member on its own. The same seed on the same machine gives the same weights."""
    for number, member in enumerate(network.members):
        assert isinstance(member, PairMember)
        torch.manual_seed(settings.seed + number)
        _fit_member(network, member, data, settings, _shuffles(data, settings, settings.seed + number), step)


def _fit_member(
    network: PairNetwork,
    member: PairMember,
    data: PairData,
    settings: TrainingSettings,
    epochs: Iterator[list[Tensor]],
    step: Step | None,
) -> None:
    optimizer = torch.optim.AdamW(_groups(member, settings), fused=True)
    total = settings.epochs * _steps(data, settings)
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=total + 1, pct_start=0.1)
    for epoch, batches in enumerate(epochs):
        member.train()
        losses = []
        for batch in batches:
            context, words, facts = data.inputs(batch)
            said = member(network.vectors, context, words, network.tell(words, facts))
            loss = pair_loss(said, data, batch, settings)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(member.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        mean = float(np.mean(losses))
        if not np.isfinite(mean):
            raise AbsIndexError(
                f"the loss is no number in epoch {epoch + 1}: try a smaller learning_rate in the recipe"
            )
        if step:
            step(epoch + 1, settings.epochs, mean)
    member.eval()


def pair_loss(
    said: PairOutput, data: PairData, batch: Tensor, settings: TrainingSettings, balance: Tensor | None = None
) -> Tensor:
    """Cross-entropy of `abs` weighted by confidence, and the auxiliary losses where their targets are given.

    `balance` (3,) are weights of the classes, of like weight where there are none.
    """
    target = data.abs[batch] if balance is None else data.abs[batch] * balance
    loss = (data.weight[batch] * -(target * said.abs.log_softmax(1)).sum(1)).mean()
    kind = data.kind[batch]
    if bool((kind >= 0).any()):
        loss = loss + settings.kind_weight * functional.cross_entropy(
            said.kind, kind, ignore_index=-1, label_smoothing=0.05
        )
    grades = data.grades[batch]
    known = ~grades.isnan()
    squares = torch.where(known, (said.grades - grades.nan_to_num()) ** 2, torch.zeros(()))
    return loss + settings.grades_weight * (squares.sum(0) / len(batch)).sum()


def _groups(member: PairMember, settings: TrainingSettings) -> list[dict[str, object]]:
    """Hints have a rate and a decay of their own: most words are rare."""
    words = [member.hints.weight]
    others = [value for name, value in member.named_parameters() if value.requires_grad and "hints" not in name]
    return [
        {"params": others, "lr": settings.learning_rate, "weight_decay": settings.weight_decay},
        {
            "params": words,
            "lr": settings.learning_rate * settings.word_rate,
            "weight_decay": settings.weight_decay,
        },
    ]


def _steps(data: PairData, settings: TrainingSettings) -> int:
    return -(-len(data) // settings.batch_size)


def _shuffles(data: PairData, settings: TrainingSettings, seed: int) -> Iterator[list[Tensor]]:
    """Batches of each epoch: shuffled, but with texts of like length together, which saves half of the time."""
    generator = torch.Generator().manual_seed(seed)
    lengths = (data.words != PAD).sum(1)
    size = settings.batch_size
    for _ in range(settings.epochs):
        yield like_lengths(lengths, size, 8, generator)


def like_lengths(lengths: Tensor, size: int, pool: int, generator: torch.Generator) -> list[Tensor]:
    """Rows of shuffled batches, in each of which lengths (N,) are alike: `pool` batches at a time are sorted."""
    order = torch.randperm(len(lengths), generator=generator)
    pools = [some[lengths[some].argsort(stable=True)] for some in order.split(pool * size)]
    batches = list(torch.cat(pools).split(size))
    return [batches[number] for number in torch.randperm(len(batches), generator=generator).tolist()]


def _soft_label(pair: LabelledPair) -> list[float]:
    given = [pair.abs, pair.second or pair.abs]
    return [given.count(label) / 2 for label in ABS]


def _scaled_grades(pair: LabelledPair) -> list[float]:
    grades = (getattr(pair, name) for name in GRADES)
    return [float("nan") if grade is None else grade / 3 for grade in grades]
