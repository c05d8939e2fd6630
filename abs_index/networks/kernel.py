"""A support vector machine as a layer: what a pair is most like among the training pairs.

It generalises from few labels where a network overfits, and errs on other pairs: the two together are better than
either (see the cards of the shipped models).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from abs_index.labels import ABS


class KernelMachine(nn.Module):
    """Gaussian kernel (Boser, Guyon, Vapnik 1992) over a description of a pair that has parts of these widths.

    `training.kernel` fills it. `supports` are the support vectors (S, D), in the scaled space in which the kernel is
    exp(-distance²); unused rows have coefficients of zero. With `cmi`, what text and picture have in common is learnt
    in the same space, by ridge regression over the same vectors.
    """

    def __init__(self, widths: Sequence[int], supports: int, *, cmi: bool = False) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.shift = _fixed(torch.zeros(sum(widths)))
        self.scale = _fixed(torch.ones(sum(widths)))
        self.supports = _fixed(torch.zeros(supports, sum(widths)))
        answers = len(ABS) + cmi
        self.coefficients = _fixed(torch.zeros(supports, answers))
        self.bias = _fixed(torch.zeros(answers))

    def forward(self, described: Tensor) -> Tensor:
        """Answers for descriptions (N, D): in the order of `labels.ABS`, before softmax, and behind these `cmi`."""
        place = (described - self.shift) * self.scale
        lengths = (place * place).sum(1, keepdim=True) + (self.supports * self.supports).sum(1)
        distances = (lengths - 2 * place @ self.supports.T).clamp_min(0)
        answers: Tensor = torch.exp(-distances) @ self.coefficients + self.bias
        return answers


def _fixed(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
