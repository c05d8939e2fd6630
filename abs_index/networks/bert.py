"""Parts of BERT (Devlin et al. 2019) as torch modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEAD = 32
"""Width of an attention head in all-MiniLM-L6-v2."""

_EPSILON = 1e-12


class BertEmbeddings(nn.Module):
    """Vectors of word pieces and of their places."""

    def __init__(self, pieces: int, places: int, dim: int) -> None:
        super().__init__()
        self.pieces = nn.Embedding(pieces, dim)
        self.places = nn.Embedding(places, dim)
        self.norm = nn.LayerNorm(dim, _EPSILON)

    def forward(self, pieces: Tensor, places: Tensor) -> Tensor:
        """Both are int (N, L); states (N, L, dim)."""
        states: Tensor = self.norm(self.pieces(pieces) + self.places(places))
        return states

    @torch.no_grad()
    def load_bert(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over BERT's weights, by BERT's names. All pieces are of the first of its two types."""
        self.pieces.weight.copy_(tensors["embeddings.word_embeddings.weight"])
        places = (
            tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self.places.weight.copy_(places[: len(self.places.weight)])
        self.norm.weight.copy_(tensors["embeddings.LayerNorm.weight"])
        self.norm.bias.copy_(tensors["embeddings.LayerNorm.bias"])


class BertLayer(nn.Module):
    """One layer: states look at one another, then each for itself; normalised after each half."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.heads = dim // _HEAD
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.mixed = nn.Linear(dim, dim)
        self.mixed_norm = nn.LayerNorm(dim, _EPSILON)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.norm = nn.LayerNorm(dim, _EPSILON)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (N, L, dim); `mask` float, added to the scores (N, heads, L, L) of who looks at whom."""
        query, key, value = (
            one(states).unflatten(2, (self.heads, -1)).transpose(1, 2) for one in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        states = self.mixed_norm(states + self.mixed(seen))
        answer: Tensor = self.norm(states + self.narrow(functional.gelu(self.wide(states))))
        return answer

    @torch.no_grad()
    def load_bert(self, tensors: Mapping[str, Tensor], number: int) -> None:
        """Takes over the weights of one of BERT's layers, by BERT's names."""
        prefix = f"encoder.layer.{number}"
        for name, module in (
            ("attention.self.query", self.query),
            ("attention.self.key", self.key),
            ("attention.self.value", self.value),
            ("attention.output.dense", self.mixed),
            ("attention.output.LayerNorm", self.mixed_norm),
            ("intermediate.dense", self.wide),
            ("output.dense", self.narrow),
            ("output.LayerNorm", self.norm),
        ):
            module.weight.copy_(tensors[f"{prefix}.{name}.weight"])
            module.bias.copy_(tensors[f"{prefix}.{name}.bias"])


def hide(hidden: Tensor) -> Tensor:
    """A mask for `BertLayer` from bool, true where nobody shall look. Finite, so that hiding all gives numbers."""
    return hidden.float() * -1e4
