"""What the reader is told of a pair: word pieces of its text and of words about its figure, and facts about both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abs_index.labels import Role
from abs_index.model.base import FigureWords, Floats
from abs_index.model.inputs import PairInputs
from abs_index.model.vocabulary import FACTS as TEXT_FACTS
from abs_index.model.vocabulary import TRAITS, describe_text, split_words
from abs_index.model.word_pieces import WordPieces

FIGURE_FACTS = 8
"""So many of the last facts are about the words in the picture, and behind them as many about what the document tells
of the figure where that is read; all zero where there are none."""

_PAIR_FACTS = TEXT_FACTS + 2 * len(TRAITS) + 1

_SHORTEST = 3
"""Shorter words say nothing by being in text and figure both."""

_NAMELESS = frozenset({"fig", "figure", "graphic", "image", "img", "picture", "table", "thumbnail"})
"""Words that any figure could be called by."""


class ReaderInputs(PairInputs):
    """Inputs of the reader."""

    def __init__(self, pieces: Sequence[str], max_pieces: int, max_figure_pieces: int, *, told: bool = False) -> None:
        """`pieces` is a vocabulary as `WordPieces` wants it, with the padding first. Raises ValueError otherwise.

        With `told`, there are facts about alternative text and caption too.
        """
        self.pieces = WordPieces(pieces)
        if self.pieces.padding:
            raise ValueError("the first word piece must be the padding")
        self._limits, self._told = (max_pieces, max_figure_pieces), told
        self.longest = max_pieces + max_figure_pieces
        self.facts = count_facts(told=told)

    def encode(
        self, texts: Sequence[str], roles: Sequence[Role], figures: Sequence[FigureWords] | None = None
    ) -> tuple[NDArray[np.int32], Floats]:
        """Words int32 (N, L), padded with 0 to the longest (L at most `longest`), and facts float32 (N, F).

        A row of words is the text from its start to its stop, then the words in the figure likewise.
        """
        known = figures or [FigureWords()] * len(texts)
        text_limit, figure_limit = self._limits
        empty = [self.pieces.start, self.pieces.stop]
        rows = [
            (self.pieces.encode(text, text_limit) or empty) + self.pieces.encode(figure.written, figure_limit)
            for text, figure in zip(texts, known, strict=True)
        ]
        words = np.zeros((len(rows), max([1, *map(len, rows)])), dtype=np.int32)
        for row, numbers in zip(words, rows, strict=True):
            row[: len(numbers)] = numbers
        facts = [describe_pair(*one, told=self._told) for one in zip(texts, roles, known, strict=True)]
        return words, np.array(facts, dtype=np.float32).reshape(-1, self.facts)


def count_facts(*, told: bool) -> int:
    """How many facts a pair has, with those about what the document tells of the figure or without."""
    return _PAIR_FACTS + FIGURE_FACTS * (2 if told else 1)


def describe_pair(text: str, role: Role, figure: FigureWords, *, told: bool = False) -> list[float]:
    """Facts about a text, and about the words in its figure beside its own; with `told`, likewise about what the
    document tells of the figure."""
    words = split_words(text)
    counts = [sum(_has_trait(word, number) for word in words) for number in range(len(TRAITS))]
    total = max(1, len(words))
    traits = [math.log1p(count) for count in (*counts, len(words))] + [5 * count / total for count in counts]
    facts = [*describe_text(text, role), *traits, *_compare(figure.written, words)]
    return facts + (_compare(_told(text, role, figure), words) if told else [])


def _told(text: str, role: Role, figure: FigureWords) -> str:
    """Alternative text and caption, but never the text once more: it would look like a figure that knows all of it."""
    caption = "" if role == "caption" else figure.caption
    alt = figure.alt if _describes(figure.alt) else ""
    return " ".join(said for said in dict.fromkeys((alt, caption)) if said != text)


def _describes(alt: str) -> bool:
    """Whether an alternative text is one: many are names of files, or say "Figure 2"."""
    words = {word for word in split_words(alt) if len(word) >= _SHORTEST and word.isalpha()}
    return len(alt.split()) > 1 and len(words - _NAMELESS) > 1


def _has_trait(word: str, number: int) -> bool:
    # The first group of traits are numerals, which the other network knows as special words.
    return word in TRAITS[number] if number else word[0].isdigit()


def _compare(about_figure: str, words: Sequence[str]) -> list[float]:
    """Facts about words of a figure beside those of a text, all zero where there are none."""
    read = split_words(about_figure)
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
