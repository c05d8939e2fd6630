"""Search by meaning: which mode a search runs in, and the vector that its words become."""

from __future__ import annotations

from threading import Lock
from typing import Final, Literal, get_args

from abs_index.errors import ModelMismatchError, UsageError
from abs_index.model.base import Floats
from abs_index.model.text_encoder import TextEncoder, is_installed, load_text_encoder

Mode = Literal["lexical", "semantic", "hybrid"]
"""How words find figures: as words (BM25), by what they mean (vectors of texts), or both, fused by reciprocal rank."""

MODES: Final[tuple[Mode, ...]] = get_args(Mode)


class Meaning:
    """What one index knows of meaning. May be used from several threads."""

    def __init__(self, fingerprint: str | None, encoder: TextEncoder | None = None) -> None:
        """`fingerprint` is of the encoder that made the vectors of texts, None where the index has none.

        `encoder` is used for queries; left out, it is the one of the extra [semantic], loaded when it is first needed.
        """
        self._fingerprint = fingerprint
        self._encoder = encoder
        self._lock = Lock()

    @property
    def default(self) -> Mode:
        """The mode that finds most (`benchmarks/retrieval.py`): hybrid where this index and this machine can."""
        able = self._fingerprint is not None and (self._encoder is not None or is_installed())
        return "hybrid" if able else "lexical"

    def choose(self, mode: str | None) -> Mode:
        """The mode that is asked for, or the default. Raises UsageError where there is none, or the index lacks it."""
        if mode is None:
            return self.default
        chosen = next((each for each in MODES if each == mode), None)
        if chosen is None:
            raise UsageError(f"mode: {mode!r} does not exist; valid are {', '.join(MODES)}")
        if chosen != "lexical" and self._fingerprint is None:
            raise UsageError(
                f"mode {chosen}: there are no vectors of texts in this index; build it again with --text-vectors (only "
                "they are made; what is on a cluster is pushed again), or search with mode lexical"
            )
        return chosen

    def vector(self, words: str) -> Floats:
        """The vector (d,) of the words of a query.

        Raises MissingExtraError, ModelError, and ModelMismatchError where another encoder made those of the index.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = load_text_encoder()
            info = self._encoder.info
            if info.fingerprint != self._fingerprint:
                raise ModelMismatchError(
                    f"this index has vectors of texts by the encoder {(self._fingerprint or '')[:12]}, installed is "
                    f"{info.name} ({info.fingerprint[:12]}); build it again with --text-vectors, or search with mode "
                    "lexical"
                )
            vector: Floats = self._encoder.encode([words])[0]
        return vector
