"""Elements to labels: images read and decoded by threads, the network called in batches, marks compared before that.

A *mark* is a hash of all that labels are made from: model, text, what else is told of the figure, image path, image
content. It is stored beside the labels, so that a second run, or one that goes on, predicts only what is new or has
changed. Behind the hash stands who read the words in the image, if somebody did, and whether there are vectors.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

import numpy as np

from abs_index.corpus.figure_text import FigureReader, decode_for_reading
from abs_index.corpus.images import decode_image
from abs_index.corpus.rejects import BAD_VECTOR
from abs_index.enriching.elements import FIGURE_TEXT, SOURCE, Element, Json
from abs_index.enriching.images import ImageSource
from abs_index.enriching.reading import UserDocument
from abs_index.errors import RejectedError
from abs_index.indexing.local import ordered_map
from abs_index.indexing.once import Once
from abs_index.indexing.vectors import unit
from abs_index.labels import ABS, KINDS, Role
from abs_index.model.base import FigureWords, Floats, PairModel
from abs_index.recipe import CorpusSettings

_VERSION = 2
"""Raised whenever the same input would give other labels, so that all are made again."""

_WITH_VECTORS = "+vectors"
_WITH_WORDS = re.compile(r"\+words-[0-9a-f]+")
_DOCUMENTS_A_BATCH = 64
_KNOWN = 512
_READ = 4096


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """How labels are made: `role` of the text; `vectors` adds embeddings; `reader` reads the words in images, for the
    model and for a field of their own; `workers` threads read and decode images, one a core where it is None."""

    role: Role = "caption"
    vectors: bool = False
    batch_size: int = 32
    workers: int | None = None
    reader: FigureReader | None = None
    corpus: CorpusSettings = field(default_factory=CorpusSettings)


_Item = Element | UserDocument


class Labeller:
    """Gives elements their labels. `encoded` counts images that went through the network."""

    def __init__(self, model: PairModel, images: ImageSource, settings: LabelSettings) -> None:
        self._model = model
        self._images = images
        self._settings = settings
        self._known: dict[str, Json] = {}
        self._words = Once[str | None](_READ)
        self.encoded = 0

    def label(self, documents: Iterable[UserDocument]) -> Iterator[list[UserDocument]]:
        """The same documents in batches, in order; their elements have labels, or a reason, or are unchanged."""
        items: Iterator[_Item] = chain.from_iterable((*document.elements, document) for document in documents)
        size, workers = self._settings.batch_size, self._settings.workers or os.cpu_count() or 1
        waiting: list[Element] = []
        closed: list[UserDocument] = []
        with closing(ordered_map(self._load, items, workers=workers, ahead=size + 2 * workers)) as loaded:
            for item in loaded:
                if isinstance(item, UserDocument):
                    closed.append(item)
                elif item.pixels is not None:
                    waiting.append(item)
                if len(waiting) >= size or len(closed) >= _DOCUMENTS_A_BATCH:
                    self._predict(waiting)
                    yield closed
                    waiting, closed = [], []
        self._predict(waiting)
        if closed:
            yield closed

    def made(self, mark: str) -> Json | None:
        """The labels with this mark, where they were made here and lately."""
        return self._known.get(mark) or None

    def _load(self, item: _Item) -> _Item:
        if isinstance(item, Element) and not item.reason:
            try:
                self._load_image(item)
            except RejectedError as error:
                item.reason, item.detail = error.reason, error.detail
        return item

    def _load_image(self, element: Element) -> None:
        content = self._images.read(element.image)
        element.digest = blake2b(content, digest_size=16).hexdigest()
        element.mark = self._mark(element)
        # Labels that were made with words are still right where nobody reads.
        found = element.found if self._settings.reader else _WITH_WORDS.sub("", element.found)
        if found in (element.mark, element.mark + _WITH_VECTORS):
            return  # unchanged
        if reader := self._settings.reader:
            element.words = self._words.get(element.digest, lambda: self._read(content, reader))
        decoded = decode_image(content, settings=self._settings.corpus, target=self._model.info.image_size)
        element.pixels = self._model.preprocess(decoded.image)

    def _read(self, content: bytes, reader: FigureReader) -> str | None:
        """The words in an image, None where the reader fails: the labels are made all the same."""
        image = decode_for_reading(content, settings=self._settings.corpus)
        try:
            return reader.read(image)
        except RejectedError:
            return None

    def _mark(self, element: Element) -> str:
        made_from = [
            _VERSION, self._model.info.fingerprint, self._settings.role, element.text, element.image, element.digest
        ]  # fmt: skip
        if element.alt or element.caption:  # else as before there were any, so that those labels stay
            made_from += [element.alt, element.caption]
        mark = blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()
        if self._settings.reader:
            mark += f"+words-{blake2b(self._settings.reader.name.encode(), digest_size=4).hexdigest()}"
        # Vectors that are there must not stay behind the labels, so whoever had some gets new ones.
        wanted = self._settings.vectors or element.found.endswith(_WITH_VECTORS)
        return mark + _WITH_VECTORS * (wanted and element.alone)

    def _predict(self, elements: Sequence[Element]) -> None:
        fresh = {element.mark: element for element in elements if element.mark not in self._known}
        if fresh:
            self._known.update(self._labels(list(fresh.values())))
        for element in elements:
            element.pixels = None
            element.labels = self._known[element.mark] or None
            if element.labels is None:
                element.reason = BAD_VECTOR
            elif self._settings.reader is None and _WITH_WORDS.search(element.found):
                element.labels = element.labels | {FIGURE_TEXT: None}  # perhaps of another image
        for mark in list(self._known)[: -_KNOWN - len(elements)]:
            del self._known[mark]

    def _labels(self, elements: Sequence[Element]) -> Iterator[tuple[str, Json]]:
        """The marks of elements with their labels, {} where the network gives nothing that can be used."""
        rows: dict[str, int] = {}
        pixels = []
        for element in elements:
            if element.digest not in rows and element.pixels is not None:
                rows[element.digest] = len(rows)
                pixels.append(element.pixels)
        features = self._model.encode_images(np.stack(pixels))
        self.encoded += len(pixels)
        taken = features.take([rows[element.digest] for element in elements])
        words = [FigureWords(element.words or "", element.alt, element.caption) for element in elements]
        said = self._model.encode_pairs(
            taken, [element.text for element in elements], [self._settings.role] * len(elements), words
        )
        for at, element in enumerate(elements):
            labels = _label(said.abs_prob[at], said.kind_prob[at], float(said.cmi[at]))
            if self._settings.reader and labels:
                labels[FIGURE_TEXT] = element.words
            if element.mark.endswith(_WITH_VECTORS) and labels:
                labels |= _vectors(embedding_pair=said.embedding[at], embedding_image=taken.embedding[at])
            yield element.mark, labels | ({SOURCE: element.mark} if labels else {})


def _label(abs_prob: Floats, kind_prob: Floats, cmi: float) -> Json:
    if not (np.isfinite(abs_prob).all() and np.isfinite(kind_prob).all() and np.isfinite(cmi)):
        return {}
    kind = int(kind_prob.argmax())
    return {
        "abs": ABS[int(abs_prob.argmax())],
        "abs_prob": {label: round(float(value), 6) for label, value in zip(ABS, abs_prob, strict=True)},
        "kind": KINDS[kind],
        "kind_prob": round(float(kind_prob[kind]), 6),
        "cmi": round(cmi, 6),
    }


def _vectors(**vectors: Floats) -> Json:
    """Vectors at unit length; those without a direction cannot be compared and are left out."""
    found: Json = {}
    for name, vector in vectors.items():
        units, usable = unit(vector[None])
        if usable[0]:
            found[name] = [round(float(value), 8) for value in units[0]]
    return found
