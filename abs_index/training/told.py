"""What documents tell of the figures of labelled pairs: alternative texts and captions, as `build` has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from abs_index.corpus.document import Document
from abs_index.corpus.read import read_some
from abs_index.model.base import FigureWords
from abs_index.training.labelled import LabelledPair, leads_out

Advance = Callable[[int, int], None]


class _Place(NamedTuple):
    """A document: its folder below the folder of images, and its path in there."""

    folder: str
    path: str


_OfDocument = Mapping[str, FigureWords]
"""By figure and, in a name that no id has, by the images of a figure."""


def tell_figures(
    pairs: Sequence[LabelledPair], images: Path, advance: Advance | None = None
) -> tuple[list[LabelledPair], int]:
    """The same pairs with `alt` and `caption` of their figures, and of how many pairs the document was read.

    The document is `document` below the folder `corpus` below `images`. Where it is not there, or has no such figure,
    and where a pair says `alt` or `caption` itself, the pair stays as it is. Nothing outside of `images` is read.
    """
    of_pairs = [_place(pair) for pair in pairs]
    places = sorted({place for place in of_pairs if place})
    known: dict[_Place, _OfDocument] = {}
    for folder, some in groupby(places, key=itemgetter(0)):
        names = [place.path for place in some]
        for document in read_some(images / folder, names):
            known[_Place(folder, document.path)] = _figures(document)
            if advance:
                advance(len(known), len(places))
    told = [_tell(pair, known[place]) if place in known else pair for pair, place in zip(pairs, of_pairs, strict=True)]
    return told, sum(new is not old for new, old in zip(told, pairs, strict=True))


def _place(pair: LabelledPair) -> _Place | None:
    """Where the document of a pair lies; None where the pair does not say, or tells of its figure outright."""
    if not pair.document or pair.alt is not None or pair.caption is not None:
        return None
    place = _Place(pair.corpus or "", PurePosixPath(pair.document).as_posix())
    return None if any(map(leads_out, place)) else place


def _figures(document: Document) -> _OfDocument:
    found: dict[str, FigureWords] = {}
    for figure in document.figures:
        told = FigureWords.of(figure)
        for name in (figure.id, *map(_image_key, figure.images)):
            found.setdefault(name, told)
    return found


def _image_key(name: str) -> str:
    return f"image {PurePosixPath(name).name}"


def _tell(pair: LabelledPair, figures: _OfDocument) -> LabelledPair:
    told = figures.get(pair.figure or "") or figures.get(_image_key(pair.image))
    if told is None:
        return pair
    return pair.model_copy(update={"alt": told.alt, "caption": told.caption})
