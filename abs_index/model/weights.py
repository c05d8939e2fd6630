"""The weights of a model: small in the file, float16 in memory.

Large matrices (and convolutions over single pixels, which are nothing else) are stored as whole numbers from -127 to
127 with a scale a row, half as large as float16, and are multiplied out when a model is loaded. All runtimes calculate
with the same numbers, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from abs_index.errors import ModelError

Halves = NDArray[np.float16]

_SCALE = ":scale"
"""Behind the name of a tensor, its scale; no parameter of torch has a colon in its name."""
_LEAST_NUMBERS = 4096
"""Smaller tensors are not worth it."""

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Weights:
    """All tensors of a model as float16, and one buffer of bytes that holds them, which graphs point into.

    `starts` says at which byte each tensor begins; a graph's own constants are at `constants`.
    """

    tensors: dict[str, Halves]
    buffer: NDArray[np.uint8]
    starts: dict[str, int]


CONSTANTS = "graph.constants"
"""Name of the bytes that graphs have beside the weights: shapes, scalars."""


def pack(tensors: Mapping[str, Halves]) -> dict[str, NDArray[Any]]:
    """Tensors as they are stored."""
    packed: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if _is_matrix(tensor):
            packed[name], scale = quantise_rows(tensor)
            packed[name + _SCALE] = scale.astype(np.float16)
        else:
            packed[name] = tensor
    return packed


def quantise_rows(matrix: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and the scale of each row (float16 can hold it) as a column.

    A matrix that was multiplied out of such numbers gives the same ones again.
    """
    largest = np.abs(matrix).max(axis=1, keepdims=True).astype(np.float32)
    scale = np.maximum(largest / 127, 1e-7).astype(np.float16).astype(np.float32)
    return np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8), scale


def _is_matrix(tensor: Halves) -> bool:
    """A large one, whose rows have more than a few numbers each."""
    return (
        tensor.size >= _LEAST_NUMBERS
        and tensor.ndim >= 2
        and tensor.shape[1] >= 16
        and tensor[0].size == tensor.shape[1]
    )


def unpack(packed: Mapping[str, NDArray[Any]]) -> dict[str, Halves]:
    """Stored tensors as float16, by their names. Raises KeyError where the scale of one is missing."""
    return {
        name: (tensor * packed[name + _SCALE].astype(np.float32)).astype(np.float16)
        if tensor.dtype == np.int8
        else tensor.astype(np.float16, copy=False)
        for name, tensor in packed.items()
        if not name.endswith(_SCALE) and name != CONSTANTS
    }


def lay_out(tensors: Mapping[str, Halves], constants: bytes) -> Weights:
    """One buffer of all tensors in the order of their names, and the constants of graphs behind them."""
    starts: dict[str, int] = {}
    end = 0
    parts = {name: tensors[name] for name in sorted(tensors)} | {CONSTANTS: np.frombuffer(constants, dtype=np.uint8)}
    for name, part in parts.items():
        starts[name] = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = starts[name] + part.nbytes
    buffer = np.zeros(end, dtype=np.uint8)
    for name, part in parts.items():
        buffer[starts[name] : starts[name] + part.nbytes] = np.frombuffer(part.tobytes(), dtype=np.uint8)
    return Weights(dict(tensors), buffer, starts)


def load_weights(path: Path) -> Weights:
    """The weights in a file that `model.folder.open_folder` has checked. Raises ModelError."""
    try:
        stored = load_file(path)
        return lay_out(unpack(stored), stored[CONSTANTS].tobytes())
    except (SafetensorError, KeyError, OSError) as error:
        raise ModelError(f"{path}: damaged, or not the weights of a model: {' '.join(str(error).split())}") from None
