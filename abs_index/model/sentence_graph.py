"""The network of the sentence encoder all-MiniLM-L6-v2 as a graph of OpenVINO, built from its weights alone.

Plain BERT (Devlin et al. 2019), six layers, 384 wide; the vector of a text is the mean over its pieces, at unit length
(Reimers and Gurevych 2019, "Sentence-BERT"). No torch is needed to make it, nor to run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from abs_index.model.base import Floats

DIM, LAYERS, HEADS = 384, 6, 12
PAD = 0

_NORM_EPSILON = 1e-12
_LEAST_LENGTH = 1e-12


def sentence_graph(tensors: Mapping[str, Floats]) -> Any:
    """A graph from word pieces int32 (N, L), padded with `PAD`, to unit vectors float32 (N, DIM).

    `tensors` are BERT's, by their own names. Raises KeyError where one is missing, and RuntimeError (OpenVINO) where
    shapes do not fit.
    """
    pieces = ops.parameter([-1, -1], np.int32, name="pieces")
    real = ops.not_equal(pieces, np.int32(PAD))
    layer = _Layer(tensors, ops.unsqueeze(ops.unsqueeze(real, 1), 1))
    states = _embedded(pieces, tensors)
    for number in range(LAYERS):
        states = layer.after(states, f"encoder.layer.{number}.")
    vectors = ops.normalize_l2(_mean(states, real), np.array([1]), _LEAST_LENGTH, "max")
    return openvino.Model([ops.result(vectors, name="vectors")], [pieces], "sentences")


def _embedded(pieces: Any, tensors: Mapping[str, Floats]) -> Any:
    words = ops.gather(_constant(tensors["embeddings.word_embeddings.weight"]), pieces, np.int32(0))
    length = ops.gather(ops.shape_of(pieces, "i32"), np.int32(1), np.int32(0))
    numbers = ops.range(np.int32(0), length, np.int32(1), "i32")
    places = ops.gather(_constant(tensors["embeddings.position_embeddings.weight"]), numbers, np.int32(0))
    kind = _constant(tensors["embeddings.token_type_embeddings.weight"][0])
    return _normed(ops.add(ops.add(words, places), kind), tensors, "embeddings.LayerNorm")


class _Layer:
    """The layers, with the mask bool (N, 1, 1, L) that is true for real pieces."""

    def __init__(self, tensors: Mapping[str, Floats], real: Any) -> None:
        self._tensors = tensors
        self._real = real

    def after(self, states: Any, prefix: str) -> Any:
        """States (N, L, DIM) after the layer with these tensors."""
        query, key, value = (
            self._heads(self._linear(states, f"{prefix}attention.self.{part}")) for part in ("query", "key", "value")
        )
        mixed = ops.scaled_dot_product_attention(query, key, value, self._real)
        joined = ops.reshape(ops.transpose(mixed, np.array([0, 2, 1, 3])), np.array([0, 0, DIM]), special_zero=True)
        said = self._linear(joined, f"{prefix}attention.output.dense")
        states = _normed(ops.add(states, said), self._tensors, f"{prefix}attention.output.LayerNorm")
        wide = ops.gelu(self._linear(states, f"{prefix}intermediate.dense"), "erf")
        said = self._linear(wide, f"{prefix}output.dense")
        return _normed(ops.add(states, said), self._tensors, f"{prefix}output.LayerNorm")

    def _linear(self, inputs: Any, name: str) -> Any:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return ops.add(ops.matmul(inputs, _constant(weight), False, True), _constant(bias))

    @staticmethod
    def _heads(states: Any) -> Any:
        parted = ops.reshape(states, np.array([0, 0, HEADS, DIM // HEADS]), special_zero=True)
        return ops.transpose(parted, np.array([0, 2, 1, 3]))


def _normed(states: Any, tensors: Mapping[str, Floats], name: str) -> Any:
    centred = ops.mvn(states, np.array([-1]), True, _NORM_EPSILON, "inside_sqrt")
    return ops.add(ops.multiply(centred, _constant(tensors[f"{name}.weight"])), _constant(tensors[f"{name}.bias"]))


def _mean(states: Any, real: Any) -> Any:
    weights = ops.unsqueeze(ops.convert(real, "f32"), 2)
    total = ops.reduce_sum(ops.multiply(states, weights), np.array([1]))
    return ops.divide(total, ops.reduce_sum(weights, np.array([1])))


def _constant(values: Floats) -> Any:
    return ops.constant(np.ascontiguousarray(values, dtype=np.float32))
