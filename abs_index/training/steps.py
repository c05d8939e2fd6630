"""The steps of a training: batches in a fixed order, losses, log, checkpoints; the same for all that is trained."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from abs_index.errors import AbsIndexError
from abs_index.paper_settings import ScheduleSettings
from abs_index.training.checkpoint import Training, load_checkpoint, save_checkpoint
from abs_index.training.loss_log import CURVES, LossLog, draw_curves
from abs_index.training.regimes import clipped_together, trained_parameters

_AHEAD = 4
"""Batches that are made ready while the network works."""


@dataclass(frozen=True, slots=True)
class Batch:
    """N examples: `pixels` uint8 (N, S, S, 3), `words` int32 (N, sentences, words), `labels` int64 (N, 3), see
    `pair_batches.Labels`; and where they are known already, `vectors` float32 (N, features), the image vectors, and
    `articles` float32 (N, E), the article embeddings."""

    pixels: Tensor
    words: Tensor
    labels: Tensor
    vectors: Tensor | None = None
    articles: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, start: int, end: int) -> Self:
        """Some of the examples, one after the other."""
        return self._each(lambda one: one[start:end])

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return self._each(lambda one: one.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        known = (None if one is None else change(one) for one in (self.vectors, self.articles))
        return type(self)(change(self.pixels), change(self.words), change(self.labels), *known)


Check = Callable[[], Mapping[str, float]]
"""Values that are measured at a checkpoint, by the names that they have in the log."""


class Examples(Protocol):
    """What `Batch` can do, for a training whose examples are others."""

    def __len__(self) -> int:
        """How many examples."""

    def rows(self, start: int, end: int) -> Self:
        """Some of the examples, one after the other."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""


Some = TypeVar("Some", bound=Examples)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person can do: where a loss is no number, and where memory does not suffice for one example."""

    rate: str
    memory: str


def recipe_advice(section: str) -> Advice:
    """Of a training whose schedule is a section of the paper's recipe."""
    return Advice(
        f"try a smaller learning_rate or a longer warm_up in [{section}] of the recipe, and another folder",
        "take a smaller size or encoder in [paper.image]",
    )


class Task(Protocol[Some]):
    """What is learnt, and from what."""

    @property
    def network(self) -> nn.Module:
        """What learns."""

    @property
    def advice(self) -> Advice:
        """For messages."""

    def __len__(self) -> int:
        """How many examples there are."""

    def load(self, rows: Sequence[int]) -> Some:
        """Some of the examples. Is called from several threads."""

    def losses(self, batch: Some) -> Mapping[str, Tensor]:
        """Losses of each example (N,), for the log; the one named `loss` is made smaller."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Whom to tell: of steps (done, of how many, the last row of the log), and of what a person should know."""

    step: Callable[[int, int], None] | None = None
    note: Callable[[str], None] | None = None


def train_steps(
    task: Task[Some],
    schedule: ScheduleSettings,
    folder: Path,
    identity: str,
    device: torch.device,
    progress: StepProgress | None = None,
    check: Check | None = None,
) -> None:
    """Trains to the last step of the schedule, from the checkpoint in `folder` where there is one.

    `check` gives values for the log at each checkpoint, from a network that is in the mode of evaluation then. Writes
    checkpoints, a line of the log each `log_every` steps, and curves. On one machine with a CPU, a training that
    was stopped in any way and started again gives the same log and weights as one that was not. Raises AbsIndexError
    where a loss is no number or memory does not suffice for one example, ModelError for a checkpoint that does not fit.
    """
    _Run(task, schedule, folder, identity, device, progress or StepProgress(), check).go()


class _Run(Generic[Some]):
    def __init__(
        self,
        task: Task[Some],
        schedule: ScheduleSettings,
        folder: Path,
        identity: str,
        device: torch.device,
        progress: StepProgress,
        check: Check | None,
    ) -> None:
        self.task, self.schedule, self.folder, self.device, self.progress = task, schedule, folder, device, progress
        self.check = check
        network = task.network.to(device).train()
        optimizer = torch.optim.AdamW(trained_parameters(network), weight_decay=schedule.weight_decay)
        self.training = Training(network, optimizer, identity)
        self.groups = clipped_together(network)
        self.part = schedule.batch_size
        """Examples that go through the network at once."""
        self.step = load_checkpoint(folder, self.training)
        self.log = LossLog(folder, self.step)
        self.values: list[dict[str, Tensor]] = []

    def go(self) -> None:
        for batch in self._batches():
            self.step += 1
            for group in self.training.optimizer.param_groups:
                group["lr"] = learning_rate(self.schedule, self.step)
            self.values.append(self._learn(batch.to(self.device)))
            last = self.step == self.schedule.steps
            checkpoint = self.step % self.schedule.checkpoint_every == 0 or last
            if self.step % self.schedule.log_every == 0 or last:
                self._write_row(self._checked() if checkpoint else {})
            if checkpoint:
                save_checkpoint(self.folder, self.training, self.step)
                names = [name for name in self.log.rows[-1] if name not in ("step", "rate", "gradient")]
                draw_curves(self.log.rows, names, self.folder / CURVES)
            if self.progress.step:
                self.progress.step(self.step, self.schedule.steps)

    def _learn(self, batch: Some) -> dict[str, Tensor]:
        while True:
            try:
                return self._learn_in_parts(batch)
            except torch.OutOfMemoryError:
                self._halve_part()

    def _learn_in_parts(self, batch: Some) -> dict[str, Tensor]:
        """One step: the gradients of all parts of the batch are those of the whole batch."""
        optimizer = self.training.optimizer
        optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for start in range(0, len(batch), self.part):
            losses = self.task.losses(batch.rows(start, start + self.part))
            (losses["loss"].sum() / len(batch)).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach().sum() / len(batch)
        lengths = [nn.utils.clip_grad_norm_(group, self.schedule.clip) for group in self.groups]
        sums["gradient"] = lengths[0].detach()
        optimizer.step()
        return sums

    def _halve_part(self) -> None:
        if self.part == 1:
            lack = f"the memory of {self.device} does not suffice for one pair"
            raise AbsIndexError(f"step {self.step}: {lack}; {self.task.advice.memory}")
        self.part = -(-self.part // 2)
        torch.cuda.empty_cache()
        if self.progress.note:
            self.progress.note(
                f"step {self.step}: out of memory; goes on with {self.part} of the {self.schedule.batch_size} pairs of "
                "a batch at once"
            )

    def _checked(self) -> Mapping[str, float]:
        if self.check is None:
            return {}
        self.training.network.eval()
        values = self.check()
        self.training.network.train()
        return values

    def _write_row(self, checked: Mapping[str, float]) -> None:
        """The means since the last row, and what else is known. Nothing is written once there is a value that is no
        number: the checkpoint before stays sound."""
        means = {name: float(torch.stack([one[name] for one in self.values]).mean()) for name in self.values[0]}
        if not all(math.isfinite(value) for value in means.values()):
            first = self.step - len(self.values) + 1
            raise AbsIndexError(f"the loss is no number between steps {first} and {self.step}: {self.task.advice.rate}")
        self.values.clear()
        self.log.append({"step": self.step, **means, "rate": learning_rate(self.schedule, self.step), **checked})

    def _batches(self) -> Iterator[Some]:
        """The batches of the steps to come; some are made ready beforehand."""
        rows = batch_rows(len(self.task), self.schedule, self.step)
        with ThreadPoolExecutor(2) as pool:
            waiting = deque(pool.submit(self.task.load, some) for some in islice(rows, _AHEAD))
            try:
                while waiting:
                    batch = waiting.popleft().result()
                    waiting.extend(pool.submit(self.task.load, some) for some in islice(rows, 1))
                    yield batch
            finally:
                for one in waiting:
                    one.cancel()


def learning_rate(schedule: ScheduleSettings, step: int) -> float:
    """The rate of a step, counted from 1: rises in a line, then falls along a cosine to a hundredth."""
    if step <= schedule.warm_up:
        return schedule.learning_rate * step / schedule.warm_up
    part = (step - schedule.warm_up) / max(1, schedule.steps - schedule.warm_up)
    return schedule.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, part))) / 2)


def batch_rows(examples: int, schedule: ScheduleSettings, done: int) -> Iterator[list[int]]:
    """The examples of each step behind `done`: all in an order by chance, then all in another one, and so on.

    The order hangs on the seed and the step alone, so that a training can go on in the middle.
    """
    for step in range(done, schedule.steps):
        places = range(step * schedule.batch_size, (step + 1) * schedule.batch_size)
        orders = {epoch: _order(examples, schedule.seed, epoch) for epoch in {place // examples for place in places}}
        yield [int(orders[place // examples][place % examples]) for place in places]


@lru_cache(maxsize=4)
def _order(examples: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(examples, generator=generator)
