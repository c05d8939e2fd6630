"""Vectors that are computed once and kept in the folder of a training, also when it is killed while they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from abs_index.errors import ModelError
from abs_index.training.checkpoint import read_tensors, write_tensors

FORMAT = "abs-index-vectors-1"

_PART = 512
"""Vectors that are written at once: those of a part that was not finished are computed again."""


def kept_vectors(
    path: Path, key: str, count: int, encode: Callable[[range], Tensor], begin: Callable[[], None]
) -> Tensor:
    """float32 (count, D): what `encode` gives for the rows 0 to `count`, from the file where they are there already.

    `key` stands for all that the vectors hang on; a file with another one is made anew. `begin` is called where there
    is something to compute. Raises ModelError for a file that is damaged or cannot be written.
    """
    known = _load(path, key)
    if known is not None:
        return known
    begin()
    parts = [
        _make_part(path.with_name(f"{path.stem}-{rows.start:08}.part"), key, rows, encode) for rows in _parts(count)
    ]
    vectors = torch.cat(parts)
    _save(path, key, vectors)
    for part in path.parent.glob(f"{path.stem}-*.part"):
        part.unlink()
    return vectors


def _parts(count: int) -> Iterator[range]:
    return (range(start, min(start + _PART, count)) for start in range(0, count, _PART))


def _make_part(path: Path, key: str, rows: range, encode: Callable[[range], Tensor]) -> Tensor:
    known = _load(path, key)
    if known is None:
        known = encode(rows)
        _save(path, key, known)
    return known


def _load(path: Path, key: str) -> Tensor | None:
    if not path.is_file():
        return None
    tensors, metadata = read_tensors(path)
    if metadata.get("key") != key:
        return None
    if metadata.get("format") != FORMAT or "vectors" not in tensors:
        raise ModelError(f"{path}: no vectors of this version; this version reads {FORMAT}")
    return tensors["vectors"]


def _save(path: Path, key: str, vectors: Tensor) -> None:
    write_tensors(path, {"vectors": vectors}, {"format": FORMAT, "key": key})
