"""The text decoder of the paper's network: an article embedding to sentence features, and those to word vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.model.sentences import UNKNOWN
from abs_index.networks.paper.text_encoder import Lengths
from abs_index.paper_settings import PaperTextSettings


class NormalisedLSTM(nn.Module):
    """An LSTM with layer normalisation inside its cell (Ba et al. 2016, equations 20 to 22), whose input is the same
    at every step."""

    def __init__(self, input_dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(input_dim, 4 * hidden, bias=False)
        self.from_state = nn.Linear(hidden, 4 * hidden, bias=False)
        self.norm_input = nn.LayerNorm(4 * hidden, bias=False)
        self.norm_state = nn.LayerNorm(4 * hidden, bias=False)
        self.norm_cell = nn.LayerNorm(hidden)
        # What is in the cell is kept at first (Jozefowicz et al. 2015).
        self.bias = nn.Parameter(torch.cat([torch.ones(hidden), torch.zeros(3 * hidden)]))
        nn.init.orthogonal_(self.from_state.weight)

    def forward(self, inputs: Tensor, steps: int) -> Tensor:
        """Inputs (M, D) to the states (M, steps, hidden) of as many steps, from a state of zeros."""
        given = self.norm_input(self.from_input(inputs)) + self.bias
        state = cell = given.new_zeros(len(inputs), self.hidden)
        states = []
        for _ in range(steps):
            state, cell = self._step(given, state, cell)
            states.append(state)
        return torch.stack(states, 1)

    def _step(self, given: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        forget, enter, leave, new = (given + self.norm_state(self.from_state(state))).chunk(4, 1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(self.norm_cell(cell)), cell


class TextDecoder(nn.Module):
    """Text level: article embedding to a feature of each sentence. Sentence level: feature to a vector of each word.

    No word is fed back, neither a true nor a predicted one: all that the decoder knows is in the embedding, in training
    as afterwards.
    """

    def __init__(self, embedding_dim: int, settings: PaperTextSettings) -> None:
        super().__init__()
        self.text_level = NormalisedLSTM(embedding_dim, settings.decoder_sentence_hidden)
        self.sentence_level = NormalisedLSTM(settings.decoder_sentence_hidden, settings.decoder_word_hidden)
        self.last = nn.Linear(settings.decoder_word_hidden, settings.word_dim)

    def forward(self, embedding: Tensor, lengths: Lengths) -> Tensor:
        """Embeddings (N, E) and the lengths of N texts with M sentences in all to word vectors (M, W, word_dim).

        W is the words of the longest sentence; what is behind the end of a sentence means nothing.
        """
        features = self.text_level(embedding, lengths.real.shape[1])[lengths.real]
        vectors: Tensor = self.last(self.sentence_level(features, int(lengths.words.max())))
        return vectors


def text_losses(said: Tensor, words: Tensor, vectors: Tensor) -> Tensor:
    """Mean cosine distance of each text's words (N,): 0 is all right, 1 is at right angles, 2 is opposite.

    `said` (M, W, D) as from `TextDecoder`, `words` int (N, S, W') and the table of `vectors` (V, D). Padding and
    `<unk>` are no targets; a text of nothing else has a loss of 0.
    """
    lengths = Lengths.of(words)
    targets = words[lengths.real][:, : said.shape[1]]
    counted = targets > UNKNOWN
    distances = 1 - functional.cosine_similarity(said, functional.embedding(targets, vectors), dim=2)
    text = torch.arange(len(words), device=words.device).repeat_interleave(lengths.sentences)
    sums, counts = (
        torch.zeros(len(words), device=words.device).index_add(0, text, (one * counted).sum(1))
        for one in (distances, torch.ones_like(distances))
    )
    return sums / counts.clamp_min(1)
