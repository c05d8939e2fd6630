"""The figures of a JATS article: which elements are figures, what belongs to them, and why some cannot be used.

A figure is a `<fig>`, wherever it stands, or a `<graphic>` with a label or caption of its own outside of one. Pictures
of formulas, tables and films are no figures. Captions of several graphics in one figure are appended to its caption.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from abs_index.corpus.document import Figure, Group, Reject, Text
from abs_index.corpus.files import Files
from abs_index.corpus.readers.jats_graphics import Picture, find_images, pictures_of, what_it_holds
from abs_index.corpus.readers.jats_text import PARTS, read_text
from abs_index.corpus.xml import Element, attribute, children, find, local_name, words_of


@dataclass(slots=True)
class Figures:
    """The figures of one article: the usable ones, the refused ones, and what else refers to them.

    `aliases`: the id of a group, or of something inside a figure → ids of figures. `parts`: a figure's id → the part
    of the article that it stands in, numbered as in `read_paragraphs`. `renamed`: a figure's id → the one in the file,
    where another figure has taken that before.
    """

    usable: list[Figure] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def aliases_in(self, part: int) -> dict[str, list[str]]:
        """The aliases as they are meant in one part: a translation may repeat the ids of the article."""
        own = {wanted: [id_] for id_, wanted in self.renamed.items() if self.parts[id_] == part}
        return self.aliases | {wanted: ids for wanted, ids in own.items() if self.parts.get(wanted) != part}


def read_figures(article: Element, files: Files, name: str) -> Figures:
    """All figures of an article, in the order of the document. `name` is the article's file in `files`."""
    figures = Figures()
    elements = list(_figure_elements(article))
    ids = _Ids({attribute(element, "id").strip() for element, _ in elements})
    for element, part in elements:
        wanted = attribute(element, "id").strip() or _anchor(element)
        id_ = ids.take(wanted)
        pictures = pictures_of(element)
        images, rejects = find_images(pictures, files, name, id_, what_it_holds(element))
        figures.rejects.extend(rejects)
        if images:
            figures.usable.append(_read_figure(element, pictures, id_, images))
            figures.parts[id_] = part
            if wanted and wanted != id_:
                figures.renamed[id_] = wanted
            for alias in _ids_for(element):
                figures.aliases.setdefault(alias, [alias] if alias in figures.parts else []).append(id_)
    return figures


class _Ids:
    """Ids that are unique in one document: the one in the file, else one by the figure's position."""

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._taken: set[str] = set()
        self._position = 0

    def take(self, own: str) -> str:
        self._position += 1
        wanted = id_ = own or f"figure-{self._position}"
        number = 2
        while id_ in self._taken or (id_ in self._own and id_ != own):
            id_ = f"{wanted}-{number}"
            number += 1
        self._taken.add(id_)
        return id_


# --- which elements are figures -----------------------------------------------------------------------------------

_NO_FIGURES = tuple(
    f"{{*}}{name}"
    for name in ("fig", "table-wrap", "disp-formula", "inline-formula", "chem-struct-wrap", "media", "ref-list")
)


def _figure_elements(article: Element) -> Iterator[tuple[Element, int]]:
    parts: dict[Element, int] = {}
    part_tags = [f"{{*}}{name}" for name in sorted(PARTS)]
    for element in article.iter("{*}fig", "{*}fig-group", "{*}graphic", *part_tags):
        name = local_name(element)
        if name in PARTS:
            parts[element] = len(parts) + 1
        elif _is_figure(element, name):
            part = next((each for each in element.iterancestors(*part_tags) if each in parts), None)
            yield element, parts[part] if part is not None else 0


def _is_figure(element: Element, name: str) -> bool:
    if name == "fig":
        return not _is_group(element)
    if name == "fig-group":
        return bool(pictures_of(element))
    captioned = any(words_of(child) for child in children(element, "label", "caption"))
    return captioned and next(element.iterancestors(*_NO_FIGURES), None) is None


def _is_group(element: Element) -> bool:
    """A group of figures: `<fig-group>`, or a `<fig>` whose pictures are all in the figures inside it."""
    if local_name(element) == "fig-group":
        return True
    return next(element.iterdescendants("{*}fig"), None) is not None and not pictures_of(element)


def _groups_of(element: Element) -> Iterator[Element]:
    """The groups that a figure is in, innermost first. A figure inside a figure with pictures is in none."""
    for ancestor in element.iterancestors("{*}fig-group", "{*}fig"):
        if not _is_group(ancestor):
            return
        yield ancestor


# --- what belongs to a figure -------------------------------------------------------------------------------------

_BESIDE_CAPTION = frozenset({"label", "caption", "ext-link", "uri", "email", "xref", "fn", "kwd-group", "subj-group"})
_INSIDE_FIGURE = tuple(
    f"{{*}}{name}"
    for name in (
        "graphic",
        "alternatives",
        "caption",
        "title",
        "p",
        "label",
        "styled-content",
        "named-content",
        "target",
    )
)


def _read_figure(element: Element, pictures: list[Picture], id_: str, images: tuple[str, ...]) -> Figure:
    return Figure(
        id=id_,
        label=_label(element),
        caption=_caption(element, pictures),
        alt=_first_words(element, pictures, "alt-text") or _first_words(element, pictures, "long-desc"),
        credit=_credit(element, pictures),
        images=images,
        group=next((group for outer in _groups_of(element) if (group := _read_group(outer))), None),
    )


def _read_group(element: Element) -> Group | None:
    label, caption = _label(element), read_text(*children(element, "caption")).text
    return Group(attribute(element, "id").strip(), label, caption) if label or caption else None


def _label(element: Element) -> str:
    """The label without the marks of footnotes, except where a link is all that it holds."""
    labels = list(children(element, "label"))
    words = read_text(*labels, without=frozenset({"xref"})).text.normalised
    return words or read_text(*labels).text.normalised


def _caption(element: Element, pictures: list[Picture]) -> Text:
    """The caption with those of the graphics; where there is neither, loose text beside the graphics."""
    captions = list(children(element, "caption"))
    for picture in pictures:
        if picture.graphics[0] is not element:
            captions.extend(children(picture.graphics[0], "label", "caption"))
    return read_text(*captions).text or read_text(element, without=_BESIDE_CAPTION).text


def _first_words(element: Element, pictures: list[Picture], name: str) -> str:
    holders = [element, *(graphic for picture in pictures for graphic in picture.graphics)]
    return next((words for holder in holders if (words := words_of(find(holder, name)))), "")


def _credit(element: Element, pictures: list[Picture]) -> str:
    """Lines such as "Photo: garden archive": attribution and copyright, which are no part of the caption."""
    lines: list[str] = []
    for holder in dict.fromkeys([element, *(picture.graphics[0] for picture in pictures)]):
        lines.extend(words_of(line) for line in children(holder, "attrib", "copyright-statement"))
        for permissions in children(holder, "permissions"):
            lines.extend(words_of(line) for line in children(permissions, "copyright-statement", "copyright-holder"))
    return " ".join(dict.fromkeys(filter(None, lines)))


def _anchor(element: Element) -> str:
    """The id that converters from TeX leave inside the caption instead of on the figure."""
    for caption in children(element, "caption"):
        for anchor in caption.iter("{*}styled-content", "{*}named-content", "{*}target"):
            if id_ := attribute(anchor, "id").strip():
                return id_
    return ""


def _ids_for(element: Element) -> Iterator[str]:
    """Other ids that stand for a figure: those inside it, and its groups'."""
    inside = [below for below in element.iter(*_INSIDE_FIGURE) if _holder(below) is element]
    for holder in (*inside, *_groups_of(element)):
        if holder is not element and (id_ := attribute(holder, "id").strip()):
            yield id_
    for group in _groups_of(element):
        for caption in children(group, "caption", "label"):
            yield from (id_ for below in caption.iter("{*}*") if (id_ := attribute(below, "id").strip()))


def _holder(element: Element) -> Element | None:
    """The figure that something stands in; None inside tables and films."""
    for holder in (element, *element.iterancestors()):
        name = local_name(holder)
        if name in ("fig", "fig-group"):
            return holder
        if name in ("table-wrap", "media", "supplementary-material"):
            return None
    return element if local_name(element) == "graphic" else None
