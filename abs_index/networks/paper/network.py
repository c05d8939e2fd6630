"""The paper's network as a whole: article embedding, autoencoder, classifier."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from abs_index.labels import ABS, KINDS
from abs_index.networks.paper.image import ImageDecoder, ImageEncoder
from abs_index.networks.paper.text_decoder import TextDecoder
from abs_index.networks.paper.text_encoder import Lengths, TextEncoder
from abs_index.paper_settings import PaperSettings


class ArticleEncoder(nn.Module):
    """Picture and text to the article embedding: both vectors side by side, then one layer (FC 2400 in the paper)."""

    def __init__(self, settings: PaperSettings, vectors: Tensor) -> None:
        """`vectors` float32 (V, word_dim) is the table of word vectors; see `model.sentences`."""
        super().__init__()
        self.image = ImageEncoder(settings.image)
        self.text = TextEncoder(settings.text, vectors, self.image.features)
        self.joint = nn.Linear(self.image.features + settings.text.features, settings.embedding_dim)

    def forward(self, picture: Tensor, words: Tensor, image: Tensor | None = None) -> Tensor:
        """Pictures (N, 3, S, S) from -1 to 1 and words int (N, sentences, words) to embeddings (N, E) from -1 to 1.

        `image` (N, features) is what the image encoder says of the pictures, where that is known already.
        """
        image = self.image(picture) if image is None else image
        return torch.tanh(self.joint(torch.cat([image, self.text(words, image)], 1)))


class Reconstruction(NamedTuple):
    """What the decoders make of embeddings: `picture` (N, 3, S, S), `words` (M, W, word_dim), see `TextDecoder`."""

    picture: Tensor
    words: Tensor


class Autoencoder(nn.Module):
    """The article encoder and both decoders."""

    def __init__(self, settings: PaperSettings, vectors: Tensor) -> None:
        super().__init__()
        self.encoder = ArticleEncoder(settings, vectors)
        self.image_decoder = ImageDecoder(settings.embedding_dim, settings.image)
        self.text_decoder = TextDecoder(settings.embedding_dim, settings.text)

    def forward(self, picture: Tensor, words: Tensor, image: Tensor | None = None) -> Reconstruction:
        """Pictures, words and image vectors, as for `ArticleEncoder`, to what is left of them behind the embedding."""
        embedding = self.encoder(picture, words, image)
        return Reconstruction(self.image_decoder(embedding), self.text_decoder(embedding, Lengths.of(words)))


class Answers(NamedTuple):
    """What the classifier says of N pairs: `abs` (N, 3) and `kind` (N, 11) before softmax, as in `ABS` and `KINDS`, and
    `cmi` (N,) before the logistic function."""

    abs: Tensor
    kind: Tensor
    cmi: Tensor


class Classifier(nn.Module):
    """The article encoder, then FC 512, FC 512, FC 3.

    The paper's network answers nothing but that. For the fields `kind` and `cmi` of an index, one layer each reads the
    article embedding as it is: no gradient flows from them into the encoder, which is trained as in the paper.
    """

    def __init__(self, settings: PaperSettings, vectors: Tensor) -> None:
        super().__init__()
        self.encoder = ArticleEncoder(settings, vectors)
        hidden, dropout = settings.classifier.hidden, settings.classifier.dropout
        self.head = nn.Sequential(
            nn.Linear(settings.embedding_dim, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(ABS)),
        )
        self.kind = nn.Linear(settings.embedding_dim, len(KINDS))
        self.cmi = nn.Linear(settings.embedding_dim, 1)

    def forward(self, picture: Tensor, words: Tensor, image: Tensor | None = None) -> Answers:
        """Pictures, words and image vectors, as for `ArticleEncoder`, to answers."""
        return self.answer(self.encoder(picture, words, image))

    def answer(self, embedding: Tensor) -> Answers:
        """Article embeddings (N, E) to answers."""
        fixed = embedding.detach()
        return Answers(self.head(embedding), self.kind(fixed), self.cmi(fixed).squeeze(1))
