"""Pictures and texts to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from abs_index.corpus.images import decode_image
from abs_index.errors import LabelsError, RejectedError
from abs_index.model.base import Pixels
from abs_index.model.preprocess import make_square
from abs_index.networks.paper.vocabulary import PaperVocabulary
from abs_index.recipe import PaperSettings
from abs_index.training.steps import Batch


class PairBatches:
    """N pairs: `texts`, and `images`, paths below `root`. Labels are numbers, left out where there are none.

    `vectors` (N, features) are set where image vectors are known already; without `pictures`, no picture is read then.
    """

    vectors: Tensor | None = None
    pictures: bool = True

    def __init__(
        self,
        texts: Sequence[str],
        images: Sequence[str],
        root: Path,
        vocabulary: PaperVocabulary,
        settings: PaperSettings,
        labels: Sequence[int] | None = None,
    ) -> None:
        self._texts, self._images, self._root = texts, images, root
        self._vocabulary, self._settings = vocabulary, settings
        self._labels = labels if labels is not None else [0] * len(texts)

    def __len__(self) -> int:
        return len(self._texts)

    def load(self, rows: Sequence[int]) -> Batch:
        """Some of the pairs. Raises LabelsError for a picture that cannot be read. Safe in several threads."""
        text = self._settings.text
        words = self._vocabulary.encode_batch(
            [self._texts[row] for row in rows], sentences=text.max_sentences, words=text.max_words
        )
        labels = torch.tensor([self._labels[row] for row in rows])
        vectors = None if self.vectors is None else self.vectors[torch.tensor(list(rows))]
        return Batch(self._load_pictures(rows), torch.from_numpy(words), labels, vectors)

    def _load_pictures(self, rows: Sequence[int]) -> Tensor:
        if not self.pictures:
            return torch.empty(len(rows), 0, 0, 3, dtype=torch.uint8)
        size = self._settings.image.size
        return torch.from_numpy(np.stack([load_picture(self._root / self._images[row], size) for row in rows]))


def load_picture(path: Path, size: int) -> Pixels:
    """A picture squashed to uint8 (size, size, 3). Raises LabelsError."""
    try:
        return make_square(decode_image(path.read_bytes(), target=size).image, size=size, fit="squash")
    except RejectedError as error:
        raise LabelsError(f"{path}: {error}") from None
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from None
