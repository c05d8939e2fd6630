"""Texts as the paper's network reads them: sentences of words, each word a number. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
"""The first words of every vocabulary: behind the end of a sentence or text, and every word that is not known."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Possessive, and from the start of a run of marks only, so that a million full stops take no time.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++(?=[\"'“‘(\[]*+[^\W_])")
# Behind these a full stop ends no sentence, nor behind a single letter (initials, "e.g.", "i.e.").
_SHORT = re.compile(
    r"(?:^|[\s(\[“\"'])(?:[^\W\d_]|[^\W\d_]\.[^\W\d_]|al|ca|cf|approx|dr|ed|eds|eq|eqs|etc|fig|figs|mr|mrs|ms|no|nos|pp"
    r"|prof|ref|refs|resp|sec|sect|st|tab|viz|vol|vs)\.$",
    re.IGNORECASE,
)


def split_sentences(text: str) -> list[list[str]]:
    """The words of each sentence of a text, in small letters; marks are no words, and sentences without words are none.

    >>> split_sentences("In Fig. 2 (e.g. left) it isn't shown. What is? 3.5 mm!")
    [['in', 'fig', '2', 'e', 'g', 'left', 'it', "isn't", 'shown'], ['what', 'is'], ['3', '5', 'mm']]
    """
    sentences = (_WORD.findall(sentence.lower()) for sentence in _sentences(text))
    return [words for words in sentences if words]


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(text):
        # A few characters before the mark are enough to know an abbreviation, however long the text is.
        if match[0].rstrip() == "." and _SHORT.search(text[max(start, match.start() - 12) : match.start() + 1]):
            continue
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word is in the texts."""
    return Counter(word for text in texts for sentence in split_sentences(text) for word in sentence)


class PaperVocabulary:
    """The words that a network knows, in the order of its word vectors. The first ones are `SPECIAL`."""

    def __init__(self, words: Sequence[str]) -> None:
        """Raises ValueError where the words are not those of a vocabulary."""
        if tuple(words[: len(SPECIAL)]) != SPECIAL or len(set(words)) != len(words):
            raise ValueError("a vocabulary starts with the special words and holds each word once")
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(words)}

    @classmethod
    def most_frequent(cls, counts: Counter[str], size: int) -> PaperVocabulary:
        """The `size` most frequent words, the most frequent one first; of like frequency, in the alphabet's order."""
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls((*SPECIAL, *(word for word, _ in ordered[:size])))

    def __len__(self) -> int:
        return len(self.words)

    def coverage(self, counts: Counter[str]) -> float:
        """The share of running words that are known, 0 to 1.

        >>> counts = Counter({"the": 6, "cell": 3, "vesicle": 1})
        >>> PaperVocabulary.most_frequent(counts, 2).coverage(counts)
        0.9
        """
        known = sum(count for word, count in counts.items() if word in self._numbers)
        return known / max(1, counts.total())

    def encode(self, text: str, sentences: int, words: int) -> list[list[int]]:
        """Numbers of the first `words` words of the first `sentences` sentences; a text without words is `<unk>`."""
        found = split_sentences(text)[:sentences] or [[SPECIAL[UNKNOWN]]]
        return [[self._numbers.get(word, UNKNOWN) for word in sentence[:words]] for sentence in found]

    def encode_batch(self, texts: Iterable[str], sentences: int, words: int) -> NDArray[np.int32]:
        """int32 (N, S, W), padded to the most sentences and the longest sentence among the texts."""
        rows = [self.encode(text, sentences, words) for text in texts]
        shape = max(map(len, rows), default=1), max((len(one) for row in rows for one in row), default=1)
        table = np.full((len(rows), *shape), PAD, dtype=np.int32)
        for number, row in enumerate(rows):
            for place, numbers in enumerate(row):
                table[number, place, : len(numbers)] = numbers
        return table
