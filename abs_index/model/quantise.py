"""Matrices of a graph as whole numbers, which some processors multiply faster than any others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as opset

from abs_index.model.weights import quantise_rows

OPTIONS = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "192"}
"""What a graph with such matrices is compiled with. What comes into a product is rounded in groups of so many numbers,
each with a scale of its own: groups of 32 are more exact by half and a quarter slower, larger ones are no faster."""


def quantise_matrices(graph: Any) -> None:
    """Changes in place all products of a graph whose second factor is a constant matrix (a linear layer).

    Graphs of model folders lose nothing of their matrices by it, which `weights` stores in whole numbers.
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
            continue
        matrix = _constant(node.input_value(1).get_node())
        if matrix is not None and matrix.ndim == 2:
            whole, scale = quantise_rows(matrix)
            multiplied = opset.multiply(opset.convert(opset.constant(whole), "f32"), opset.constant(scale))
            node.input(1).replace_source_output(multiplied.output(0))


def _constant(node: Any) -> NDArray[np.float32] | None:
    """The numbers of a constant, stored in half precision or not; None for any other node."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.asarray(node.data, np.float32) if node.get_type_name() == "Constant" else None
