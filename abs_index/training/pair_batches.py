"""Pictures and texts to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from abs_index.corpus.images import decode_image
from abs_index.errors import LabelsError, RejectedError
from abs_index.model.base import Pixels
from abs_index.model.preprocess import make_square
from abs_index.model.sentences import PaperVocabulary
from abs_index.paper_settings import PaperSettings
from abs_index.training.steps import Batch


class Labels(NamedTuple):
    """Of one pair: its number in `ABS`, its number in `KINDS`, its grade of `cmi` from 0 to 3; -1 where not known."""

    abs: int = -1
    kind: int = -1
    cmi: int = -1


class PairBatches:
    """N pairs: `texts`, and `images`, paths below `root`. Labels are left out where there are none.

    `vectors` (N, features) are set where image vectors are known already; without `pictures`, no picture is read then.
    `articles` (N, E) are set where article embeddings are: then there is nothing to read.
    """

    vectors: Tensor | None = None
    pictures: bool = True
    articles: Tensor | None = None

    def __init__(
        self,
        texts: Sequence[str],
        images: Sequence[str],
        root: Path,
        vocabulary: PaperVocabulary,
        settings: PaperSettings,
        labels: Sequence[Labels] | None = None,
    ) -> None:
        self._texts, self._images, self._root = texts, images, root
        self._vocabulary, self._settings = vocabulary, settings
        self._labels = torch.tensor(labels if labels is not None else [Labels()] * len(texts)).view(-1, 3)

    def __len__(self) -> int:
        return len(self._texts)

    def load(self, rows: Sequence[int]) -> Batch:
        """Some of the pairs. Raises LabelsError for a picture that cannot be read. Safe in several threads."""
        places = torch.tensor(list(rows))
        vectors, articles = (None if one is None else one[places] for one in (self.vectors, self.articles))
        return Batch(self._load_pictures(rows), self._load_words(rows), self._labels[places], vectors, articles)

    def _load_words(self, rows: Sequence[int]) -> Tensor:
        text = self._settings.text
        texts = [self._texts[row] for row in rows] if self.articles is None else []
        words = self._vocabulary.encode_batch(texts, sentences=text.max_sentences, words=text.max_words)
        return torch.from_numpy(words)

    def _load_pictures(self, rows: Sequence[int]) -> Tensor:
        if not self.pictures or self.articles is not None:
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
