"""HTML pages with `<figure>` and `<figcaption>` (or the like): HTML5, XHTML, and whatever else browsers can show.

A page is one document. A `<figure>` inside another belongs to the group that the outer one is; several pictures in one
`<figure>` are one figure. Only files beside the page are pictures: nothing is fetched, nothing inside the page decoded.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from abs_index.corpus.document import Document, Figure, Group, Mention, Reject, Text
from abs_index.corpus.figure_numbers import number_at_start
from abs_index.corpus.files import Files
from abs_index.corpus.readers.html_figures import FigureElement, find_figures
from abs_index.corpus.readers.html_metadata import read_page_metadata
from abs_index.corpus.readers.html_roles import name_figures
from abs_index.corpus.readers.html_text import Paragraph, fragment_of, read_line, read_paragraphs
from abs_index.corpus.readers.html_tree import Node, parse_page
from abs_index.corpus.references import FigureReferences
from abs_index.corpus.rejects import IMAGE_FORMAT, IMAGE_MISSING, NO_IMAGE, NOT_A_DOCUMENT
from abs_index.corpus.resolve import resolve_image
from abs_index.errors import RejectedError


class HtmlReader:
    """Reads pages."""

    format: ClassVar[str] = "html"

    def __init__(self, files: Files) -> None:
        self._files = files

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether the content starts as a page does: document type, `<html>`, or another element of HTML alone."""
        return is_page(head)

    def read(self, name: str, content: bytes) -> Document:
        """The document of one page.

        Raises RejectedError: a page without any `<figure>`, or what `parse_page` refuses.
        """
        page = parse_page(content)
        name_figures(page)
        found = find_figures(page)
        if not found:
            raise RejectedError(NOT_A_DOCUMENT, "HTML page without figures")
        figures = _Figures(self._files, name, _base_of(page, name))
        for element in found:
            figures.add(element)
        page_name = posixpath.basename(name)
        paragraphs = read_paragraphs(page, lambda href: figures.targets.get(fragment_of(href, page_name), ()))
        metadata = read_page_metadata(page)
        path = self._files.prefix + name
        return Document(
            id=metadata.doi or path,
            path=path,
            name=name,
            format=self.format,
            files=self._files,
            doi=metadata.doi,
            title=metadata.title,
            container=metadata.container,
            year=metadata.year,
            authors=metadata.authors,
            licence=metadata.licence,
            language=metadata.language,
            keywords=metadata.keywords,
            figures=tuple(figures.usable),
            mentions=tuple(_mentions(paragraphs, figures.usable)),
            rejects=tuple(figures.rejects),
        )


def _base_of(page: Node, name: str) -> str:
    base = next((node.get("href").strip() for node in page.walk() if node.name == "base" and node.get("href")), "")
    if not base or _ELSEWHERE.match(base):  # pages are read where they have been saved
        return name
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), f"{posixpath.dirname(base)}/page")).lstrip("/")


def _mentions(paragraphs: list[Paragraph], figures: list[Figure]) -> Iterator[Mention]:
    references = FigureReferences(figures)
    for paragraph in paragraphs:
        wanted = references.figures_in(paragraph.text)
        if wanted:
            yield Mention(paragraph.text.text, wanted, paragraph.section)


# --- telling the format -----------------------------------------------------------------------------------------

_BEFORE_ROOT = re.compile(r"\s*(?:<\?[^>]*>|<!--.*?-->)", re.DOTALL)
_DOCTYPE = re.compile(r"\s*<!DOCTYPE\s+(?:[\w.-]+:)?html\b", re.IGNORECASE)
_OTHER_DOCTYPE = re.compile(r"\s*<!DOCTYPE\b", re.IGNORECASE)
# Elements that a page may start with where <html> is left out, and that no other format starts with.
_START = re.compile(
    r"\s*<(?:[\w.-]+:)?(html|head|body|title|meta|link|base|script|style|main|div|p|center|h[1-6]|figure)(?=[\s/>])([^>]*)",
    re.IGNORECASE,
)


def is_page(head: bytes) -> bool:
    """Whether a file that starts with `head` is an HTML page."""
    # Marks, zeros of UTF-16 and the like aside, markup is ASCII in every encoding.
    text = head.replace(b"\0", b"").decode("latin-1").lstrip("ÿþï»¿")
    position = 0
    while match := _BEFORE_ROOT.match(text, position):
        position = match.end()
    if _DOCTYPE.match(text, position):
        return True
    start = _START.match(text, position)
    if start is None or _OTHER_DOCTYPE.match(text, position):
        return False
    return start[1].lower() == "html" or "xmlns" not in start[2] or "1999/xhtml" in start[2]


_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


# --- figures ----------------------------------------------------------------------------------------------------

_NO_PICTURE_CAPTION = re.compile(r"(?i)(table|tabelle|tabla|tableau|tabela|listing|algorithm|code)\b")


@dataclass(slots=True)
class _Figures:
    """The figures of one page while it is read: those with a picture, the refused, and what ids stand for."""

    files: Files
    name: str
    base: str
    """The name of the file that addresses are relative to: the page itself, unless it says otherwise."""
    usable: list[Figure] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Id of any element that stands for figures → ids of these figures."""
    _ids: set[str] = field(default_factory=set)
    _count: int = 0

    def add(self, element: FigureElement, group: Group | None = None) -> None:
        """One `<figure>` and those inside it; `group` is what the figures around it are."""
        before = len(self.usable)
        self._count += 1
        id_ = self._unique(next(iter(element.ids), "") or f"figure-{self._count}")
        label, caption = _split_label(read_line(element.captions).text, is_part=group is not None)
        if element.pictures or element.fallback or not element.inner:
            self._add_pictures(element, id_, label, caption, group)
        if element.inner and (group is None or label or caption):
            group = Group(id_, label, caption)
        for inner in element.inner:
            self.add(inner, group)
        members = tuple(figure.id for figure in self.usable[before:])
        for alias in element.ids:
            self.targets.setdefault(alias, members)

    def _unique(self, id_: str) -> str:
        unique, number = id_, 1
        while unique in self._ids:
            number += 1
            unique = f"{id_}-{number}"
        self._ids.add(unique)
        return unique

    def _add_pictures(self, element: FigureElement, id_: str, label: str, caption: Text, group: Group | None) -> None:
        images: list[str] = []
        refused: list[tuple[str, str]] = []
        if not _shows_table(element, caption):
            images, refused = self._find(element.pictures)
            if not images:  # pictures that a script would load stand once more in <noscript>
                images, refused = self._find(element.fallback or element.pictures)
        if not images and not refused:
            reason = IMAGE_FORMAT if "inline SVG" in element.holds else NO_IMAGE
            held = ", ".join(dict.fromkeys(element.holds)) or "no picture"
            refused = [(reason, f"holds {held}")]
        path = self.files.prefix + self.name
        self.rejects += [Reject(path, reason, detail, figure=id_) for reason, detail in refused]
        if images:
            alt = " ".join(" ".join(element.alts).split())
            self.usable.append(Figure(id_, label, caption, alt, images=tuple(dict.fromkeys(images)), group=group))

    def _find(self, pictures: list[list[str]]) -> tuple[list[str], list[tuple[str, str]]]:
        """The files of pictures; reason and detail for each that has none."""
        images: list[str] = []
        refused: list[tuple[str, str]] = []
        for addresses in pictures:
            places = dict.fromkeys((self.base, self.name))
            found = (resolve_image(self.files, place, address) for place in places for address in addresses)
            image = next(filter(None, found), None)
            if image:
                images.append(image)
            else:
                refused.append(_why_not(addresses))
        return images, refused


def _why_not(addresses: list[str]) -> tuple[str, str]:
    if not addresses:
        return IMAGE_MISSING, "<img> without address"
    address = addresses[0]
    scheme = address.partition(":")[0].lower()
    if scheme == "data":
        return IMAGE_FORMAT, f"picture inside the page ({address[:30]}…)"
    if scheme in ("http", "https", "ftp", "blob") or address.startswith("//"):
        return IMAGE_MISSING, f"not fetched: {address[:200]}"
    return IMAGE_MISSING, address[:200]


def _shows_table(element: FigureElement, caption: Text) -> bool:
    """A table or listing may have small pictures in it and is no picture all the same; else tables are for layout."""
    if "a table" not in element.holds and "code" not in element.holds:
        return False
    return bool(_NO_PICTURE_CAPTION.match(caption.normalised))


_PANEL = re.compile(r"(\(?[A-Za-z]\))[.:]?\s*")
# "17-2" is a number of books: the second figure of chapter 17.
_SECOND_PART = re.compile(r"[-‐‑–]\d+")
_AFTER_LABEL = re.compile(r"\s*[.:|)\]–—-]+\s*|\s+(?=[^\W\d_a-z]|[(\[\"“„«])|\s*$")


def _split_label(caption: Text, *, is_part: bool) -> tuple[str, Text]:
    """The label at a caption's start ("Figure 1.", "(b)" of a part) and the caption without it.

    A caption in which the label is part of a sentence ("Figure 1 shows a jar.") keeps it.
    """
    panel = _PANEL.match(caption.normalised) if is_part else None
    if panel:
        return panel[1], Text(caption.normalised[panel.end() :], _PANEL.sub("", caption.raw, count=1))
    end = _end_of_label(caption.normalised)
    label, rest = caption.normalised[:end], caption.normalised[end:]
    mark = _AFTER_LABEL.match(rest)
    if not label or mark is None:
        return label, caption
    raw = caption.raw[_end_of_label(caption.raw) :]
    return label, Text(rest[mark.end() :], _AFTER_LABEL.sub("", raw, count=1))


def _end_of_label(caption: str) -> int:
    item = number_at_start(caption)
    if item is None:
        return 0
    second = _SECOND_PART.match(caption, item.end)
    return second.end() if second else item.end
