"""Measures published figures again: runs the commands of the reproduction matrix, and compares what they print."""

from __future__ import annotations

import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Literal

from abs_index.resources import shipped
from abs_index.training.reproduction_matrix import Figure, Matrix, Run

Verdict = Literal["ok", "missed", "failed", "not run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one figure. `measured` is None where there is no number, and `reason` says why."""

    name: str
    run: str
    expected: float
    unit: str
    allowed: str
    verdict: Verdict
    measured: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where commands run: in `root`, a checkout of the repository or any folder, on what is in `data`."""

    root: Path
    data: Path

    @classmethod
    def of(cls, data: Path | None = None) -> Places:
        """The checkout that we run from, else the working directory; data left out, `../shared` as seen from there."""
        checkout = shipped("pipelines").parent
        root = checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
        return cls(root, (data or root.parent / "shared").absolute())


class _Failure(Exception):
    """A command gave no result; the message is one line."""


def reproduce(
    matrix: Matrix, runs: Sequence[Run], places: Places, tell: Callable[[Run], None] = lambda run: None
) -> Iterator[Outcome]:
    """Runs commands one after the other, and says of each of their figures whether it is as published.

    `tell` is called before each command that is run. What is missing makes a figure "not run", never an error.
    """
    elsewhere = hardware_class() != matrix.measured_on
    for run in runs:
        missing = what_is_missing(run, places)
        if missing:
            yield from (_outcome(matrix, run, figure, elsewhere, "not run", missing) for figure in run.figures)
            continue
        tell(run)
        try:
            result = _execute(run, places)
        except _Failure as failure:
            yield from (_outcome(matrix, run, figure, elsewhere, "failed", str(failure)) for figure in run.figures)
            continue
        yield from (_compare(matrix, run, figure, elsewhere, result) for figure in run.figures)


def hardware_class() -> str:
    """What decides how a network computes here: `x86_64 float32`, or `x86_64 bfloat16` where a processor has that."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    short = re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", flags)
    return f"{platform.machine()} {'bfloat16' if short else 'float32'}"


def what_is_missing(run: Run, places: Places) -> str:
    """Why a run cannot be tried here, in one line; empty where nothing is missing."""
    for argument in run.command[:2]:
        if argument.startswith(("scripts/", "benchmarks/")) and not (places.root / argument).is_file():
            return f"no {argument} here: run it in a checkout of the repository"
    for argument in run.command:
        path = Path(argument.replace("{data}", str(places.data)))
        if "{data}" in argument and not path.exists():
            return f"no {path}: --data says where corpora/ and labels/ are"
    absent = [extra for extra in run.extras if not _installed(extra)]
    if absent:
        return f"the extra [{absent[0]}] is not installed: pip install 'abs-index[{absent[0]}]'"
    programs = [program for program in run.programs if not shutil.which(program)]
    return f"the program {programs[0]} is not installed" if programs else ""


def _installed(extra: str) -> bool:
    """Whether everything is installed that the extra asks for."""
    wanted = [line for line in requires("abs-index") or () if re.search(rf"extra == ['\"]{extra}['\"]", line)]
    try:
        for line in wanted:
            distribution(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    except PackageNotFoundError:
        return False
    return bool(wanted)


def _execute(run: Run, places: Places) -> object:
    """What the command prints as JSON on its last line. Raises _Failure."""
    with tempfile.TemporaryDirectory() as temp, tempfile.TemporaryFile("w+", errors="replace") as said:
        command = _arguments(run.command, places, temp)
        start = time.monotonic()
        with subprocess.Popen(command, cwd=places.root, stdout=subprocess.PIPE, stderr=said, text=True) as process:  # noqa: S603 (a list of ours, no shell)
            try:
                printed, _ = process.communicate(timeout=_patience(run))
            except subprocess.TimeoutExpired:
                _end(process)
                raise _Failure(f"not done after {time.monotonic() - start:.0f} s") from None
        said.seek(0)
        last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
    if process.returncode:
        raise _Failure(f"exit code {process.returncode}: {last}")
    lines = printed.strip().splitlines() or [""]
    try:
        return json.loads(lines[-1])
    except ValueError:
        raise _Failure(f"it printed no JSON, but: {lines[-1][:100]}") from None


def _end(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C ends it, so that it can stop servers that it has started; by force where that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def _patience(run: Run) -> float:
    """Seconds after which a command is ended: a slow machine is slow, but not that slow."""
    return 10 * run.seconds + 60


def _arguments(command: Sequence[str], places: Places, temp: str) -> list[str]:
    program, *rest = (part.replace("{data}", str(places.data)).replace("{temp}", temp) for part in command)
    ours = {"python": [sys.executable], "abs-index": [sys.executable, "-m", "abs_index.cli.main"]}
    return [*ours.get(program, [str(places.root / program)]), *rest]


def _compare(matrix: Matrix, run: Run, figure: Figure, elsewhere: bool, result: object) -> Outcome:
    try:
        value = _number(result, figure.path) * figure.times
        value /= _number(result, figure.over) if figure.over else 1
    except (_Failure, ZeroDivisionError) as failure:
        return _outcome(matrix, run, figure, elsewhere, "failed", str(failure))
    near = matrix.tolerances[figure.tolerance].allows(value, figure.expected, elsewhere=elsewhere)
    return _outcome(matrix, run, figure, elsewhere, "ok" if near else "missed", measured=value)


def _number(result: object, path: str) -> float:
    """The number at a path of keys and positions. Raises _Failure where there is none."""
    found = result
    for key in path.split("/"):
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise _Failure(f"there is no {path!r} in what it printed")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise _Failure(f"{path!r} is no number, but {json.dumps(found)[:60]}")
    return float(found)


def _outcome(
    matrix: Matrix,
    run: Run,
    figure: Figure,
    elsewhere: bool,
    verdict: Verdict,
    reason: str = "",
    *,
    measured: float | None = None,
) -> Outcome:
    allowed = matrix.tolerances[figure.tolerance].describe(figure.expected, elsewhere=elsewhere)
    return Outcome(figure.name, run.name, figure.expected, figure.unit, allowed, verdict, measured, reason)
