"""What a folder of a training says about itself beside its recipe: regime, pairs, hardware, time."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from abs_index.errors import ModelError
from abs_index.training.checkpoint import replace_durably

NOTES = "run.json"


@dataclass(frozen=True, slots=True)
class RunNotes:
    """`regime` is empty for a pretraining. `seconds` are those of all runs that ended by themselves or by an error;
    a process that was killed is not in them."""

    regime: str
    pairs: int
    hardware: str
    seconds: float = 0.0


@contextmanager
def noting(folder: Path, regime: str, pairs: int, device: torch.device) -> Iterator[None]:
    """Writes `folder`/run.json around a training. Raises ModelError where it cannot be written or is damaged."""
    before = read_notes(folder).seconds if (folder / NOTES).is_file() else 0.0
    notes = RunNotes(regime, pairs, describe_hardware(device), before)
    start = time.monotonic()
    _write(folder, notes)
    try:
        yield
    finally:
        _write(folder, replace(notes, seconds=round(before + time.monotonic() - start, 1)))


def read_notes(folder: Path) -> RunNotes:
    """The notes of a folder. Raises ModelError where there are none, or they are damaged."""
    path = folder / NOTES
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return RunNotes(str(said["regime"]), int(said["pairs"]), str(said["hardware"]), float(said["seconds"]))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}; is it the folder of a training?") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path}: damaged; train into another folder") from None


def describe_hardware(device: torch.device) -> str:
    """The processor or card that torch calculates on, for a person."""
    if device.type == "cuda":
        return f"1 GPU ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''} of a CPU ({_processor()})"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _write(folder: Path, notes: RunNotes) -> None:
    path, part = folder / NOTES, folder / f"{NOTES}.part"
    try:
        part.write_text(json.dumps(asdict(notes)) + "\n", encoding="utf-8")
        replace_durably(part, path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
