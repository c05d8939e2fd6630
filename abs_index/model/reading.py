"""What the reader is told of a pair: word pieces of the text and of the words in the figure, and facts about both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abs_index.labels import Role
from abs_index.model.base import Floats
from abs_index.model.inputs import PairInputs
from abs_index.model.vocabulary import FACTS as TEXT_FACTS
from abs_index.model.vocabulary import TRAITS, describe_text, split_words
from abs_index.model.word_pieces import WordPieces

FIGURE_FACTS = 8
"""The last facts are about the words in the figure, all zero where there are none."""

FACTS = TEXT_FACTS + 2 * len(TRAITS) + 1 + FIGURE_FACTS
"""How many facts a pair has."""

_SHORTEST = 3
"""Shorter words say nothing by being in text and figure both."""


class ReaderInputs(PairInputs):
    """Inputs of the reader."""

    def __init__(self, pieces: Sequence[str], max_pieces: int, max_figure_pieces: int) -> None:
        """`pieces` is a vocabulary as `WordPieces` wants it, with the padding first. Raises ValueError otherwise."""
        self.pieces = WordPieces(pieces)
        if self.pieces.padding:
            raise ValueError("the first word piece must be the padding")
        self._limits = (max_pieces, max_figure_pieces)
        self.longest = max_pieces + max_figure_pieces
        self.facts = FACTS

    def encode(
        self, texts: Sequence[str], roles: Sequence[Role], figure_texts: Sequence[str] | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        """Words int32 (N, L), padded with 0 to the longest (L at most `longest`), and facts float32 (N, FACTS).

        A row of words is the text from its start to its stop, then the words in the figure likewise.
        """
        figures = figure_texts or [""] * len(texts)
        text_limit, figure_limit = self._limits
        empty = [self.pieces.start, self.pieces.stop]
        rows = [
            (self.pieces.encode(text, text_limit) or empty) + self.pieces.encode(figure, figure_limit)
            for text, figure in zip(texts, figures, strict=True)
        ]
        words = np.zeros((len(rows), max([1, *map(len, rows)])), dtype=np.int32)
        for row, numbers in zip(words, rows, strict=True):
            row[: len(numbers)] = numbers
        facts = [describe_pair(*one) for one in zip(texts, roles, figures, strict=True)]
        return words, np.array(facts, dtype=np.float32).reshape(-1, FACTS)


def describe_pair(text: str, role: Role, figure_text: str) -> list[float]:
    """Facts about a text, and about the words in its figure beside those of the text."""
    words = split_words(text)
    counts = [sum(_has_trait(word, number) for word in words) for number in range(len(TRAITS))]
    total = max(1, len(words))
    told = [math.log1p(count) for count in (*counts, len(words))] + [5 * count / total for count in counts]
    return [*describe_text(text, role), *told, *_describe_figure(figure_text, words)]


def _has_trait(word: str, number: int) -> bool:
    # The first group of traits are numerals, which the other network knows as special words.
    return word in TRAITS[number] if number else word[0].isdigit()


def _describe_figure(figure_text: str, words: Sequence[str]) -> list[float]:
    read = split_words(figure_text)
    if not read:
        return [0.0] * FIGURE_FACTS
    in_figure = {word for word in read if len(word) >= _SHORTEST and word.isalpha()}
    in_text = {word for word in words if len(word) >= _SHORTEST and word.isalpha()}
    both = len(in_figure & in_text)
    return [
        1.0,
        math.log1p(len(read)) / 2,
        math.log1p(sum(word[0].isdigit() for word in read)) / 2,
        both / max(1, len(in_figure)),
        math.log1p(both),
        both / max(1, len(in_text)),
        math.log1p(len(in_figure) - both) / 2,
        sum(len(word) == 1 and word.isalpha() for word in read) / len(read),
    ]
