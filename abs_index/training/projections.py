"""The fixed linear parts of a model: principal components of features, learnt from the training images once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abs_index.networks.image import ImageNetwork
from abs_index.training.features import RawFeatures


def fit_image_projections(network: ImageNetwork, features: RawFeatures) -> None:
    """Sets the projections of an image network from the features of the training images."""
    set_components(network.embedding, features.pooled, whiten=0.5)
    everything = torch.cat([features.pooled, features.depths], 1)
    scale = 1 / (everything.std(0) + 1e-3)
    scale[features.pooled.shape[1] :] *= 0.5  # many stages say nearly the same: together they would outweigh the last
    network.shift.data, network.scale.data = everything.mean(0), scale
    set_components(network.summary, ((everything - network.shift) * network.scale).clamp(-5, 5))
    set_components(network.region, features.regions.flatten(0, 1))


def set_components(linear: nn.Linear, features: Tensor, whiten: float = 0.0) -> None:
    """Makes a linear layer project on the principal components of `features` (N, D), with outputs of mean square 1.

    `whiten` lifts weak components: 0 leaves their variances as they are, 1 makes all equal. Halfway, the nearest
    neighbours of a figure hang less on the few strongest components, which mostly tell bright from dark.
    """
    centre = features.mean(0)
    centred = features - centre
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(features))
    count = min(linear.out_features, len(variances))
    axes, variances = axes.flip(1)[:, :count].T, variances.flip(0)[:count].clamp_min(1e-12)
    largest = axes.abs().argmax(1, keepdim=True)
    axes = (
        axes * axes.gather(1, largest).sign()
    )  # the sign of a component is arbitrary: fixed, for the same model again
    strengths = variances.rsqrt().pow(whiten)
    weight = torch.zeros_like(linear.weight.data)
    weight[:count] = axes * strengths[:, None]
    weight /= ((weight[:count] @ axes.T).square() @ variances).mean().sqrt()
    linear.weight.data, linear.bias.data = weight, -weight @ centre
