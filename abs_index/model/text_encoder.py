"""Vectors of texts by what they mean, for search: what a text encoder is, whichever network it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from abs_index.model.base import Floats


@dataclass(frozen=True, slots=True)
class TextEncoderInfo:
    """Which encoder made vectors. Vectors can be compared only where `fingerprint` is the same; `dim` is their size."""

    name: str
    fingerprint: str
    dim: int


class TextEncoder(ABC):
    """Makes vectors of texts. Answers one call at a time."""

    info: TextEncoderInfo

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Floats:
        """Vectors float32 (N, dim) of unit length; a text without any word gives zeros, which no search finds."""
