"""What a model is to the rest of the program: images in, features out; features and texts in, predictions out.

Every runtime (OpenVINO on a CPU, torch on a GPU) is a subclass of `PairModel`; tests subclass it with a tiny one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abs_index.corpus.document import Figure
from abs_index.corpus.pairs import caption_of
from abs_index.labels import Role

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model without loading its weights.

    `fingerprint` is a hash of weights, vocabulary and recipe: two models with the same one give the same predictions.
    """

    name: str
    fingerprint: str
    image_size: int
    image_dim: int
    pair_dim: int


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What the image encoder knows of N images.

    `embedding` is float32 (N, image_dim), each row of unit length: what figure search compares. `context` is float32
    (N, ...): what the pair network needs beside the text; its shape is the model's own affair.
    """

    embedding: Floats
    context: Floats

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> ImageFeatures:
        """The features of some of the images, in the order of `rows`; rows may repeat."""
        index = np.asarray(rows, dtype=np.intp)
        return ImageFeatures(self.embedding[index], self.context[index])


@dataclass(frozen=True, slots=True)
class FigureWords:
    """What is known of a figure in words, beside the text of a pair; "" where there is nothing, or nobody looked.

    `written` stands in the picture, `alt` stands for it where it cannot be seen, `caption` is its caption.
    """

    written: str = ""
    alt: str = ""
    caption: str = ""

    @classmethod
    def of(cls, figure: Figure, written: str = "") -> FigureWords:
        """What a document tells of a figure, and the words that were read in its picture."""
        return cls(written, figure.alt, caption_of(figure).normalised)


@dataclass(frozen=True, slots=True)
class PairPredictions:
    """What the network says of N pairs.

    `embedding` float32 (N, pair_dim) of unit length; `abs_prob` float32 (N, 3) in the order of `labels.ABS`;
    `kind_prob` float32 (N, 11) in the order of `labels.KINDS`; rows of probabilities sum to 1. `cmi` float32 (N,) from
    0 to 1: how much image and text have in common (cross-modal mutual information).
    """

    embedding: Floats
    abs_prob: Floats
    kind_prob: Floats
    cmi: Floats

    @classmethod
    def join(cls, parts: Sequence[PairPredictions]) -> PairPredictions:
        """The predictions of some batches, one behind the other; there must be at least one."""
        return cls(
            np.concatenate([part.embedding for part in parts]),
            np.concatenate([part.abs_prob for part in parts]),
            np.concatenate([part.kind_prob for part in parts]),
            np.concatenate([part.cmi for part in parts]),
        )

    def take(self, rows: slice | Sequence[int] | NDArray[np.intp]) -> PairPredictions:
        """The predictions of some of the pairs, in the order of `rows`."""
        return PairPredictions(self.embedding[rows], self.abs_prob[rows], self.kind_prob[rows], self.cmi[rows])


class PairModel(ABC):
    """A loaded model. `preprocess` may be called from many threads, the encoders from one at a time."""

    info: ModelInfo

    @abstractmethod
    def preprocess(self, image: Image.Image) -> Pixels:
        """An RGB image as uint8 (image_size, image_size, 3), the way this model wants it."""

    @abstractmethod
    def encode_images(self, pixels: Pixels) -> ImageFeatures:
        """Features of a batch uint8 (N, image_size, image_size, 3); N may be anything from 0 on."""

    @abstractmethod
    def encode_pairs(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        roles: Sequence[Role],
        figures: Sequence[FigureWords] | None = None,
    ) -> PairPredictions:
        """Predictions for N pairs: row i of `features` with text i (normalised) and role i.

        `figures` is what else is known of figure i in words; models may do without.
        """
