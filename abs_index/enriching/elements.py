"""Figures inside the documents of other people: where they are in the JSON, and where their labels go.

A document may hold one figure at its top, one in an object, or many in arrays at any depth, nested or not, and its
keys may be written with dots ({"figure.path": …}). Every object in which the image field can stand is an *element*.
Labels are put beside the image, in the same manner of writing; nothing else of the document is touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from abs_index.corpus.text import TextBuilder
from abs_index.enriching.reasons import NO_IMAGE, NO_PLACE, NO_TEXT, SEVERAL_IMAGES, SEVERAL_TEXTS
from abs_index.errors import RejectedError
from abs_index.model.base import Pixels

Json = dict[str, Any]
Path = tuple[str, ...]

SOURCE = "abs_source"
"""The field beside the labels that says what they were made from."""

FIGURE_TEXT = "figure_text"
"""The field beside the labels with the words in the image, where they were read."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where things stand in a document: paths of the image and of the text, the name of an object for the labels
    ("" puts them beside the image), the paths whose objects are indexed each by itself (type nested), and paths of the
    alternative text and of the caption, () where nobody asks for them.
    """

    image: Path
    text: Path
    target: str = ""
    nested: frozenset[Path] = frozenset()
    alt: Path = ()
    caption: Path = ()

    @property
    def parent(self) -> Path:
        """The path of the object that the labels go into."""
        return self.image[:-1] + ((self.target,) if self.target else ())


@dataclass(slots=True)
class Element:
    """One figure of a document.

    `steps` lead from the top of the document to `container`, the object with the image; where keys are written with
    dots, `prefix` is what stands before the last name. `alt` and `caption` are told beside `text`, "" without.
    `found` is the mark that its labels have now ("" without).
    `alone` where no other element shares its nested object, so that it may have vectors. What happens to it later:
    `reason` and `detail` where it is refused, `mark` of what its labels are to be made from, `pixels` until it was
    predicted, `words` in the image where they were read, `labels`.
    """

    steps: tuple[str | int, ...]
    container: Json
    prefix: str
    image: str = ""
    text: str = ""
    alt: str = ""
    caption: str = ""
    found: str = ""
    alone: bool = True
    reason: str = ""
    detail: str = ""
    digest: str = ""
    mark: str = ""
    pixels: Pixels | None = None
    words: str | None = None
    labels: Json | None = None

    @property
    def place(self) -> str:
        """Where it is, for people: "figures[2]"."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps)
        return f"{steps}.{self.prefix}".strip(".")


def find_elements(source: Json, fields: Fields) -> list[Element]:
    """All elements of a document, in its order; those that lack something have a `reason` already."""
    spots = list(_spots(_Spot(source, fields.image), fields))
    shared = Counter(id(spot.nested) for spot in spots)
    return [_element(spot, fields, alone=shared[id(spot.nested)] == 1) for spot in spots]


def partial_document(source: Json, elements: Iterable[Element], target: str) -> Json:
    """What to send as partial update, so that `elements` get their labels and all else stays.

    Arrays cannot be updated in part: the first array on the way to an element is sent whole, with the labels in it.
    """
    update: Json = {}
    for element in elements:
        _put(element.container, element, target)
        out, node = update, source
        for step in element.steps:
            node = node[step]  # type: ignore[index]  # a number only follows a list, which ends the walk
            if isinstance(node, list):
                out[str(step)] = node
                break
            out = out.setdefault(str(step), {})
        else:
            _put(out, element, target)
    return update


def _put(container: Json, element: Element, target: str) -> None:
    home = container.setdefault(element.prefix + target, {}) if target else container
    prefix = "" if target else element.prefix
    home.update({prefix + name: value for name, value in (element.labels or {}).items()})


@dataclass(frozen=True, slots=True)
class _Spot:
    """A stop on the way down: an object, and the path that is left from it.

    `above` are the objects on the way with how much of the path was behind them; `nested` is the innermost object of
    the type nested, or the document.
    """

    node: Json
    left: Path
    steps: tuple[str | int, ...] = ()
    above: tuple[tuple[int, Json], ...] = ()
    nested: Json | None = None


def _spots(spot: _Spot, fields: Fields) -> Iterator[_Spot]:
    """The objects in which the image stands, or could stand."""
    if len(spot.left) == 1 or ".".join(spot.left) in spot.node:
        yield spot
    for count in range(1, len(spot.left)):
        key = ".".join(spot.left[:count])
        for steps, child in _objects(spot.node.get(key), (*spot.steps, key)):
            depth = len(fields.image) - len(spot.left) + count
            nested = child if fields.image[:depth] in fields.nested else spot.nested
            above = (*spot.above, (depth - count, spot.node))
            yield from _spots(_Spot(child, spot.left[count:], steps, above, nested), fields)


def _objects(value: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """The objects in a value, which may be one, or arrays of them."""
    if isinstance(value, dict):
        yield steps, value
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _objects(item, (*steps, at))


def _element(spot: _Spot, fields: Fields, *, alone: bool) -> Element:
    prefix = "".join(f"{name}." for name in spot.left[:-1])
    element = Element(spot.steps, spot.node, prefix, alone=alone)
    try:
        element.image = _image(spot.node.get(".".join(spot.left)))
        element.text = _text(spot, fields.image, fields.text)
        if not element.text:
            raise RejectedError(NO_TEXT)
        element.alt, element.caption = (_told(spot, fields.image, path) for path in (fields.alt, fields.caption))
        element.found = _found(element, fields.target)
    except RejectedError as error:
        element.reason, element.detail = error.reason, error.detail
    return element


def _image(value: Any) -> str:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value:
        raise RejectedError(SEVERAL_IMAGES, f"{len(value)} of them; one figure a value, in an array of objects")
    if value is not None and not isinstance(value, str | list):
        raise RejectedError(NO_IMAGE, f"the field holds {type(value).__name__}, not text")
    if not value:
        raise RejectedError(NO_IMAGE)
    return str(value)


def _text(spot: _Spot, image: Path, path: Path) -> str:
    """A text of a figure, "" without: looked up from the deepest object on the way that it and the image share.

    Raises RejectedError where several objects hold one.
    """
    way = [*spot.above, (len(image) - len(spot.left), spot.node)]
    depth, node = next(
        (depth, node) for depth, node in reversed(way) if depth < len(path) and path[:depth] == image[:depth]
    )
    parts = [part for part in _values(node, path[depth:]) if isinstance(part, str)]
    builder = TextBuilder()
    for part in parts:
        builder.block()
        builder.add(part)
    return builder.build().text.normalised


def _told(spot: _Spot, image: Path, path: Path) -> str:
    """What else a document says of a figure: labels do without where it says nothing, or does not say of which."""
    if not path:
        return ""
    try:
        return _text(spot, image, path)
    except RejectedError:
        return ""


def _values(node: Json, path: Path) -> Sequence[Any]:
    """The values at a path, through objects, but not through arrays of several objects: which one would be meant?"""
    for count in range(1, len(path) + 1):
        value = node.get(".".join(path[:count]))
        if value is None:
            continue
        if count == len(path):
            return value if isinstance(value, list) else [value]
        below = [child for _, child in _objects(value, ())]
        if len(below) > 1:
            raise RejectedError(SEVERAL_TEXTS, f"{'.'.join(path[:count])} is an array of {len(below)} objects")
        if below:
            return _values(below[0], path[count:])
    return []


def _found(element: Element, target: str) -> str:
    home: Any = element.container.get(element.prefix + target, {}) if target else element.container
    if not isinstance(home, dict):
        raise RejectedError(NO_PLACE, f"{element.prefix}{target} is not an object")
    return str(home.get(SOURCE if target else element.prefix + SOURCE) or "")
