"""`abs-index` as a process of its own, with the network replaced by a tiny one.

Processes are forked from one that has everything imported and nothing running, so that starting them takes no time.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np

import abs_index.indexing.build
import abs_index.indexing.publish
from abs_index.cli.main import main
from abs_index.model.base import ImageFeatures
from tests.fakes import FakeModel


class SlowModel(FakeModel):
    """Takes `delay` seconds a batch, which gives the other stages time to be in any state, as a real network does."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._delay = delay

    def encode_images(self, pixels: np.ndarray) -> ImageFeatures:
        time.sleep(self._delay)
        return super().encode_images(pixels)


class Child:
    """`abs-index ARGUMENTS` in a process of its own, running from now on. What it prints is in `out` and `err`."""

    def __init__(self, folder: Path, *arguments: str, delay: float = 0.02) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir()))
        self._out, self._err = folder / f"{number}.out", folder / f"{number + 1}.err"
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.process = context.Process(target=_run, args=(arguments, self._out, self._err, delay))
        self.process.start()

    def wait(self, timeout: float = 60) -> int | None:
        """The exit code, negative for a signal; None where it still runs after `timeout` seconds."""
        self.process.join(timeout)
        return self.process.exitcode

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        self.process.kill()
        self.process.join()

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()


def _run(arguments: tuple[str, ...], out: Path, err: Path, delay: float) -> None:
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        target = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(target, stream.fileno())
    loader = ModuleType("abs_index.model.load")
    loader.load_model = lambda *_, **__: SlowModel(delay)  # type: ignore[attr-defined]
    sys.modules[loader.__name__] = loader
    # Small commits, so that a small corpus has many of them.
    abs_index.indexing.build.BuildOptions = partial(abs_index.indexing.build.BuildOptions, rows_a_commit=10)  # type: ignore[misc]
    sys.argv = ["abs-index", *arguments]
    main()
