"""The words that stand in a picture: labels of axes and parts, legends, formulas.

Reading costs far more than anything else that is done with a picture, so it is a stage of its own that nobody has to
run. The reader is PP-OCR, whose networks come with the package `rapidocr`: nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abs_index.corpus.images import decode_image
from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.errors import MissingExtraError, RejectedError
from abs_index.recipe import CorpusSettings, FigureTextSettings

Pixels = NDArray[np.uint8]

MAX_CHARACTERS: Final = 4000
"""Longer texts are cut: a scanned page holds about that much, and no figure needs more to be found."""

MAX_SIDE: Final = 2000
"""Larger pictures are made this large, in pixels, before they are read."""

READING_TARGET: Final = MAX_SIDE // 2
"""`target` of `decode_image` for pictures that are to be read: much larger ones are decoded at a part of their size."""

_LIMITS = CorpusSettings()

_MIN_SIDE = 6
"""No letter is smaller."""

_SURE = 0.95
"""Lines with this score are not read a second time."""

_VERSION = 1
"""Raised whenever the same picture and settings would give other words, so that all are read again."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a picture, with how sure the reader is of it (0 to 1) and its box."""

    text: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """Height of the box."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """Width of the box."""
        return self.right - self.left


class FigureReader(Protocol):
    """Reads the words in pictures. May be called from several threads."""

    @property
    def name(self) -> str:
        """Which reader it is and how it is set: two of the same name read the same words."""
        ...

    def read(self, image: Image.Image) -> str:
        """The words in an RGB picture in reading order, separated by single spaces; "" where there are none.

        Raises RejectedError (FIGURE_TEXT) where the picture could not be read.
        """
        ...


def decode_for_reading(content: bytes, *, settings: CorpusSettings = _LIMITS) -> Image.Image:
    """An image file as the RGB picture that is given to a `FigureReader`.

    Whoever reads decodes this way: a picture decoded at another size may have other words. Raises RejectedError, see
    `decode_image`.
    """
    return decode_image(content, settings=settings, target=READING_TARGET).image


class RapidReader:
    """PP-OCR by the package `rapidocr`, on one thread a call."""

    def __init__(self, settings: FigureTextSettings | None = None) -> None:
        """Loads the networks. Raises MissingExtraError where the packages are not installed."""
        settings = settings or FigureTextSettings()
        self.name = f"rapidocr {_VERSION} {settings.detection_side} {settings.min_score:g}"
        self._min_score = settings.min_score
        self._engine, self._failures = _load_engine(settings.detection_side)

    def read(self, image: Image.Image) -> str:
        """See `FigureReader.read`."""
        return join_lines(self.lines(image))

    def lines(self, image: Image.Image) -> list[Line]:
        """The lines of text in an RGB picture, in the order in which they were found.

        Raises RejectedError (FIGURE_TEXT) where the picture could not be read.
        """
        if image.width > MAX_SIDE or image.height > MAX_SIDE:
            image = image.copy()
            image.thumbnail((MAX_SIDE, MAX_SIDE))
        if min(image.size) < _MIN_SIDE:
            return []
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
        try:
            found = self._turned(pixels, self._find(pixels))
        except self._failures as error:
            raise RejectedError(FIGURE_TEXT, " ".join(str(error).split())[-200:]) from None
        return [line for line in found if line.text and line.score >= self._min_score]

    def _find(self, pixels: Pixels) -> list[Line]:
        said = self._engine(pixels)
        if said.txts is None:
            return []
        return [_line(*one) for one in zip(said.txts, said.scores, said.boxes, strict=True)]

    def _turned(self, pixels: Pixels, lines: list[Line]) -> list[Line]:
        """The reader turns upright lines one way; where that made no sense, they are read the other way round too."""
        doubtful = [at for at, line in enumerate(lines) if line.height >= 1.5 * line.width and line.score < _SURE]
        if doubtful:
            said = self._engine.recognize_txt([np.rot90(_cut(pixels, lines[at]), -1) for at in doubtful])
            for at, text, score in zip(doubtful, said.txts, said.scores, strict=True):
                if score > lines[at].score:
                    lines[at] = replace(lines[at], text=_plain(text), score=float(score))
        return lines


_DAMAGE = (ValueError, TypeError, ArithmeticError, LookupError, MemoryError)


def _load_engine(detection_side: int) -> tuple[Any, tuple[type[Exception], ...]]:
    """The reader, and what it raises for pictures that it cannot read."""
    try:
        import cv2
        import rapidocr
        from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError
        from rapidocr.main import RapidOCRError
    except ImportError:
        raise MissingExtraError("reading the words in figures", "figure-text") from None
    cv2.setNumThreads(1)
    models = Path(rapidocr.__file__).parent / "models"
    settings = {
        "Global.log_level": "critical",
        "Global.use_cls": False,
        "Global.text_score": 0.0,
        "Global.use_preprocess_img": False,
        # Given as files, so that a missing one is an error and never a download.
        "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
        "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
        "Det.limit_side_len": detection_side,
        "Det.limit_type": "max",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    engine = rapidocr.RapidOCR(params=settings)
    return engine, (ONNXRuntimeError, RapidOCRError, cv2.error, *_DAMAGE)


_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""Latin letters, digits and signs in the width of Chinese ones, which the reader likes to see in small print."""


def _plain(text: str) -> str:
    return " ".join(text.translate(_WIDE).split())


def _line(text: str, score: float, corners: NDArray[np.float32]) -> Line:
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Line(_plain(text), float(score), left, top, right, bottom)


def _cut(pixels: Pixels, line: Line) -> Pixels:
    top, left = int(line.top), int(line.left)
    return pixels[top : max(top + 1, round(line.bottom)), left : max(left + 1, round(line.right))]


_GAP = 0.7
"""Space between two lines of one label, as a share of their height."""


def join_lines(lines: Sequence[Line]) -> str:
    """Lines as one text: label by label, from top to bottom and from left to right, at most `MAX_CHARACTERS`.

    >>> join_lines([Line("Cell", 1, 0, 0, 40, 10), Line("Nucleus", 1, 90, 2, 150, 12), Line("wall", 1, 0, 11, 40, 21)])
    'Cell wall Nucleus'
    """
    text = " ".join(line.text for label in _in_rows(_labels(lines)) for line in label)
    if len(text) <= MAX_CHARACTERS:
        return text
    return re.sub(r"\s\S*$", "", text[: MAX_CHARACTERS + 1]).strip()[:MAX_CHARACTERS]


def _labels(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand closely below each other make one label, or one paragraph."""
    labels: list[list[Line]] = []
    near: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.top, line.left)):
        near = [label for label in near if line.top - label[-1].bottom <= _GAP * label[-1].height]
        above = next((label for label in near if _continues(label[-1], line)), None)
        if above is None:
            labels.append([line])
            near.append(labels[-1])
        else:
            above.append(line)
    return labels


def _continues(above: Line, below: Line) -> bool:
    small, large = sorted((above.height, below.height))
    shared = min(above.right, below.right) - max(above.left, below.left)
    gap = below.top - above.bottom
    return (
        large <= 1.6 * small and -0.5 * small <= gap <= _GAP * small and shared >= 0.5 * min(above.width, below.width)
    )


def _in_rows(labels: list[list[Line]]) -> list[list[Line]]:
    """Labels whose first lines are at the same height are read from left to right."""
    rows: list[list[list[Line]]] = []
    for label in labels:
        first = label[0]
        if rows and abs(_middle(rows[-1][0][0]) - _middle(first)) <= 0.5 * min(first.height, rows[-1][0][0].height):
            rows[-1].append(label)
        else:
            rows.append([label])
    return [label for row in rows for label in sorted(row, key=lambda label: label[0].left)]


def _middle(line: Line) -> float:
    return (line.top + line.bottom) / 2
