"""A support vector machine as a layer: what a pair is most like among the training pairs.

It generalises from few labels where the attention of the pair network overfits, and errs on other pairs: the two
together are better than either (see the card of the default model).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.labels import ABS
from abs_index.recipe import Recipe


class KernelMachine(nn.Module):
    """Gaussian kernel (Boser, Guyon, Vapnik 1992) over image summary, traits of the text, and its mean word vector.

    `training.kernel` fills it. `supports` are the support vectors (S, D), in the scaled space in which the kernel is
    exp(-distance²); unused rows have coefficients of zero.
    """

    def __init__(self, recipe: Recipe, words: int, told: int) -> None:
        super().__init__()
        self.summary_dim = recipe.image.summary_dim
        dim = self.summary_dim + told + recipe.text.word_dim
        self.rarity = _fixed(torch.zeros(words, 1))
        """Weight of each word in the mean: its inverse document frequency."""
        self.shift = _fixed(torch.zeros(dim))
        self.scale = _fixed(torch.ones(dim))
        self.supports = _fixed(torch.zeros(recipe.kernel.supports, dim))
        self.coefficients = _fixed(torch.zeros(recipe.kernel.supports, len(ABS)))
        self.bias = _fixed(torch.zeros(len(ABS)))

    def describe(self, vectors: Tensor, context: Tensor, words: Tensor, told: Tensor) -> Tensor:
        """What the kernel compares, before shift and scale (N, D)."""
        weights = functional.embedding(words, self.rarity)
        mean = (functional.embedding(words, vectors) * weights).sum(1)
        return torch.cat([context[:, : self.summary_dim], told, functional.normalize(mean, dim=1)], 1)

    def forward(self, vectors: Tensor, context: Tensor, words: Tensor, told: Tensor) -> Tensor:
        """Answers (N, 3) in the order of `labels.ABS`, before softmax."""
        place = (self.describe(vectors, context, words, told) - self.shift) * self.scale
        lengths = (place * place).sum(1, keepdim=True) + (self.supports * self.supports).sum(1)
        distances = (lengths - 2 * place @ self.supports.T).clamp_min(0)
        answers: Tensor = torch.exp(-distances) @ self.coefficients + self.bias
        return answers


def _fixed(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
