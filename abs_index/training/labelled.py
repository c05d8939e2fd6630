"""Labelled pairs: a file of JSON lines, checked line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abs_index.errors import LabelsError
from abs_index.labels import Abs, Kind, Role

Split = Literal["train", "validation", "test"]
Draw = Literal["active", "random"]
Grade = Annotated[int, Field(ge=0, le=3)]


class LabelledPair(BaseModel):
    """One line. `image` is a path below the folder of images; `text` is normalised as readers do it.

    `second` is the label of a second, independent pass; `cmi`, `image_extra` and `text_extra` are grades from 0 to 3.
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
    confidence: Literal[1, 2, 3] = 3
    cmi: Grade | None = None
    image_extra: Grade | None = None
    text_extra: Grade | None = None
    split: Split = "train"
    draw: Draw | None = None

    @property
    def agreed(self) -> bool:
        """Whether two passes gave the same label."""
        return self.second == self.abs


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pairs of a file are meant. None means all; `agreed` keeps those on which two passes agree."""

    split: Split | None = None
    draw: Draw | None = None
    agreed: bool = False

    def takes(self, pair: LabelledPair) -> bool:
        """Whether a pair is among them."""
        return self.split in (None, pair.split) and self.draw in (None, pair.draw) and (pair.agreed or not self.agreed)


def read_labels(path: Path, images: Path, selection: Selection | None = None) -> list[LabelledPair]:
    """The selected pairs of a file, whose images lie below `images`. All lines are checked, selected or not.

    Raises LabelsError with the number of the line: not JSON, a key that is missing or has a wrong value, an id that
    is there twice, an image that does not exist or lies outside of `images`; and where nothing is selected.
    """
    chosen = selection or Selection()
    known: dict[str, int] = {}
    pairs = []
    for number, pair in _parse(path):
        if pair.id and known.setdefault(pair.id, number) != number:
            raise LabelsError(f"{path}, line {number}: id {pair.id!r} is on line {known[pair.id]} already")
        if chosen.takes(pair):
            _check_image(images, pair.image, f"{path}, line {number}")
            pairs.append(pair)
    if not pairs:
        raise LabelsError(f"{path}: no pair {'is selected' if known or selection else 'in it'}")
    return pairs


def _parse(path: Path) -> Iterator[tuple[int, LabelledPair]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _parse_line(line, f"{path}, line {number}")
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LabelsError(f"{path}: not UTF-8 text") from None


def _parse_line(line: str, where: str) -> LabelledPair:
    try:
        return LabelledPair.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise LabelsError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"]) or "the line"
        raise LabelsError(f"{where}: {key}: {fault['msg']}, not {str(fault['input'])[:60]!r}") from None


def _check_image(images: Path, name: str, where: str) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise LabelsError(f"{where}: image {name!r} is not a path below the folder of images")
    if not (images / pure).is_file():
        raise LabelsError(f"{where}: image {name!r} is not below {images}")
