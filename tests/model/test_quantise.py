"""Matrices in whole numbers: what is lost by it, and that nothing else is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as opset

from abs_index.model import quantise
from abs_index.model.base import PairPredictions
from abs_index.model.cpu import CpuModel, Precision
from abs_index.model.folder import find_model, open_folder
from abs_index.model.weights import quantise_rows

TEXTS = [
    "Waves of stopped cars run backward along a ring road, although every driver only reacts to the car in front.",
    "The cell of Figure has twelve parts, of which the nucleus is the largest. " * 6,
    "A photograph of a gorge.",
    "",
]


def test_what_was_made_of_whole_numbers_gives_them_again() -> None:
    random = np.random.default_rng(0)
    whole = random.integers(-127, 128, (40, 64)).astype(np.int8)
    whole[:, 0] = 127
    whole[7] = 0
    scale = random.uniform(1e-4, 0.1, (40, 1)).astype(np.float16)
    stored = (whole * scale.astype(np.float32)).astype(np.float16)
    again, scales = quantise_rows(stored)
    np.testing.assert_array_equal(again, whole)
    np.testing.assert_allclose(scales[np.arange(40) != 7], scale[np.arange(40) != 7], rtol=2e-3)


def layers(transpose: bool) -> openvino.Model:
    """A product with a constant matrix, in half precision, and one of what came in with itself."""
    matrix = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float16)
    given = opset.parameter([-1, 16], np.float32, name="given")
    product = opset.matmul(given, opset.convert(opset.constant(matrix), "f32"), False, transpose)
    return openvino.Model([opset.matmul(product, product, False, True)], [given])


def small_constants(graph: Any) -> list[list[int]]:
    constants = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Constant"]
    return [list(node.get_output_shape(0)) for node in constants if node.get_element_type() == openvino.Type.i8]


def test_only_products_with_rows_of_a_constant_are_changed() -> None:
    graph, exact = layers(transpose=True), layers(transpose=True)
    quantise.quantise_matrices(graph)
    assert small_constants(graph) == [[16, 16]]
    given = np.random.default_rng(2).normal(size=(5, 16)).astype(np.float32)
    core = openvino.Core()
    # Processors that do not multiply whole numbers calculate with what these stand for.
    found, wanted = (core.compile_model(each, "CPU", quantise.OPTIONS)([given])[0] for each in (graph, exact))
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
    other = layers(transpose=False)
    quantise.quantise_matrices(other)
    assert small_constants(other) == []


def predict(precision: Precision) -> PairPredictions:
    model = CpuModel(open_folder(find_model("default")), 1, precision)
    side = model.info.image_size
    pixels = np.random.default_rng(3).integers(0, 256, (len(TEXTS), side, side, 3), dtype=np.uint8)
    return model.encode_pairs(model.encode_images(pixels), TEXTS, ["mention"] * len(TEXTS))


def test_only_reading_is_in_whole_numbers_and_says_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_model, compiled = openvino.Core.compile_model, []

    def note(core: openvino.Core, graph: openvino.Model, device: str, options: dict[str, object]) -> object:
        compiled.append((len(graph.inputs), len(small_constants(graph)), options["INFERENCE_PRECISION_HINT"]))
        return compile_model(core, graph, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", note)
    exact, whole = predict("f32"), predict("int8")
    # Reading, answering, seeing; two layers of MiniLM have twelve matrices.
    assert compiled == [(1, 0, "f32"), (4, 0, "f32"), (1, 0, "f32"), (1, 12, "bf16"), (4, 0, "f32"), (1, 0, "bf16")]
    np.testing.assert_allclose(whole.abs_prob, exact.abs_prob, atol=0.05)
    np.testing.assert_allclose(whole.cmi, exact.cmi, atol=0.03)
    assert (np.sum(whole.embedding * exact.embedding, axis=1) > 0.97).all()
