"""The text encoder of the paper's network: hierarchical attention (Yang et al. 2016) that the image takes part in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from abs_index.model.sentences import PAD
from abs_index.paper_settings import PaperTextSettings


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long N padded texts are: `sentences` (N,) in each text, `words` (M,) in each of the M sentences of all texts,
    in the order of the texts; `real` bool (N, S) says where in the padded table those sentences stand."""

    sentences: Tensor
    words: Tensor
    real: Tensor

    @classmethod
    def of(cls, words: Tensor) -> Self:
        """Of words int (N, S, W), in which padding stands at the ends only and every text has at least one word."""
        counts = (words != PAD).sum(2)
        real = counts > 0
        return cls(real.sum(1), counts[real], real)


class Attention(nn.Module):
    """One vector for a sequence of states: their mean, weighted by what they and the image say together.

    Yang et al. 2016, equations 5 to 7 (words) and 8 to 10 (sentences), with the image vector inside the hidden layer:
    u = tanh(W h + V image + b), weight = softmax(q u). So which words count hangs on the picture.
    """

    def __init__(self, state_dim: int, image_dim: int, dim: int) -> None:
        super().__init__()
        self.state = nn.Linear(state_dim, dim)
        self.image = nn.Linear(image_dim, dim, bias=False)
        self.query = nn.Linear(dim, 1, bias=False)

    def forward(self, states: Tensor, image: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States (M, L, D) and image vectors (M, I), of which the first `lengths` (M,) of each row count, to vectors
        (M, D) and weights (M, L), which are zero behind the end."""
        hidden = torch.tanh(self.state(states) + self.image(image).unsqueeze(1))
        outside = torch.arange(states.shape[1], device=states.device) >= lengths.unsqueeze(1)
        weights = self.query(hidden).squeeze(2).masked_fill(outside, -torch.inf).softmax(1)
        return (weights.unsqueeze(2) * states).sum(1), weights


class Level(nn.Module):
    """One level of the hierarchy: a bidirectional GRU (Cho et al. 2014) and attention over its states."""

    def __init__(self, input_dim: int, hidden: int, image_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(input_dim, hidden, batch_first=True, bidirectional=True)
        self.attention = Attention(2 * hidden, image_dim, attention_dim)

    def forward(self, inputs: Tensor, image: Tensor, lengths: Tensor) -> Tensor:
        """Sequences (M, L, D), image vectors (M, I) and lengths (M,) of at least 1 to vectors (M, 2 * hidden)."""
        # Packed, so that the direction from the end starts at the last word and not in the padding.
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=inputs.shape[1])
        vectors: Tensor = self.attention(states, image, lengths)[0]
        return vectors


class TextEncoder(nn.Module):
    """Words to sentence vectors to a text vector (FC 600 in the paper), read in the light of an image vector."""

    def __init__(self, settings: PaperTextSettings, vectors: Tensor, image_dim: int) -> None:
        """`vectors` float32 (V, word_dim) is the table of word vectors, which stays as it is."""
        super().__init__()
        self.register_buffer("vectors", vectors)
        self.vectors: Tensor
        words, sentences = settings.word_hidden, settings.sentence_hidden
        self.word_level = Level(settings.word_dim, words, image_dim, settings.attention_dim)
        self.sentence_level = Level(2 * words, sentences, image_dim, settings.attention_dim)
        self.last = nn.Linear(2 * sentences, settings.features)

    def forward(self, words: Tensor, image: Tensor) -> Tensor:
        """Words int (N, S, W) and image vectors (N, I) to text vectors (N, features) from -1 to 1.

        Padding (see `Lengths.of`) changes nothing, however much of it there is.
        """
        lengths = Lengths.of(words)
        of_sentence = image.repeat_interleave(lengths.sentences, 0)
        sentences = self.word_level(functional.embedding(words[lengths.real], self.vectors), of_sentence, lengths.words)
        table = sentences.new_zeros(*lengths.real.shape, sentences.shape[1])
        table[lengths.real] = sentences
        return torch.tanh(self.last(self.sentence_level(table, image, lengths.sentences)))
