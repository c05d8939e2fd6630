"""Text to what the pair network reads: numbers of words, and a few facts about the text as a whole.

A word that the vocabulary lacks is read in its longest known pieces ("##" marks those inside a word), as in WordPiece
(Wu et al. 2016, section 4.1). Numerals are told by length only: what a text says rarely hangs on which number it is.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from abs_index.labels import Role
from abs_index.model.base import Floats
from abs_index.model.word_pieces import longest_pieces

SPECIAL = ("[pad]", "[unk]", "[1-digit]", "[2-digits]", "[3-digits]", "[4-digits]", "[year]")
"""The first words of every vocabulary."""
PAD, UNKNOWN = 0, 1

FACTS = 6
"""How many facts `describe_text` gives."""

_WORDS = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_CAPITALS = re.compile(r"[A-Z]")
_REFERENCE = re.compile(r"Fig(?:ure|\.)")


def split_words(text: str) -> list[str]:
    """The words, numerals and marks of a text, in small letters without accents.

    >>> split_words("Émile's 2 ions.")
    ['emile', "'", 's', '2', 'ions', '.']
    """
    text = text.lower()
    if not text.isascii():
        text = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return _WORDS.findall(text)


class Vocabulary:
    """The words that a model knows, in the order of its word vectors. The first ones are `SPECIAL`."""

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[: len(SPECIAL)]) != SPECIAL or len(set(words)) != len(words):
            raise ValueError("a vocabulary starts with the special words and holds each word once")
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(words)}
        # What each word seen so far is read as; the bound keeps a stream of ever new words from filling the memory.
        self._read: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str, limit: int) -> list[int]:
        """Numbers of the first `limit` words and pieces of a text."""
        numbers: list[int] = []
        read = self._read
        for word in split_words(text):
            known = read.get(word)
            numbers += self._read_word(word) if known is None else known
            if len(numbers) >= limit:
                break
        return numbers[:limit]

    def encode_batch(self, texts: Iterable[str], limit: int) -> NDArray[np.int32]:
        """int32 (N, L): the texts' numbers, padded to the longest; L is at least 1 and at most `limit`."""
        rows = [self.encode(text, limit) for text in texts]
        table = np.full((len(rows), max([1, *map(len, rows)])), PAD, dtype=np.int32)
        for row, numbers in zip(table, rows, strict=True):
            row[: len(numbers)] = numbers
        return table

    def _read_word(self, word: str) -> tuple[int, ...]:
        numbers = self._split(word)
        if len(self._read) < 200_000:
            self._read[word] = numbers
        return numbers

    def _split(self, word: str) -> tuple[int, ...]:
        if word[0].isdigit():
            return (SPECIAL.index("[year]") if _YEAR.fullmatch(word) else UNKNOWN + min(len(word), 4),)
        return tuple(longest_pieces(word, self._numbers)) or (UNKNOWN,)


def describe_text(text: str, role: Role) -> list[float]:
    """Facts that the words alone do not tell the network: role, length, capitals, and where the figure is mentioned."""
    length = max(1, len(text))
    reference = _REFERENCE.search(text)
    return [
        float(role == "caption"),
        math.log1p(length) / 5 - 1,
        10 * len(_CAPITALS.findall(text)) / length,
        float(reference is not None and reference.start() == 0),
        float(reference is not None),
        reference.start() / length if reference else 0.0,
    ]


def describe_batch(texts: Sequence[str], roles: Sequence[Role]) -> Floats:
    """float32 (N, FACTS)."""
    facts = [describe_text(text, role) for text, role in zip(texts, roles, strict=True)]
    return np.array(facts, dtype=np.float32).reshape(-1, FACTS)


TRAITS: tuple[frozenset[str], ...] = (
    frozenset(SPECIAL[2:]),
    frozenset({"formula"}),
    frozenset({"equation"}),
    frozenset({"figure", "fig"}),
    frozenset(".?!"),
    frozenset({","}),
    frozenset(":;"),
    frozenset("()"),
    frozenset("\"'“”‘’"),
    frozenset({"?"}),
    frozenset({"a", "an"}),
    frozenset({"left", "right", "top", "bottom", "above", "below", "upper", "lower", "middle", "center", "centre"}),
    frozenset({"red", "blue", "green", "yellow", "black", "white", "orange", "purple", "color", "colored", "shaded"}),
    frozenset({"because", "therefore", "thus", "since", "hence", "so", "if", "when", "then", "due", "causes"}),
    frozenset({"shown", "shows", "show", "illustrates", "illustrated", "depicts", "seen", "see", "displayed"}),
    frozenset({"example", "instance", "such", "like", "e"}),
)
"""Groups of words that the network is told the number of."""


def word_traits(words: Sequence[str]) -> Floats:
    """float32 (V, len(TRAITS) + 1): which groups each word is in; the last column is 1 for every word but padding."""
    table = np.zeros((len(words), len(TRAITS) + 1), dtype=np.float32)
    for column, group in enumerate(TRAITS):
        table[:, column] = [word in group for word in words]
    table[:, -1] = np.arange(len(words)) != PAD
    return table
