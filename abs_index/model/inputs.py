"""What a pair network reads of a text, as arrays: each kind of network has its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abs_index.labels import Role
from abs_index.model.base import FigureWords, Floats
from abs_index.model.vocabulary import FACTS, Vocabulary, describe_batch


class PairInputs(ABC):
    """From texts to the inputs `words` and `facts` of a pair graph."""

    longest: int
    """Length of the longest row of `words`."""

    facts: int
    """How many facts there are."""

    step: int = 1
    """Rows of `words` are a multiple of this long; a divisor of 16, or a multiple of it."""

    @abstractmethod
    def encode(
        self, texts: Sequence[str], roles: Sequence[Role], figures: Sequence[FigureWords] | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        """Words int32 (N, L), padded with 0 to the longest (L at most `longest`), and facts float32 (N, F)."""


class WordInputs(PairInputs):
    """The words of a text, one number each, and facts about the text as a whole. Words about figures are not read."""

    def __init__(self, words: Sequence[str], max_tokens: int) -> None:
        """`words` is a vocabulary as `Vocabulary` wants it. Raises ValueError for any other."""
        self.vocabulary = Vocabulary(words)
        self.longest = max_tokens
        self.facts = FACTS

    def encode(
        self, texts: Sequence[str], roles: Sequence[Role], figures: Sequence[FigureWords] | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        """Words int32 (N, L), padded with 0 to the longest (L at most `longest`), and facts float32 (N, F)."""
        return self.vocabulary.encode_batch(texts, self.longest), describe_batch(texts, roles)
