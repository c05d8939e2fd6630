"""The `<figure>` elements of a page: which holds which, their pictures and captions, and the ids that mean them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from abs_index.corpus.readers.html_tree import Node

# What a figure can show that is no picture file.
_OTHER_CONTENT = {
    "applet": "an applet", "audio": "sound", "blockquote": "a quotation", "canvas": "a drawing made by a script",
    "code": "code", "embed": "an embedded object", "iframe": "another page", "math": "a formula",
    "object": "an embedded object", "pre": "code", "svg": "inline SVG", "table": "a table", "video": "a film",
}  # fmt: skip
_NOT_LOOKED_INTO = {"audio", "canvas", "embed", "iframe", "math", "script", "svg", "video"}


@dataclass(slots=True, eq=False)
class FigureElement:
    """One `<figure>`: what belongs to it and not to a figure inside it.

    `pictures` are the `<img>`s, each with its addresses, best first; `fallback` those for browsers without scripts.
    `holds` says what else is in it. `ids` are its own id and those of elements that stand for it.
    """

    node: Node
    outer: FigureElement | None = None
    ids: list[str] = field(default_factory=list)
    captions: list[Node] = field(default_factory=list)
    pictures: list[list[str]] = field(default_factory=list)
    fallback: list[list[str]] = field(default_factory=list)
    alts: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    inner: list[FigureElement] = field(default_factory=list)
    _ids_outside: int = 0

    def __post_init__(self) -> None:
        self._ids_outside = len(self.ids)

    def add_ids_around(self, ids: list[str]) -> None:
        """Ids of an element around the figure mean it rather than those of captions and pictures inside."""
        self.ids[self._ids_outside : self._ids_outside] = ids
        self._ids_outside += len(ids)

    def walk(self) -> Iterator[FigureElement]:
        """The figure and all figures in it, in the order of the page."""
        yield self
        for figure in self.inner:
            yield from figure.walk()


def find_figures(page: Node) -> list[FigureElement]:
    """The outermost figures of a page, in its order."""
    found: list[FigureElement] = []
    _look_into(page, None, found)
    return found


def _look_into(node: Node, figure: FigureElement | None, found: list[FigureElement]) -> None:
    """Adds the figures below `node` to `found`, and what belongs to `figure`, the nearest around it, to that."""
    anchors: list[str] = []  # ids of empty elements just before a figure: old pages mark places in this way
    for child in node.children:
        if isinstance(child, str):
            anchors = anchors if child.isspace() else []
        elif child.name == "figure":
            found.append(_read_figure(child, figure, anchors))
            anchors = []
        else:
            before = len(found)
            _look_at(child, figure, found)
            if len(found) == before + 1 and _ids_of(child) and _holds_only(child, found[-1].node):
                found[-1].add_ids_around(_ids_of(child))
            anchors = anchors + _ids_of(child) if _is_empty(child) else []


def _read_figure(node: Node, outer: FigureElement | None, anchors: list[str]) -> FigureElement:
    figure = FigureElement(node, outer, ids=_ids_of(node) + anchors)
    _look_into(node, figure, figure.inner)
    return figure


def _look_at(node: Node, figure: FigureElement | None, found: list[FigureElement]) -> None:
    if figure is not None:
        figure.ids += _ids_of(node)
        if node.name == "figcaption":
            figure.captions.append(node)
            figure.ids += [id_ for inner in node.elements for each in inner.walk() for id_ in _ids_of(each)]
            return
        if node.name == "noscript":
            figure.fallback += [_addresses(image, ()) for image in node.walk() if image.name == "img"]
            return
        if node.name in ("img", "image", "amp-img"):
            _add_picture(figure, node, ())
        elif address := _embedded_picture(node):
            fallback = [inner for inner in node.walk() if inner.name == "img"]
            _add_picture(figure, Node("img", {**node.attributes, "src": address}), fallback)
            return
        elif node.name == "picture":
            _read_picture(figure, node)
            return
        elif node.name in _OTHER_CONTENT:
            figure.holds.append(_OTHER_CONTENT[node.name])
    if node.name not in _NOT_LOOKED_INTO:
        _look_into(node, figure, found)


def _ids_of(node: Node) -> list[str]:
    ids = [node.get("id"), node.get("name") if node.name == "a" else ""]
    return [id_ for id_ in ids if id_]


def _is_empty(node: Node) -> bool:
    return all(isinstance(child, str) and child.isspace() for child in node.children) and node.name != "img"


def _holds_only(node: Node, figure: Node) -> bool:
    """Whether a figure is all that an element around it holds."""
    for child in node.children:
        if child is figure:
            continue
        if isinstance(child, str):
            if not child.isspace():
                return False
        elif not (_holds_only(child, figure) if any(inner is figure for inner in child.walk()) else not child.words()):
            return False
    return True


# --- pictures ---------------------------------------------------------------------------------------------------

_SOURCE = re.compile(r"\s*([^\s,]\S*[^\s,]|[^\s,])(?:\s+([\d.]+)[wxh])?[^,]*(?:,|$)")
# Where scripts that load pictures late keep the address.
_LATE = ("data-hi-res-src", "data-src", "data-original", "data-lazy-src", "data-lazy")
_PICTURE_ADDRESS = re.compile(r"(?i)\s*\S+\.(?:jpe?g|png|gif|webp|tiff?|bmp|svgz?)(?:[?#]\S*)?\s*")
_LATE_SETS = ("srcset", "data-srcset")
_POOR = re.compile(r"(?i)\.(svgz?|avif|heic|jxl|pdf|eps)(?:[?#].*)?$")


def _read_picture(figure: FigureElement, picture: Node) -> None:
    """`<picture>`: one picture in several renderings."""
    sources = [source for source in picture.walk() if source.name == "source"]
    images = [image for image in picture.walk() if image.name == "img"]
    if images or sources:
        _add_picture(figure, images[0] if images else Node("img"), sources)


def _embedded_picture(node: Node) -> str:
    """The address of a picture that is embedded as an object, "" for all else."""
    if node.name not in ("object", "embed"):
        return ""
    address = node.get("data" if node.name == "object" else "src").strip()
    is_picture = node.get("type").startswith("image/") or bool(_PICTURE_ADDRESS.fullmatch(address))
    return address if is_picture else ""


def _add_picture(figure: FigureElement, image: Node, sources: list[Node] | tuple[Node, ...]) -> None:
    figure.pictures.append(_addresses(image, sources))
    figure.alts.append(image.get("alt"))
    figure.ids += [id_ for id_ in _ids_of(image) if id_ not in figure.ids]


def _addresses(image: Node, sources: list[Node] | tuple[Node, ...]) -> list[str]:
    """The addresses of one picture, best first: the largest rendering, formats that can be read, the page's own."""
    late = [image.get(name) for name in _LATE]  # what "src" shows meanwhile is a blank or a blur
    others = [value for name, value in image.attributes.items() if name.startswith("data-")]
    addresses = [*_largest_first(image), *late, image.get("src"), *filter(_PICTURE_ADDRESS.fullmatch, others)]
    for source in sources:
        addresses += [*_largest_first(source), source.get("src")]
    addresses = [address.strip() for address in addresses if address.strip()]
    return sorted(dict.fromkeys(addresses), key=lambda address: (_is_elsewhere(address), bool(_POOR.search(address))))


def _largest_first(node: Node) -> list[str]:
    found: list[tuple[float, str]] = []
    for name in _LATE_SETS:
        for address, size in _SOURCE.findall(node.get(name)):
            found.append((-_size(size), address))
    return [address for _, address in sorted(found, key=lambda pair: pair[0])]


def _size(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_elsewhere(address: str) -> bool:
    return address.startswith("//") or bool(re.match(r"(?i)(https?|data|blob|ftp):", address))
