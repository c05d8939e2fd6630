"""The image side of the paper's network: a picture to a vector, and an article embedding back to a picture."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from abs_index.errors import ModelError
from abs_index.networks.image import load_package_weights
from abs_index.paper_settings import PaperImageSettings


def scale_pixels(pixels: Tensor) -> Tensor:
    """Pixels uint8 (N, S, S, 3) to float32 (N, 3, S, S) from -1 to 1 (the preprocessing of Szegedy et al. 2016)."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


class ImageEncoder(nn.Module):
    """The pooled features of a backbone of timm: 1536 numbers for Inception-ResNet-v2 (Szegedy et al. 2016).

    Batch normalisation keeps the statistics of the first weights, also in training: what is said of a picture does
    not hang on the other pictures of its batch.
    """

    def __init__(self, settings: PaperImageSettings) -> None:
        super().__init__()
        self.backbone: Any = _make_backbone(settings.encoder, settings.weights)
        self.backbone.requires_grad_(settings.fine_tune)
        self.features: int = self.backbone.num_features
        self.mixed = False
        """Whether to calculate in bfloat16 where that loses nothing; the answer is float32 all the same."""

    def train(self, mode: bool = True) -> ImageEncoder:
        """As of any network, except that the backbone's normalisation stays as it is."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, picture: Tensor) -> Tensor:
        """Pictures float (N, 3, S, S) from -1 to 1 to vectors (N, features)."""
        with _precision(picture, self.mixed):
            vector: Tensor = self.backbone(picture)
        return vector.float()


class ImageDecoder(nn.Module):
    """Article embeddings to pictures: FC, FC as S/10 x S/10, then each side grows to S/5, S/4, S/2 and S, with a 3 x 3
    convolution behind each growth. At the 300 pixels of the paper: FC 2400, FC 900 as 30 x 30, up 60, conv 128, up 75,
    conv 64, up 150, conv 32, up 300, conv 3."""

    def __init__(self, embedding_dim: int, settings: PaperImageSettings) -> None:
        super().__init__()
        size = settings.size
        self.start = size // 10
        self.sides = (size // 5, size // 4, size // 2, size)
        self.mixed = False
        """As in `ImageEncoder`."""
        self.first = nn.Linear(embedding_dim, embedding_dim)
        self.plane = nn.Linear(embedding_dim, self.start**2)
        channels = (1, *settings.decoder_channels, 3)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, padding=1) for before, after in pairwise(channels)
        )
        self._initialise()

    def _initialise(self) -> None:
        """As large as six layers with ReLU need it (He et al. 2015): with torch's own, a signal is lost on the way."""
        for layer in (self.first, self.plane, *self.convolutions):
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if layer is self.convolutions[-1] else "relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, embedding: Tensor) -> Tensor:
        """Embeddings (N, E) to pictures (N, 3, S, S), on the scale of -1 to 1, which they may leave."""
        with _precision(embedding, self.mixed):
            plane = self.plane(functional.relu(self.first(embedding)))
            picture: Tensor = plane.view(-1, 1, self.start, self.start)
            for side, convolution in zip(self.sides, self.convolutions, strict=True):
                grown = functional.interpolate(functional.relu(picture), size=(side, side), mode="nearest")
                picture = convolution(grown)
        return picture.float()


def image_losses(said: Tensor, picture: Tensor) -> Tensor:
    """Mean squared error of each picture (N,)."""
    return (said - picture).square().flatten(1).mean(1)


def _precision(inputs: Tensor, mixed: bool) -> AbstractContextManager[object]:
    return torch.autocast(inputs.device.type, torch.bfloat16) if mixed else nullcontext()


def _make_backbone(name: str, weights: str) -> Any:
    """A network of timm without its last layer. Raises ModelError for an unknown name and for weights that do not fit
    or are not to be had."""
    if not timm.is_model(name):
        raise ModelError(f"[paper.image] encoder {name!r}: timm {timm.__version__} has no network of this name")
    if weights == "timm":
        return _make_pretrained(name)
    if weights == "package":
        return _make_from_package(name)
    network = timm.create_model(name, pretrained=False, num_classes=0)
    if weights != "random":
        _load_file(network, name, Path(weights))
    return network


def _make_pretrained(name: str) -> Any:
    try:
        return timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:  # no network, nothing in the cache, or a damaged file there
        raise ModelError(
            f"[paper.image] the weights of {name} cannot be had from timm's hub ({_one_line(error)}); "
            "connect once, or name a file (.safetensors) as weights"
        ) from None


def _make_from_package(name: str) -> Any:
    network = timm.create_model(name, pretrained=False)
    try:
        load_package_weights(network)
    except (ValueError, RuntimeError):
        raise ModelError(f"[paper.image] weights 'package' are those of tf_efficientnet_lite0, not of {name}") from None
    network.reset_classifier(0)
    return network


def _load_file(network: Any, name: str, path: Path) -> None:
    """All tensors must be there and fit, but those of the last layer, which is not used."""
    try:
        tensors = load_file(path)
        last = f"{network.pretrained_cfg['classifier']}."
        network.load_state_dict({key: value for key, value in tensors.items() if not key.startswith(last)})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"[paper.image] weights {str(path)!r}: cannot be read ({_one_line(error)})") from None
    except RuntimeError as error:
        raise ModelError(f"[paper.image] weights {str(path)!r}: not those of {name} ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
