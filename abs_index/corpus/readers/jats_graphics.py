"""From the `<graphic>`s of a figure to its image files: renderings of one picture told from several pictures."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from abs_index.corpus.document import Reject
from abs_index.corpus.files import Files
from abs_index.corpus.images import identify_image, is_picture
from abs_index.corpus.rejects import IMAGE_FORMAT, IMAGE_MISSING, NO_IMAGE
from abs_index.corpus.resolve import resolve_image
from abs_index.corpus.xml import Element, attribute, children, local_name
from abs_index.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a figure: `<graphic>`s of which each shows the same (formats, sizes). At least one."""

    graphics: tuple[Element, ...]

    @property
    def hrefs(self) -> tuple[str, ...]:
        """What the graphics refer to, without empty ones."""
        return tuple(href for graphic in self.graphics if (href := attribute(graphic, "href").strip()))


# --- which graphics -----------------------------------------------------------------------------------------------

_NOT_BELOW = frozenset(
    {"fig", "fig-group", "table-wrap", "disp-formula", "inline-formula", "media", "supplementary-material", "caption"}
)


def pictures_of(element: Element) -> list[Picture]:
    """The pictures of a figure in their order; not those of figures, tables, formulas and films inside it.

    Graphics are one picture where they are `<alternatives>`, where one names the other in `alternate-form-of`, or
    where they differ in the extension alone.
    """
    if local_name(element) == "graphic":
        return [Picture((element,))]
    found = list(_graphics(element, "graphic")) or list(_graphics(element, "inline-graphic"))
    if not found:  # some put the picture into the caption, or call it a medium
        found = [graphics for caption in children(element, "caption") for graphics in _graphics(caption, "graphic")]
        found = found or [[medium] for medium in children(element, "media") if _is_still(medium)]
    pictures = [Picture(tuple(graphics)) for graphics in _merge(found)]
    # A thumbnail of another name is no picture of its own.
    return [picture for picture in pictures if not all(map(_is_thumbnail, picture.graphics))] or pictures


def _graphics(element: Element, wanted: str) -> Iterator[list[Element]]:
    is_group = local_name(element) == "fig-group"
    for child in children(element):
        name = local_name(child)
        if name == wanted:
            yield [child]
        elif name == "alternatives":
            if graphics := list(children(child, wanted)):
                yield graphics
        elif name not in _NOT_BELOW and not is_group:
            yield from _graphics(child, wanted)


def _is_still(medium: Element) -> bool:
    return attribute(medium, "mimetype").partition("/")[0] == "image"


def _merge(found: list[list[Element]]) -> list[list[Element]]:
    merged: dict[str, list[Element]] = {}
    names: dict[str, str] = {}
    for graphics in found:
        first = graphics[0]
        other = names.get(attribute(first, "alternate-form-of"))
        key = other or posixpath.splitext(attribute(first, "href").strip())[0] or f"#{len(merged)}"
        merged.setdefault(key, []).extend(graphics)
        for graphic in graphics:
            if id_ := attribute(graphic, "id"):
                names[id_] = key
    return list(merged.values())


# --- which files --------------------------------------------------------------------------------------------------

_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ADDRESS = re.compile(r"https?://[^/]*/", re.IGNORECASE)
_VECTOR = (".svg", ".svgz", ".eps", ".ps", ".pdf", ".wmf", ".emf")


def find_images(
    pictures: list[Picture], files: Files, document: str, figure: str, holds: str
) -> tuple[tuple[str, ...], list[Reject]]:
    """The image files of a figure as names in `files`, one a picture, and what was refused.

    `document` is the name of the article's file, `holds` what the figure is where it has no picture at all.
    """
    path = files.prefix + document
    if not any(picture.hrefs for picture in pictures):
        detail = "graphic without a file name" if pictures else holds
        return (), [Reject(path, NO_IMAGE, detail, document=path, figure=figure)]
    best = [(picture, _best_file(picture, files, document)) for picture in pictures if picture.hrefs]
    missing = [picture.hrefs[0][:200] for picture, name in best if name is None]
    rejects = [Reject(path, IMAGE_MISSING, ", ".join(missing), document=path, figure=figure)] if missing else []
    images = list(dict.fromkeys(name for _, name in best if name is not None))
    for name in images[1:]:
        # The first is decoded when the figure is embedded; the others are not, so they are looked at here.
        if problem := _problem(files, name):
            images.remove(name)
            rejects.append(Reject(files.prefix + name, problem.reason, problem.detail, document=path, figure=figure))
    return tuple(images), rejects


def _best_file(picture: Picture, files: Files, document: str) -> str | None:
    """Of several renderings one in pixels, no thumbnail, the largest."""
    found = [
        (_is_thumbnail(graphic), name.lower().endswith(_VECTOR), -(files.size(name) or 0), name)
        for graphic in picture.graphics
        if (name := _resolve(files, document, _address(graphic))) is not None
    ]
    return min(found)[-1] if found else None


def _address(graphic: Element) -> str:
    """What a graphic refers to, in the folder that `xml:base` of an element around it names."""
    href = attribute(graphic, "href").strip()
    bases = (base for element in graphic.iterancestors() if (base := element.get(_BASE)))
    folder = posixpath.dirname(next(bases, ""))
    return posixpath.join(folder, href) if folder and not _HAS_SCHEME.match(folder) else href


def _resolve(files: Files, document: str, href: str) -> str | None:
    """The file of a reference. Where it is an address or leads through folders that are not there, packages often
    hold the file all the same, nearer to the article."""
    path = _ADDRESS.sub("", href).partition("?")[0] if _ADDRESS.match(href) else href
    while path:
        if (name := resolve_image(files, document, path)) is not None:
            return name
        path = path.partition("/")[2]
    return None


def _is_thumbnail(graphic: Element) -> bool:
    return any("thumb" in attribute(graphic, name).lower() for name in ("href", "specific-use", "content-type"))


def _problem(files: Files, name: str) -> RejectedError | None:
    try:
        content = files.read(name)
    except RejectedError as error:
        return error
    if is_picture(content[:4096]):
        return None
    return RejectedError(IMAGE_FORMAT, f"{name}: {identify_image(content) or 'unknown'}")


# --- why there is none --------------------------------------------------------------------------------------------

_KINDS = (
    ("film or sound", ("media",)),
    ("table", ("table-wrap", "table", "array")),
    ("code", ("code", "preformat")),
    ("formula", ("disp-formula", "inline-formula", "chem-struct", "chem-struct-wrap", "math", "tex-math")),
    ("text only", ("p", "verse-group", "disp-quote", "list", "def-list", "boxed-text", "speech", "statement")),
)


def what_it_holds(element: Element) -> str:
    """What a figure without picture is, for people: "film", "table", "text only"."""
    names: dict[str, Element] = {}
    for child in children(element):
        if local_name(child) not in ("label", "caption"):
            names.update({local_name(below): below for below in child.iter("{*}*")})
    kind = next((kind for kind, holders in _KINDS if not names.keys().isdisjoint(holders)), "nothing to see")
    if kind == "film or sound":
        mime = attribute(names["media"], "mimetype").partition("/")[0]
        return {"video": "film", "audio": "sound"}.get(mime, kind)
    return kind
