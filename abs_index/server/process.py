"""One server process in the background: started in a session of its own, found again and stopped by its number."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from abs_index.server.account import Account

KILL_PATIENCE = 10.0
"""Seconds until a killed process must be gone; what it held (port, lock of its data) is then free again."""

GROUP_PATIENCE = 3.0
"""Seconds for its children after that. Dead ones that nobody buries are not worth a longer wait."""


@dataclass(frozen=True)
class Process:
    """A process and those that it started, which share its group.

    `mark` stands in its command line: numbers are used again, and a stranger must not be stopped.
    """

    pid: int
    mark: str

    def alive(self) -> bool:
        """Whether the process is there, is ours, and has not ended."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:  # gone, or started by another run of the program
            return self.mark in _command_line(self.pid)

    def terminate(self, patience: float) -> None:
        """Asks the process to end in good order, and makes it end after `patience` seconds."""
        if self.alive():
            self._signal(signal.SIGTERM)
            self._wait(patience)
        self.kill()

    def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        if self.alive():
            self._signal(signal.SIGKILL)
            self._wait(KILL_PATIENCE)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _wait(self, patience: float) -> None:
        _until(lambda: not self.alive(), patience)
        _until(lambda: not self._group_lives(), GROUP_PATIENCE)

    def _group_lives(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


def spawn(command: Sequence[str], mark: str, environment: Mapping[str, str], output: Path, account: Account) -> Process:
    """Starts a program that outlives us, its output going to a file."""
    with output.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (a server that we unpacked)
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.user,
            group=account.group,
            extra_groups=account.groups,
            cwd="/",
        )
    process.returncode = 0  # it is ours to bury, by its number: Popen must not warn that it still runs
    return Process(process.pid, mark)


def _until(done: Callable[[], bool], patience: float) -> None:
    end = time.monotonic() + patience
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return ""
    run = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return run.stdout
