"""A pretraining in a process of its own, which kills itself at a chosen moment as `kill -9` would."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import torch

import abs_index.training.checkpoint as checkpoint
from abs_index.recipe import Recipe
from abs_index.training.pretrain import PretrainProgress, pretrain
from abs_index.training.steps import StepProgress
from tests.networks.paper_settings import TINY

RECIPE = Recipe(name="tiny", paper=TINY)


def run_and_die(corpora: Sequence[Path], folder: Path, step: int, *, in_checkpoint: bool = False) -> int | None:
    """Pretrains until the end of a step, or until the checkpoint of a step is written but not yet in its place."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(corpora, folder, step, in_checkpoint))
    process.start()
    process.join(120)
    return process.exitcode


def _run(corpora: Sequence[Path], folder: Path, step: int, in_checkpoint: bool) -> None:
    torch.set_num_threads(1)
    done = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def told(now: int, _: int) -> None:
        nonlocal done
        done = now
        if now == step and not in_checkpoint:
            die()

    replace = checkpoint.replace_durably

    def replace_or_die(part: Path, path: Path) -> None:
        if in_checkpoint and path.name == checkpoint.CHECKPOINT and done + 1 == step:
            die()
        replace(part, path)

    checkpoint.replace_durably = replace_or_die
    pretrain(RECIPE, corpora, folder, progress=PretrainProgress(steps=StepProgress(step=told)))
