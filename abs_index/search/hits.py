"""What a search returns: plain values, the same from every kind of index."""

from __future__ import annotations

from dataclasses import dataclass

from abs_index.labels import Abs, Kind, Role


@dataclass(frozen=True, slots=True)
class Hit:
    """A figure that was found, with the pair that speaks best for it.

    `id` names the figure in the whole index: "document#figure"; `figure` is its id in the document. `abs` is the label
    of the pair, `prob` its probability, `abs_prob` the probabilities of all labels; `kind` says what the image is,
    `cmi` how much image and text have in common, 0 to 1. `figure_text` are words that stand in the image, where it was
    read. What belongs to a pair is None (texts "") where a figure without any text was found by its image. `snippet` is
    a part of the pair's text; `highlights` are start and end of the words of the query in it. `image` and `path` (of
    the document) are paths in the corpus. `score` compares hits of one search only.
    """

    id: str
    document: str
    figure: str
    score: float
    title: str
    label: str
    caption: str
    figure_text: str
    pair: str | None
    role: Role | None
    section: str
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    abs: Abs | None
    prob: float | None
    abs_prob: dict[Abs, float] | None
    kind: Kind | None
    kind_prob: float | None
    cmi: float | None
    image: str | None
    path: str
    source: str
    journal: str
    year: int | None


@dataclass(frozen=True, slots=True)
class PairDetails:
    """One text of a figure. `path` is the file of the text where that is not the document's own, else ""."""

    id: str
    role: Role
    section: str
    text: str
    path: str
    abs: Abs
    prob: float
    abs_prob: dict[Abs, float]
    kind: Kind
    kind_prob: float
    cmi: float | None


@dataclass(frozen=True, slots=True)
class FigureDetails:
    """A figure with all its texts: the same image can be more abstract than one and less than another.

    `figure_text` are words that stand in the image, where it was read.
    """

    id: str
    document: str
    figure: str
    label: str
    caption: str
    figure_text: str
    alt: str
    credit: str
    image: str | None
    images: tuple[str, ...]
    width: int | None
    height: int | None
    image_format: str
    path: str
    source: str
    title: str
    journal: str
    year: int | None
    authors: tuple[str, ...]
    licence: str
    language: str
    doi: str
    pairs: tuple[PairDetails, ...]
