"""A tiny model and a writer of tiny articles: what tests of building and searching share."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image

from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.errors import RejectedError
from abs_index.labels import ABS, KINDS, Role
from abs_index.model.base import FigureWords, Floats, ImageFeatures, ModelInfo, PairModel, PairPredictions, Pixels

SIZE = 8
IMAGE_DIM = 16
PAIR_DIM = 12
WORDS = 64


class FakeModel(PairModel):
    """Random projections with a fixed seed: like images and like texts get like vectors, the same on every run."""

    def __init__(self, name: str = "fake", seed: int = 0, image_dim: int = IMAGE_DIM, pair_dim: int = PAIR_DIM) -> None:
        random = np.random.default_rng(seed)
        self.info = ModelInfo(name, f"{zlib.crc32(name.encode()):08x}{seed:08x}" * 2, SIZE, image_dim, pair_dim)
        self._image = _matrix(random, SIZE * SIZE * 3, image_dim)
        self._pair = _matrix(random, image_dim + WORDS, pair_dim)
        self._abs = _matrix(random, pair_dim, len(ABS))
        self._kind = _matrix(random, image_dim, len(KINDS))
        self.images_seen = 0
        self.pairs_seen = 0

    def preprocess(self, image: Image.Image) -> Pixels:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.uint8)

    def encode_images(self, pixels: Pixels) -> ImageFeatures:
        self.images_seen += len(pixels)
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255 - 0.5
        embedding = _unit(flat @ self._image)
        return ImageFeatures(embedding, embedding)

    def encode_pairs(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        roles: Sequence[Role],
        figures: Sequence[FigureWords] | None = None,
    ) -> PairPredictions:
        self.pairs_seen += len(texts)
        words = [(row, _column(word)) for row, text in enumerate(texts) for word in (roles[row], *text.lower().split())]
        bags = np.zeros((len(texts), WORDS), dtype=np.float32)
        np.add.at(bags, tuple(np.array(words, dtype=int).reshape(-1, 2).T), 1)
        embedding = _unit(np.concatenate([features.context, _unit(bags)], axis=1) @ self._pair)
        return PairPredictions(
            embedding,
            _softmax(4 * embedding @ self._abs),
            _softmax(4 * features.embedding @ self._kind),
            np.abs(embedding[:, 0]),
        )


class ReadingModel(FakeModel):
    """A model that reads all words about the figure with the text, and notes them."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.heard: list[FigureWords] = []

    def encode_pairs(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        roles: Sequence[Role],
        figures: Sequence[FigureWords] | None = None,
    ) -> PairPredictions:
        given = figures or [FigureWords()] * len(texts)
        words = [" ".join(filter(None, (one.written, one.alt, one.caption))) for one in given]
        self.heard += given
        self.told += words
        return super().encode_pairs(
            features, [f"{text} {word}" for text, word in zip(texts, words, strict=True)], roles
        )


class FakeReader:
    """Reads the colour of the corner: words of red pictures, none of others; cannot read pure blue ones."""

    def __init__(self, name: str = "reader") -> None:
        self.name = name
        self.reads = 0
        self._lock = Lock()

    def read(self, image: Image.Image) -> str:
        with self._lock:
            self.reads += 1
        red, green, blue = image.getpixel((image.width - 1, image.height - 1))
        if (red, green, blue) == (0, 0, 255):
            raise RejectedError(FIGURE_TEXT, "too blue")
        return f"{self.name} saw {green} {blue}" if red > 200 else ""


@lru_cache(maxsize=10_000)
def _column(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace")) % WORDS


def _matrix(random: np.random.Generator, rows: int, columns: int) -> Floats:
    return random.standard_normal((rows, columns)).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@dataclass
class FakeFigure:
    """A figure of a `FakeArticle`. `mentions` are paragraphs that refer to it."""

    id: str
    caption: str = "A caption."
    mentions: tuple[str, ...] = ()
    label: str = ""
    color: tuple[int, int, int] = (200, 30, 30)
    image: str | None = None
    """Name of the image file; None makes one of `color`."""


@dataclass
class FakeArticle:
    """A JATS article with its images."""

    doi: str
    figures: list[FakeFigure] = field(default_factory=list)
    title: str = "An article"
    journal: str = "Journal of Tests"
    year: int = 2020
    keywords: tuple[str, ...] = ()


def write_image(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (24, 16)) -> None:
    """A two-coloured PNG, so that no two colours give parallel vectors."""
    image = Image.new("RGB", size, color)
    image.paste((255 - color[0], color[1], 255 - color[2]), (0, 0, size[0] // 3, size[1] // 2))
    image.save(path)


def write_article(folder: Path, article: FakeArticle) -> Path:
    """Writes `article` as JATS into `folder` (one folder an article); returns the XML file."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, paragraphs = [], []
    for number, figure in enumerate(article.figures, 1):
        label = figure.label or f"Figure {number}"
        name = figure.image or f"{figure.id}.png"
        if figure.image is None:
            write_image(folder / name, figure.color)
        caption = f"<caption><p>{escape(figure.caption)}</p></caption>" if figure.caption else ""
        figures.append(
            f"<fig id={quoteattr(figure.id)}><label>{escape(label)}</label>{caption}"
            f"<graphic xlink:href={quoteattr(name)}/></fig>"
        )
        paragraphs += [
            f'<p>{escape(text)} (see <xref ref-type="fig" rid={quoteattr(figure.id)}>{escape(label)}</xref>).</p>'
            for text in figure.mentions
        ]
    keywords = "".join(f"<kwd>{escape(word)}</kwd>" for word in article.keywords)
    path = folder / "article.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article" xml:lang="en"><front>'
        f"<journal-meta><journal-title-group><journal-title>{escape(article.journal)}</journal-title>"
        "</journal-title-group></journal-meta><article-meta>"
        f'<article-id pub-id-type="doi">{escape(article.doi)}</article-id>'
        f"<title-group><article-title>{escape(article.title)}</article-title></title-group>"
        f'<pub-date pub-type="epub"><year>{article.year}</year></pub-date>'
        f"<kwd-group>{keywords}</kwd-group></article-meta></front>"
        f"<body><sec><title>Results</title>{''.join(paragraphs)}{''.join(figures)}</sec></body></article>",
        encoding="utf-8",
    )
    return path


def write_corpus(folder: Path, documents: int = 4, figures: int = 3, mentions: int = 2) -> Path:
    """A corpus of articles that all differ; returns `folder`."""
    subjects = ("traffic waves", "gel electrophoresis", "a turbine", "the cell wall", "a neural network", "rivers")
    for number in range(documents):
        made = [
            FakeFigure(
                id=f"f{index}",
                caption=f"Overview of {subjects[(number + index) % len(subjects)]} in case {number}.",
                mentions=tuple(
                    f"Experiment {turn} of case {number} on {subjects[(index + turn) % len(subjects)]} went well"
                    for turn in range(mentions)
                ),
                color=((number * 53 + 20) % 256, (index * 71 + 40) % 256, (number * 17 + index * 29) % 256),
            )
            for index in range(figures)
        ]
        article = FakeArticle(
            f"10.1234/test.{number}", made, title=f"Study {number}", year=2010 + number, keywords=("test",)
        )
        write_article(folder / f"article-{number:03}", article)
    return folder
