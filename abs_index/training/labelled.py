"""Labelled pairs: a file of JSON lines, checked line by line. `docs/labels.md` describes the format for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from abs_index.errors import LabelsError
from abs_index.labels import Abs, Kind, Role
from abs_index.model.base import FigureWords

Split = Literal["train", "validation", "test"]
Draw = Literal["active", "random"]
Grade = Annotated[int, Field(ge=0, le=3)]

SHOWN_FAULTS = 5
"""Faults of a file that its error spells out; the others are counted."""


class LabelledPair(BaseModel):
    """One line. `image` is a path below the folder of images; `text` is normalised as readers do it.

    `second` is the label of a second, independent pass; `cmi`, `image_extra` and `text_extra` are grades from 0 to 3;
    `document`, with `corpus` where several have documents of the same name, is what pairs are kept together by;
    `figure` is the id of the figure in it, `alt` and `caption` are what it tells of the figure (see `training.told`).
    Keys that are not named here are left alone, so that a file may carry its owner's notes.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    text: str
    image: str = Field(min_length=1)
    abs: Abs
    role: Role = "mention"
    id: str = ""
    kind: Kind | None = None
    second: Abs | None = None
    confidence: Annotated[int, Field(ge=1, le=3)] = 3
    cmi: Grade | None = None
    image_extra: Grade | None = None
    text_extra: Grade | None = None
    split: Split = "train"
    draw: Draw | None = None
    corpus: str | None = None
    document: str | None = None
    figure: str | None = None
    alt: str | None = None
    caption: str | None = None

    @field_validator("text")
    @classmethod
    def _check_text(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must hold a text")
        return text

    @property
    def agreed(self) -> bool:
        """Whether two passes gave the same label."""
        return self.second == self.abs

    @property
    def contested(self) -> bool:
        """Whether a second pass gave another label."""
        return self.second not in (None, self.abs)


def figure_words(pairs: Sequence[LabelledPair], written: Mapping[str, str] | None = None) -> list[FigureWords]:
    """What is known of the figures of pairs in words; `written` are the words in the images by their names."""
    read = written or {}
    return [FigureWords(read.get(pair.image, ""), pair.alt or "", pair.caption or "") for pair in pairs]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pairs of a file are meant. None means all; `agreed` keeps those on which two passes agree."""

    split: Split | None = None
    draw: Draw | None = None
    agreed: bool = False

    def takes(self, pair: LabelledPair) -> bool:
        """Whether a pair is among them."""
        return self.split in (None, pair.split) and self.draw in (None, pair.draw) and (pair.agreed or not self.agreed)


@dataclass
class _Faults:
    """What is wrong with a file: the first faults in words, all of them in number."""

    path: Path
    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, fault: str) -> None:
        self.count += 1
        if len(self.shown) < SHOWN_FAULTS:
            self.shown.append(f"line {line}: {fault}")

    def check(self) -> None:
        """Raises LabelsError where there was any."""
        if self.count:
            shown = "; ".join(self.shown)
            more = f" ({self.count:,} errors in all, the first {SHOWN_FAULTS} shown)"
            raise LabelsError(f"{self.path}, {shown}{more if self.count > SHOWN_FAULTS else ''}")


def read_labels(path: Path, images: Path, selection: Selection | None = None) -> list[LabelledPair]:
    """The selected pairs of a file, whose images lie below `images`. All lines are checked, selected or not.

    Raises LabelsError with the number of the line, for the first faults of the file and with the count of all: not
    JSON, a key that is missing or has a wrong value, an id that is there twice, an image that does not exist or lies
    outside of `images`; and where nothing is selected.
    """
    chosen = selection or Selection()
    faults, known, found = _Faults(path), dict[str, int](), _Images(images)
    lines, pairs = 0, list[LabelledPair]()
    for number, line in _read_lines(path):
        lines += 1
        try:
            pair = LabelledPair.model_validate(_parse_line(line))
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                faults.add(number, _describe(fault))
            continue
        except ValueError as error:
            faults.add(number, str(error))
            continue
        if pair.id and known.setdefault(pair.id, number) != number:
            faults.add(number, f"id {pair.id!r} is on line {known[pair.id]} already")
        if chosen.takes(pair):
            pairs.append(pair)
            if missing := found.find_fault(pair.image):
                faults.add(number, missing)
    faults.check()
    if not pairs:
        raise LabelsError(f"{path}: no pair is selected" if lines else f"{path}: no pair in it; see docs/labels.md")
    return pairs


def training_pairs(pairs: Sequence[LabelledPair]) -> list[LabelledPair]:
    """The pairs of split `train`. Raises LabelsError where there is nothing to learn from them: none, or one label."""
    chosen = [pair for pair in pairs if pair.split == "train"]
    labels = {pair.abs for pair in chosen}
    if len(labels) < 2:
        only = f"; all {len(chosen):,} have {labels.pop()!r}" if labels else "; there is none"
        raise LabelsError(f"training needs pairs of split 'train' with at least two different labels{only}")
    return chosen


def _read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1 on. A byte order mark is dropped."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if content.strip():
                    yield number, content
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from None


def _parse_line(line: bytes) -> Any:
    """Raises ValueError with what is wrong."""
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: too many brackets in one another") from None


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: with two labels, nobody knows which one is meant."""
    made = dict(items)
    if len(made) != len(items):
        keys = [key for key, _ in items]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:60]!r} is there twice")
    return made


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the line"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if fault["type"] == "missing" else f"{key}: {message}, not {str(fault['input'])[:60]!r}"


def leads_out(name: str) -> bool:
    """Whether a name is no path below a folder."""
    pure, other = PurePosixPath(name), PureWindowsPath(name)
    return pure.is_absolute() or bool(other.anchor) or ".." in {*pure.parts, *other.parts} or "\0" in name


class _Images:
    """The folder of images; each name is looked up once, however many pairs it is in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, str | None] = {}

    def find_fault(self, name: str) -> str | None:
        """What is wrong with the name of an image, None where it is there."""
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> str | None:
        if leads_out(name):
            return f"image {name[:200]!r} is not a path below the folder of images"
        try:
            there = (self._folder / PurePosixPath(name)).is_file()
        except OSError:  # a name that is too long, a folder without permission
            there = False
        return None if there else f"image {name[:200]!r} is not below {self._folder}"
