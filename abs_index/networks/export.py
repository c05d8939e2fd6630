"""Torch networks to a model folder: weights once as safetensors, and OpenVINO graphs that point into that file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from abs_index.errors import ModelError
from abs_index.model.folder import FORMAT, IMAGE_GRAPH, PAIR_GRAPH, RECIPE, VOCABULARY, WEIGHTS, digest, make_inputs
from abs_index.model.weights import CONSTANTS, lay_out, pack, unpack
from abs_index.networks.convert import convert_image_network, convert_pair_network
from abs_index.recipe import Recipe, format_recipe

_MOST_REST_BYTES = 256 * 1024
"""Constants that a graph may have beside the weights: shapes, scalars. More would mean that weights are there twice."""

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class _Graph:
    """A graph in OpenVINO's own form: its XML, and the bytes that the constants in the XML are places in."""

    xml: ElementTree.Element
    constants: bytes


@torch.no_grad()
def export_model(recipe: Recipe, image: nn.Module, pair: nn.Module, words: Sequence[str], folder: Path) -> None:
    """Writes the files of a model (see `model.folder`) except its card. Weights are rounded in place to what is stored
    (see `model.weights`), so that the torch networks and the graphs calculate with the same numbers. Raises ModelError.
    """
    networks: dict[str, nn.Module] = {"image": image.eval(), "pair": pair.eval()}
    packed = pack(
        {
            f"{prefix}.{name}": value.detach().half().contiguous().numpy()
            for prefix, network in networks.items()
            for name, value in network.state_dict().items()
        }
    )
    tensors = unpack(packed)
    for prefix, network in networks.items():
        for name, value in network.state_dict().items():
            value.copy_(torch.from_numpy(tensors[f"{prefix}.{name}"].astype(np.float32)))
    graphs = {
        IMAGE_GRAPH: _serialize(convert_image_network(image, recipe.image_size, ("embedding", "context"))),
        PAIR_GRAPH: _serialize(convert_pair_network(pair, recipe.context_dim, make_inputs(recipe, words))),
    }
    files = {
        RECIPE: format_recipe(recipe).encode(),
        VOCABULARY: "".join(f"{word}\n" for word in words).encode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (files | _join(packed, tensors, graphs, files)).items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ModelError(f"{folder}: the model cannot be written: {error.strerror}") from None


def _serialize(model: Any) -> _Graph:
    """A graph with its constants as float16."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        openvino.save_model(model, path, compress_to_fp16=True)
        return _Graph(ElementTree.fromstring(path.read_bytes()), path.with_suffix(".bin").read_bytes())  # noqa: S314


def _join(
    packed: Mapping[str, NDArray[Any]],
    tensors: Mapping[str, NDArray[np.float16]],
    graphs: Mapping[str, _Graph],
    files: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Weights and graphs as files; the constants of the graphs become places in the weights as they lie in memory."""
    rest = bytearray()
    holders = {value.tobytes(): name for name, value in tensors.items()}
    homes = {name: _find_homes(graph, holders, rest) for name, graph in graphs.items()}
    if len(rest) > _MOST_REST_BYTES:
        raise ModelError(f"{len(rest)} bytes of constants are no weights of the network: they would be stored twice")
    starts = lay_out(tensors, bytes(rest)).starts
    for name, graph in graphs.items():
        for data, (holder, offset) in zip(_constants(graph.xml), homes[name], strict=True):
            data.set("offset", str(starts[holder] + offset))
    written = {name: ElementTree.tostring(graph.xml, encoding="utf-8") for name, graph in graphs.items()}
    metadata = {"format": FORMAT} | {name: digest(content) for name, content in {**files, **written}.items()}
    return written | {WEIGHTS: save({**packed, CONSTANTS: np.frombuffer(bytes(rest), dtype=np.uint8)}, metadata)}


def _find_homes(graph: _Graph, holders: Mapping[bytes, str], rest: bytearray) -> list[tuple[str, int]]:
    """For each constant of a graph the tensor that holds the same bytes, and where in it; what no tensor holds goes to
    `rest`."""
    homes = []
    for data in _constants(graph.xml):
        start, size = int(data.attrib["offset"]), int(data.attrib["size"])
        content = graph.constants[start : start + size]
        holder = holders.get(content)
        if holder is None:
            rest.extend(bytes(-len(rest) % _ALIGNMENT))
            homes.append((CONSTANTS, len(rest)))
            rest.extend(content)
        else:
            homes.append((holder, 0))
    return homes


def _constants(xml: ElementTree.Element) -> list[ElementTree.Element]:
    layers = (layer for layer in xml.iter("layer") if layer.get("type") == "Const")
    return [data for layer in layers if (data := layer.find("data")) is not None]
