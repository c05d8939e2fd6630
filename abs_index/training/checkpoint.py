"""Where a training stands: one file with weights, optimizer and random numbers, replaced as a whole.

A training that was killed goes on from its last checkpoint as if it had never stopped: nothing that a step hangs on is
outside of the file, and a file is there whole or not at all. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from abs_index.errors import ModelError

CHECKPOINT = "checkpoint.safetensors"
FORMAT = "abs-index-checkpoint-1"

_NETWORK, _OPTIMIZER, _RANDOM = "network.", "optimizer.", "random."


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained: a network and its optimizer. `identity` says for which recipe, words and data."""

    network: nn.Module
    optimizer: Optimizer
    identity: str


def save_checkpoint(folder: Path, training: Training, step: int) -> None:
    """Writes `folder`/checkpoint.safetensors, in place of the one before. Raises ModelError where that fails."""
    state = training.optimizer.state_dict()
    tensors = {f"{_NETWORK}{name}": value for name, value in training.network.state_dict().items()}
    tensors |= {
        f"{_OPTIMIZER}{row}.{name}": value for row, one in state["state"].items() for name, value in one.items()
    }
    tensors |= {f"{_RANDOM}{name}": value for name, value in _random_states().items()}
    said = {"step": step, "identity": training.identity, "groups": state["param_groups"]}
    write_tensors(folder / CHECKPOINT, tensors, {"format": FORMAT, "state": json.dumps(said)})


def load_checkpoint(folder: Path, training: Training) -> int:
    """Brings network, optimizer and random numbers to where they were, and gives the step; 0 where there is no
    checkpoint. Raises ModelError for one that is damaged, foreign, or of another recipe, vocabulary or data."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return 0
    tensors, state = read_checkpoint(path)
    if state["identity"] != training.identity:
        raise ModelError(f"{path}: of a training with another recipe, vocabulary or data; give another folder")
    try:
        training.network.load_state_dict(_part(tensors, _NETWORK))
        training.optimizer.load_state_dict({"state": _optimizer_state(tensors), "param_groups": state["groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: does not fit the network ({' '.join(str(error).split())[:200]})") from None
    _set_random_states(_part(tensors, _RANDOM))
    return int(state["step"])


def load_part(path: Path, module: nn.Module, prefix: str) -> None:
    """The weights of one part of a checkpoint's network, whose names start with `prefix`, into `module`.

    Raises ModelError where they do not fit: of another recipe or vocabulary.
    """
    tensors, _ = read_checkpoint(path)
    try:
        module.load_state_dict(_part(tensors, f"{_NETWORK}{prefix}"))
    except RuntimeError as error:
        raise ModelError(
            f"{path}: does not fit; was it made with this recipe and vocabulary? ({' '.join(str(error).split())[:200]})"
        ) from None


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors of a checkpoint, and its state: `step`, `identity`, `groups`. Raises ModelError."""
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: no checkpoint of this version; this version reads {FORMAT}")
    state: dict[str, Any] = json.loads(metadata["state"])
    return tensors, state


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises ModelError for one that is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except SafetensorError as error:
        raise ModelError(f"{path}: damaged, or not in the safetensors format ({error})") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file, whole or not at all. Raises ModelError where it cannot be written."""
    part = path.with_name(f"{path.name}.part")
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, part, metadata)
        replace_durably(part, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be written: {error}") from None


def replace_durably(part: Path, path: Path) -> None:
    """Puts a finished file in its place, so that a power cut leaves the old or the new one."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, _OPTIMIZER).items():
        row, _, key = name.partition(".")
        state.setdefault(int(row), {})[key] = value
    return state


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
