"""The runtime for GPUs: the torch networks with the weights of a model folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn

from abs_index.errors import ModelError, UsageError
from abs_index.labels import Role
from abs_index.model.base import FigureWords, ImageFeatures, ModelInfo, PairModel, PairPredictions, Pixels
from abs_index.model.folder import ModelFolder
from abs_index.model.inputs import PairInputs
from abs_index.model.preprocess import make_square
from abs_index.model.weights import load_weights
from abs_index.model.word_pieces import START
from abs_index.networks.image import ImageNetwork
from abs_index.networks.pair import PairNetwork
from abs_index.networks.paper.answering import PaperImageNetwork, PaperPairNetwork, make_networks
from abs_index.networks.reader import ReaderNetwork
from abs_index.recipe import Recipe


class NetworkModel(PairModel):
    """Image and pair network of a recipe as they are in memory, run by torch on any of its devices."""

    def __init__(
        self, recipe: Recipe, info: ModelInfo, inputs: PairInputs, networks: tuple[nn.Module, nn.Module], device: str
    ) -> None:
        self.info = info
        self._recipe = recipe
        self._inputs = inputs
        self._device = torch.device(device)
        image, pair = networks
        self._image = image.to(self._device).to(memory_format=torch.channels_last)
        self._pair = pair.to(self._device)

    def preprocess(self, image: Image.Image) -> Pixels:
        """An RGB image as uint8 (image_size, image_size, 3), the way this model wants it."""
        return make_square(image, size=self.info.image_size, fit=self._recipe.image_fit)

    @torch.inference_mode()
    def encode_images(self, pixels: Pixels) -> ImageFeatures:
        """Features of a batch uint8 (N, image_size, image_size, 3); N may be anything from 0 on."""
        embedding, context = self._image(torch.from_numpy(pixels).to(self._device))
        return ImageFeatures(embedding.cpu().numpy(), context.cpu().numpy())

    @torch.inference_mode()
    def encode_pairs(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        roles: Sequence[Role],
        figures: Sequence[FigureWords] | None = None,
    ) -> PairPredictions:
        """Predictions for N pairs: row i of `features` with text i (normalised), role i and words about figure i."""
        inputs = (features.context, *self._inputs.encode(texts, roles, figures))
        said = self._pair(*(torch.from_numpy(one).to(self._device) for one in inputs))
        return PairPredictions(*(one.cpu().numpy() for one in said))


class TorchModel(NetworkModel):
    """A model folder, run by torch."""

    def __init__(self, folder: ModelFolder, device: str) -> None:
        networks = load_paper_networks(folder) if folder.recipe.paper else load_networks(folder)
        super().__init__(folder.recipe, folder.info, folder.inputs, networks, device)


def load_cuda(folder: ModelFolder, threads: int | None = None) -> PairModel:
    """The runtime `cuda`. Raises UsageError where torch sees no GPU; `threads` is for CPUs and changes nothing."""
    if not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch sees no GPU here; take --device cpu")
    return TorchModel(folder, "cuda")


def load_networks(folder: ModelFolder) -> tuple[ImageNetwork, PairNetwork | ReaderNetwork]:
    """Image and pair network of a model folder, ready to predict. Raises ModelError where its weights do not fit, and
    for a model of the paper's network, which is another one."""
    if folder.recipe.paper:
        raise ModelError(f"{folder.path}: of the paper's network, which `abs-index train classifier --regime` trains")
    image = ImageNetwork(folder.recipe.image.model_copy(update={"weights": "random"}))
    pair: PairNetwork | ReaderNetwork = (
        ReaderNetwork(folder.recipe, len(folder.words), folder.words.index(START))
        if folder.recipe.reader
        else PairNetwork(folder.recipe, folder.words)
    )
    _load_weights(folder, {"image": image, "pair": pair})
    return image.eval(), pair.eval()


def load_paper_networks(folder: ModelFolder) -> tuple[PaperImageNetwork, PaperPairNetwork]:
    """As `load_networks`, for a model of the paper's network."""
    assert folder.recipe.paper
    image, pair = make_networks(folder.recipe.paper, len(folder.words))
    _load_weights(folder, {"image": image, "pair": pair})
    return image.eval(), pair.eval()


def _load_weights(folder: ModelFolder, networks: dict[str, nn.Module]) -> None:
    try:
        tensors = load_weights(folder.weights).tensors
        for prefix, network in networks.items():
            mine = {
                name.removeprefix(f"{prefix}."): one for name, one in tensors.items() if name.startswith(f"{prefix}.")
            }
            floats = {name: torch.from_numpy(one.astype(np.float32)) for name, one in mine.items()}
            network.load_state_dict(floats, strict=True)
    except RuntimeError as error:
        what = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder.weights}: does not fit its recipe and vocabulary: {what}") from None
