"""A text encoder for tests: words that mean the same have the same place in its vectors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

from abs_index.model.base import Floats
from abs_index.model.text_encoder import TextEncoder, TextEncoderInfo

DIM = 48

_MEANINGS = (
    {"car", "cars", "automobiles", "vehicles", "traffic"},
    {"queue", "queues", "jam", "jams", "congestion"},
    {"turbine", "turbines", "windmill", "windmills"},
    {"gel", "electrophoresis", "proteins", "biochemistry"},
)


class FakeTextEncoder(TextEncoder):
    """Counts meanings, and other words by hash. `texts_seen` are all texts that it was given."""

    def __init__(self, name: str = "meanings", dim: int = DIM) -> None:
        self.info = TextEncoderInfo(name, f"{zlib.crc32(name.encode()):08x}", dim)
        self.texts_seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Floats:
        self.texts_seen += texts
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                place, weight = _place(word, self.info.dim)
                row[place] += weight
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _place(word: str, dim: int) -> tuple[int, float]:
    for place, words in enumerate(_MEANINGS):
        if word in words:
            return place, 1.0
    return len(_MEANINGS) + zlib.crc32(word.encode()) % (dim - len(_MEANINGS)), 0.2
