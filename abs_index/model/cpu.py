"""The runtime for CPUs: OpenVINO on the graphs of a model folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset
from PIL import Image

from abs_index.errors import ModelError
from abs_index.labels import ABS, KINDS, Role
from abs_index.model import quantise
from abs_index.model.base import FigureWords, Floats, ImageFeatures, PairModel, PairPredictions, Pixels
from abs_index.model.folder import IMAGE_GRAPH, PAIR_GRAPH, STATES, ModelFolder
from abs_index.model.preprocess import make_square
from abs_index.model.vocabulary import PAD
from abs_index.model.weights import Weights, load_weights

_IMAGE_BATCHES = (1, 8, 32)
"""The image network is compiled for fixed shapes, which run about a tenth faster; a batch is padded to the next."""
_PAIR_BATCH = 32
"""Larger batches hold texts of lengths too different: padding is calculated too."""
_LENGTH_STEP = 16
"""Texts are padded to multiples of this, so that few shapes occur: each new one costs OpenVINO time."""


Precision = Literal["f32", "bf16", "int8"]


class CpuModel(PairModel):
    """A model folder, run by OpenVINO."""

    def __init__(self, folder: ModelFolder, threads: int | None = None, precision: Precision | None = None) -> None:
        """Precision "int8" is "bf16" but for texts, which are read in whole numbers. Left out, it is int8 where the
        processor calculates in bf16, because those that do are fast in both, else f32."""
        self.info = folder.info
        self._recipe = folder.recipe
        self._inputs = folder.inputs
        self._core = openvino.Core()
        precision = precision or _native(self._core)
        self._options = _options(threads, precision)
        self._weights = load_weights(folder.weights)  # the graphs point into it as long as they live
        self._image_graph = _read_graph(self._core, folder, IMAGE_GRAPH, self._weights)
        try:
            reading, answering = _cut_at_states(_read_graph(self._core, folder, PAIR_GRAPH, self._weights))
        except RuntimeError as error:
            raise ModelError(f"{folder.path / PAIR_GRAPH}: not the graph of a pair network: {_first(error)}") from None
        self._read = None
        if reading:
            whole = precision == "int8"
            if whole:
                quantise.quantise_matrices(reading)
            self._read = self._compile(reading, self._options | (quantise.OPTIONS if whole else {}))
        # In bf16, the distances that the kernel machine compares would be lost in rounding.
        self._answer = self._compile(answering, self._options | {"INFERENCE_PRECISION_HINT": "f32"})
        self._images: dict[int, Any] = {}
        self._context_dim = self._image_graph.output(1).partial_shape[1].get_length()

    def preprocess(self, image: Image.Image) -> Pixels:
        """An RGB image as uint8 (image_size, image_size, 3), the way this model wants it."""
        return make_square(image, size=self.info.image_size, fit=self._recipe.image_fit)

    def encode_images(self, pixels: Pixels) -> ImageFeatures:
        """Features of a batch uint8 (N, image_size, image_size, 3); N may be anything from 0 on."""
        embedding = np.empty((len(pixels), self.info.image_dim), dtype=np.float32)
        context = np.empty((len(pixels), self._context_dim), dtype=np.float32)
        for start in range(0, len(pixels), _IMAGE_BATCHES[-1]):
            some = pixels[start : start + _IMAGE_BATCHES[-1]]
            stop = start + len(some)
            embedding[start:stop], context[start:stop] = self._run_images(some)
        return ImageFeatures(embedding, context)

    def encode_pairs(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        roles: Sequence[Role],
        figures: Sequence[FigureWords] | None = None,
    ) -> PairPredictions:
        """Predictions for N pairs: row i of `features` with text i (normalised), role i and words about figure i."""
        words, facts = self._inputs.encode(texts, roles, figures)
        sizes = ((self.info.pair_dim,), (len(ABS),), (len(KINDS),), ())
        answers = tuple(np.empty((len(texts), *size), np.float32) for size in sizes)
        rank = np.unique(words, axis=0, return_inverse=True)[1].ravel()  # equal rows have the same
        for rows, length in _batches_by_length(words, rank):
            some = _cut(words[rows], min(length, self._inputs.longest))
            said = self._answer([features.context[rows], some, facts[rows], *self._states(some, rank[rows])])
            for number, answer in enumerate(answers):
                answer[rows] = said[number]
        return PairPredictions(*answers)

    def _states(self, words: NDArray[np.int32], rank: NDArray[np.intp]) -> list[Floats]:
        """What the answering graph wants besides its other inputs: the states of the words, where a graph has any. A
        text that stands beside several figures is read once."""
        if not self._read:
            return []
        _, first, place = np.unique(rank, return_index=True, return_inverse=True)
        return [self._read([words[first]])[0][place]]

    def _run_images(self, pixels: Pixels) -> tuple[Floats, Floats]:
        count = len(pixels)
        size = next(size for size in _IMAGE_BATCHES if size >= count)
        if size > count:
            pixels = np.concatenate([pixels, np.zeros((size - count, *pixels.shape[1:]), dtype=np.uint8)])
        said = self._image_network(size)([np.ascontiguousarray(pixels)])
        return said[0][:count], said[1][:count]

    def _image_network(self, batch: int) -> Any:
        if batch not in self._images:
            graph = self._image_graph.clone()
            graph.reshape([batch, self.info.image_size, self.info.image_size, 3])
            self._images[batch] = self._compile(graph, self._options)
        return self._images[batch]

    def _compile(self, graph: Any, options: dict[str, Any]) -> Any:
        try:
            return self._core.compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise ModelError(f"the network of model {self.info.name!r} does not run here: {_first(error)}") from None


def _native(core: Any) -> Precision:
    return "int8" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _options(threads: int | None, precision: Precision) -> dict[str, Any]:
    hint = "f32" if precision == "f32" else "bf16"
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if threads:
        # Threads are pinned to cores from the first on: processes with a few threads each would share the same ones.
        options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return options


def _read_graph(core: Any, folder: ModelFolder, name: str, weights: Weights) -> Any:
    try:
        return core.read_model((folder.path / name).read_bytes(), openvino.Tensor(weights.buffer, shared_memory=True))
    except RuntimeError as error:
        raise ModelError(f"{folder.path / name}: not a graph that OpenVINO reads: {_first(error)}") from None


def _cut_at_states(graph: Any) -> tuple[Any, Any]:
    """A pair graph in two: what gives the states of words, and what answers from them, its last input. The first is
    None where a graph has no states."""
    results = {place.any_name: place.node for place in graph.outputs}
    if STATES not in results:
        return None, graph
    states = results.pop(STATES).input_value(0)
    inputs = [graph.input(name).node for name in ("context", "words", "facts")]
    given = opset.parameter(states.partial_shape, states.element_type, name=STATES)
    for user in states.get_target_inputs():
        user.replace_source_output(given.output(0))
    answering = openvino.Model(list(results.values()), [*inputs, given])
    return openvino.Model([opset.result(states)], inputs[1:2]), answering


def _batches_by_length(words: NDArray[np.int32], rank: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Rows of texts of like length, those of equal rank side by side, with the length (a multiple of a step) that holds
    all."""
    lengths = (words != PAD).sum(1)
    order = np.lexsort((rank, lengths))
    for start in range(0, len(order), _PAIR_BATCH):
        rows = order[start : start + _PAIR_BATCH]
        yield rows, max(1, -(-int(lengths[rows[-1]]) // _LENGTH_STEP)) * _LENGTH_STEP


def _cut(words: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    if words.shape[1] >= length:
        return np.ascontiguousarray(words[:, :length])
    return np.pad(words, ((0, 0), (0, length - words.shape[1])), constant_values=PAD)


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
