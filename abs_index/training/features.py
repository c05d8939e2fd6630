"""Features of the labelled images: computed once, however long the training goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import openvino
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from abs_index.model.preprocess import make_square
from abs_index.networks.convert import convert_image_network
from abs_index.networks.image import Backbone
from abs_index.recipe import ImageSettings
from abs_index.training.evaluation import prepare_images

Advance = Callable[[int, int], None]
"""Told how many of how many images are done."""


@dataclass(frozen=True, slots=True)
class RawFeatures:
    """What `Backbone` says of N images: `regions` (N, R, C), `pooled` (N, P), `depths` (N, D); all float32."""

    regions: Tensor
    pooled: Tensor
    depths: Tensor

    def take(self, rows: Tensor) -> RawFeatures:
        """The features of some of the images."""
        return RawFeatures(self.regions[rows], self.pooled[rows], self.depths[rows])


def image_features(
    backbone: Backbone,
    settings: ImageSettings,
    names: Sequence[str],
    images: Path,
    cache: Path | None = None,
    advance: Advance | None = None,
) -> RawFeatures:
    """What the backbone says of images below a folder, from the folder `cache` where it is there already.

    The cache knows images by their content. Raises LabelsError for an image that cannot be decoded.
    """
    if cache is None:
        return _extract(backbone, settings, names, images, advance)
    path = cache / f"features-{_key(settings, names, images)}.safetensors"
    if path.is_file():
        return RawFeatures(**load_file(path))
    features = _extract(backbone, settings, names, images, advance)
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({"regions": features.regions, "pooled": features.pooled, "depths": features.depths}, part)
    part.replace(path)
    return features


def _extract(
    backbone: Backbone, settings: ImageSettings, names: Sequence[str], images: Path, advance: Advance | None
) -> RawFeatures:
    graph = convert_image_network(backbone, settings.size, ("regions", "pooled", "depths"))
    # OpenVINO, because it is several times faster than torch; float32, because all processors have it.
    network = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts: list[list[Tensor]] = []
    done = 0
    for pixels in prepare_images(
        names, images, partial(make_square, size=settings.size, fit=settings.fit), settings.size
    ):
        said = network([pixels])
        parts.append([torch.tensor(said[number]) for number in range(3)])
        done += len(pixels)
        if advance:
            advance(done, len(names))
    regions, pooled, depths = (torch.cat(one) for one in zip(*parts, strict=True))
    return RawFeatures(regions, pooled, depths)


def _key(settings: ImageSettings, names: Sequence[str], images: Path) -> str:
    # The projections are no part of it: they are computed from the features.
    digest = hashlib.blake2b(
        repr((settings.encoder, settings.weights, settings.size, settings.fit, settings.grid)).encode()
    )
    for name in names:
        digest.update(hashlib.blake2b((images / name).read_bytes()).digest())
    return digest.hexdigest()[:32]
