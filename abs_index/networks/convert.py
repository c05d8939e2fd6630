"""Torch networks to OpenVINO graphs, with batches and texts of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import openvino
import torch
from torch import Tensor, nn

from abs_index.model.folder import STATES
from abs_index.model.inputs import PairInputs
from abs_index.networks.reader import ReaderNetwork

_BATCH = torch.export.Dim("batch", min=1, max=65_536)


def convert_image_network(network: nn.Module, size: int, outputs: Sequence[str]) -> Any:
    """The graph of a network of pixels uint8 (N, size, size, 3)."""
    example = (torch.zeros(2, size, size, 3, dtype=torch.uint8),)
    return _convert(network, example, ({0: _BATCH},), ("pixels",), outputs)


def convert_pair_network(network: nn.Module, context: int, inputs: PairInputs) -> Any:
    """The graph of a pair network: contexts (N, `context`), words int32 (N, L), facts (N, F) to embedding, abs, kind
    and cmi; for a reader, also to what it read of each word, at which a runtime may cut the graph in two."""
    # The example must not be of length 1 or as long as the table of positions: such a size counts as fixed.
    words = torch.ones(2, 7 if inputs.step == 1 else 2 * inputs.step, dtype=torch.int32)
    example = (torch.zeros(2, context), words, torch.zeros(2, inputs.facts))
    if inputs.step == 1:
        length = torch.export.Dim("length", min=2, max=inputs.longest)
    else:
        length = inputs.step * torch.export.Dim("parts", min=1, max=inputs.longest // inputs.step)
    sizes = ({0: _BATCH}, {0: _BATCH, 1: length}, {0: _BATCH})
    outputs: tuple[str, ...] = ("embedding", "abs", "kind", "cmi")
    if isinstance(network, ReaderNetwork):
        network, outputs = _Traced(network), (*outputs, STATES)
    return _convert(network, example, sizes, ("context", "words", "facts"), outputs)


class _Traced(nn.Module):
    """A reader that gives its states too."""

    def __init__(self, network: ReaderNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, ...]:
        return self.network.forward_and_states(context, words, facts)


@torch.no_grad()
def _convert(
    network: nn.Module,
    example: tuple[Tensor, ...],
    sizes: Sequence[Mapping[int, object]],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Any:
    model = openvino.convert_model(torch.export.export(network, example, dynamic_shapes=sizes))
    shapes = {}
    for name, tensor, dynamic, place in zip(inputs, example, sizes, model.inputs, strict=True):
        place.set_names({name})
        sides = [-1 if axis in dynamic else side for axis, side in enumerate(tensor.shape)]
        shapes[place] = openvino.PartialShape(sides)
    model.reshape(shapes)
    for name, place in zip(outputs, model.outputs, strict=True):
        place.set_names({name})
    return model
