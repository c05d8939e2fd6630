"""The vocabulary of a new model, and the vectors that its words start from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor

from abs_index.model.vocabulary import PAD, SPECIAL, split_words
from abs_index.recipe import TextSettings
from abs_index.training.sentence_encoder import SentenceEncoder

# What a special word means, in a word that the sentence encoder knows.
_MEANINGS = dict(zip(SPECIAL, ("[UNK]", "[UNK]", "one", "12", "150", "12000", "1965"), strict=True))


def build_words(texts: Iterable[str], settings: TextSettings) -> tuple[list[str], Tensor]:
    """The words that a model will know, and their vectors float32 (V, word_dim); that of padding is zero."""
    counts = Counter(word for text in texts for word in split_words(text) if word.isalpha())
    frequent = {word for word, count in counts.items() if count >= settings.min_count}
    if settings.vectors == "random":
        marks = {mark for text in texts for mark in split_words(text) if len(mark) == 1 and not mark.isdigit()}
        words = [*SPECIAL, *sorted(frequent | marks)]
        return words, _zero_padding(torch.randn(len(words), settings.word_dim))
    encoder = SentenceEncoder()
    pieces = [piece for piece in encoder.word_pieces.pieces if _is_wanted(piece)]
    words = [*SPECIAL, *pieces, *sorted(frequent - set(pieces))]
    return words, reduce_vectors(encoder.encode_words([_MEANINGS.get(word, word) for word in words]), settings.word_dim)


def reduce_vectors(vectors: Tensor, dim: int) -> Tensor:
    """Vectors on their first `dim` principal components, scaled to a mean square of 1."""
    known = vectors[len(SPECIAL) :]
    centre = known.mean(0)
    _, _, axes = torch.linalg.svd(known - centre, full_matrices=False)
    reduced = (vectors - centre) @ axes[:dim].T
    return _zero_padding(reduced / reduced[len(SPECIAL) :].std())


def _zero_padding(vectors: Tensor) -> Tensor:
    vectors[PAD] = 0
    return vectors


def _is_wanted(piece: str) -> bool:
    """Words, parts of words and single marks; no numerals and no control words."""
    bare = piece.removeprefix("##")
    return bare.isalpha() or (len(piece) == 1 and not piece.isdigit())
