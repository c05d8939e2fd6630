"""Text to word pieces as BERT reads it (Devlin et al. 2019): the input of networks that start from its weights.

A word that the vocabulary lacks is read in its longest known pieces ("##" marks those inside a word), as in WordPiece
(Wu et al. 2016, section 4.1). Written here: a library for it would be a large part of the base install.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

START, STOP, UNKNOWN, PADDING = "[CLS]", "[SEP]", "[UNK]", "[PAD]"

LONGEST_WORD = 100
"""Longer words are unknown: the search for pieces takes the square of their length."""

_WORDS = re.compile(r"[^\W_]+|[^\w\s]|_")
_MOST_REMEMBERED = 200_000


class WordPieces:
    """A vocabulary of word pieces in the order of their vectors."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """Raises ValueError where a piece occurs twice, or a special one is missing."""
        self.pieces = tuple(pieces)
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        missing = [piece for piece in (START, STOP, UNKNOWN, PADDING) if piece not in self._numbers]
        if missing or len(self._numbers) != len(pieces):
            raise ValueError(f"word pieces lack {missing[0]}" if missing else "a word piece occurs twice")
        self.start, self.stop, self.padding = (self._numbers[piece] for piece in (START, STOP, PADDING))
        # What each word seen so far is read as; the bound keeps a stream of ever new words from filling the memory.
        self._read: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str, limit: int) -> list[int]:
        """Numbers of the pieces between start and stop, `limit` in all at most; nothing for a text without words."""
        numbers: list[int] = []
        for word in split_words(text):
            known = self._read.get(word)
            numbers += self._remember(word) if known is None else known
            if len(numbers) >= limit - 2:
                break
        return [self.start, *numbers[: limit - 2], self.stop] if numbers else []

    def encode_word(self, word: str) -> list[int]:
        """Numbers of the pieces of one word between start and stop. It is taken as it is written, and so may itself be
        a piece ("##ing") or a special one."""
        return [self.start, *self._remember(word), self.stop]

    def _remember(self, word: str) -> tuple[int, ...]:
        numbers = tuple(longest_pieces(word, self._numbers)) or (self._numbers[UNKNOWN],)
        if len(self._read) < _MOST_REMEMBERED:
            self._read[word] = numbers
        return numbers


def split_words(text: str) -> list[str]:
    """Words (with the digits in them) and marks, in small letters without accents.

    >>> split_words("Émile's H2O.")
    ['emile', "'", 's', 'h2o', '.']
    """
    text = text.lower()
    if not text.isascii():
        text = "".join(mark for mark in unicodedata.normalize("NFD", text) if not unicodedata.combining(mark))
    return _WORDS.findall(text)


def longest_pieces(word: str, numbers: Mapping[str, int]) -> list[int]:
    """The numbers of the longest known pieces of a word from its start on; none where a part is not known."""
    if word in numbers:
        return [numbers[word]]
    pieces: list[int] = []
    start = 0
    while start < len(word) <= LONGEST_WORD:
        mark = "##" if start else ""
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in numbers)
        end = next(ends, None)
        if end is None:
            return []
        pieces.append(numbers[mark + word[start:end]])
        start = end
    return pieces
