"""What the paper's pair network reads of a text: sentences of words, in one row of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abs_index.labels import Role
from abs_index.model.base import FigureWords, Floats
from abs_index.model.inputs import PairInputs
from abs_index.model.sentences import PAD, PaperVocabulary

FILL = -1
"""Behind the end of a sentence that does not fill its place; the end of a row is padded with 0, as of all models."""

_STEP = 16
"""The places of sentences are a multiple of it, because rows are cut to such lengths before they are run."""


def sentence_places(max_words: int) -> int:
    """How many numbers each sentence has in a row.

    >>> sentence_places(50)
    64
    """
    return -(-max_words // _STEP) * _STEP


class SentenceInputs(PairInputs):
    """The first words of the first sentences of a text. Roles and words in figures are not read."""

    facts = 1

    def __init__(self, words: Sequence[str], max_sentences: int, max_words: int) -> None:
        """`words` is a vocabulary as `PaperVocabulary` wants it. Raises ValueError for any other."""
        self.vocabulary = PaperVocabulary(words)
        self._sentences, self._words = max_sentences, max_words
        self.step = sentence_places(max_words)
        self.longest = max_sentences * self.step

    def encode(
        self, texts: Sequence[str], roles: Sequence[Role], figures: Sequence[FigureWords] | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        """Words int32 (N, S * step): S sentences, each with its words, then `FILL`; a text with fewer sentences than S
        ends with 0. Facts float32 (N, 1) are zero."""
        numbers = self.vocabulary.encode_batch(texts, self._sentences, self._words)
        rows = np.full((*numbers.shape[:2], self.step), PAD, dtype=np.int32)
        rows[:, :, : numbers.shape[2]] = numbers
        there = (numbers != PAD).any(axis=2)
        rows[there[:, :, None] & (rows == PAD)] = FILL
        return rows.reshape(len(texts), rows.shape[1] * self.step), np.zeros((len(texts), self.facts), dtype=np.float32)
