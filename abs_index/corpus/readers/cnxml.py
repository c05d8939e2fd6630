"""OpenStax CNXML: modules (`modules/*/index.cnxml`) with pictures in `media/`, bound to books by collections.

A figure is `title?, (subfigure+ | media | table | code …), caption?`. Figures have no numbers in the files: paragraphs
refer to them by links, also from one module to another. A mention belongs to the document of its figure.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from abs_index.corpus.document import Document, Figure, Group, Mention, Reject, Text
from abs_index.corpus.figure_numbers import number_at_start
from abs_index.corpus.files import Files
from abs_index.corpus.readers.cnxml_books import Books, Links, ModuleName, name_module, read_metadata
from abs_index.corpus.readers.cnxml_text import Paragraph, read_line, read_paragraphs
from abs_index.corpus.references import FigureReferences
from abs_index.corpus.rejects import IMAGE_MISSING, NO_IMAGE, NOT_A_DOCUMENT
from abs_index.corpus.resolve import resolve_image
from abs_index.corpus.xml import Element, attribute, children, find, local_name, parse_xml
from abs_index.errors import RejectedError

_KEPT_MODULES = 64
"""Of so many linking modules the paragraphs are kept, so that a module linked to by many is not parsed each time."""


class CnxmlReader:
    """Reads modules. It looks at the other modules and the collections of the same `Files`."""

    format: ClassVar[str] = "cnxml"

    def __init__(self, files: Files) -> None:
        self._files = files
        self._books = Books(files)
        self._links = Links(files)
        self._linking: OrderedDict[str, list[Paragraph]] = OrderedDict()

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether the root element is `<document>` of CNXML."""
        return is_module(head)

    def read(self, name: str, content: bytes) -> Document:
        """The document of one module. `container` is the first book (by name) that holds it."""
        root = parse_xml(content)
        if local_name(root) != "document":
            raise RejectedError(NOT_A_DOCUMENT, f"root element <{local_name(root)}> instead of CNXML's <document>")
        module = name_module(name, content)
        figures = _Figures(self._files, name)
        for element in root.iter("{*}figure"):
            figures.add(element)
        metadata, book = read_metadata(root), self._books.of(module)
        path = self._files.prefix + name
        return Document(
            id=metadata.doi or path,
            path=path,
            name=name,
            format=self.format,
            files=self._files,
            doi=metadata.doi,
            title=metadata.title,
            container=book.title,
            year=metadata.year or book.year,
            authors=metadata.authors or book.authors,
            licence=metadata.licence or book.licence,
            language=metadata.language or book.language,
            keywords=metadata.keywords,
            figures=tuple(figures.usable),
            mentions=tuple(self._mentions(root, figures, module, name)),
            rejects=tuple(figures.rejects),
        )

    def _mentions(self, root: Element, figures: _Figures, module: ModuleName, name: str) -> Iterator[Mention]:
        if not figures.usable:
            return
        own = list(_own_mentions(root, figures, module))
        yield from own
        # Two editions of a book hold the same paragraph twice, one of them with a link into the other edition.
        seen = {(mention.text, mention.figures) for mention in own}
        for mention in self._foreign_mentions(figures, module, name):
            if (mention.text, mention.figures) not in seen:
                seen.add((mention.text, mention.figures))
                yield mention

    def _foreign_mentions(self, figures: _Figures, module: ModuleName, name: str) -> Iterator[Mention]:
        for linking in self._links.to(module):
            if linking == name:
                continue
            for paragraph in self._paragraphs_of(linking):
                wanted = _figures_linked(paragraph, figures, module)
                if wanted:
                    path = self._files.prefix + linking
                    yield Mention(paragraph.text.text, wanted, paragraph.section, path)

    def _paragraphs_of(self, name: str) -> list[Paragraph]:
        """The paragraphs of a module that link to other modules."""
        if name in self._linking:
            self._linking.move_to_end(name)
            return self._linking[name]
        try:
            paragraphs = read_paragraphs(parse_xml(self._files.read(name)), only="document")
        except RejectedError:  # recorded when the module itself is read
            paragraphs = []
        kept = [p for p in paragraphs if any("#" in target for r in p.text.references for target in r.targets)]
        self._linking[name] = kept
        if len(self._linking) > _KEPT_MODULES:
            self._linking.popitem(last=False)
        return kept


# --- telling the format -----------------------------------------------------------------------------------------

_BEFORE_ROOT = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*(?:\[.*?\]\s*)?>)", re.DOTALL | re.IGNORECASE)
_ROOT = re.compile(r"""\s*<(?:[\w.-]+:)?document\b((?:[^<>"']|"[^"]*"|'[^']*')*)>""")


def is_module(head: bytes) -> bool:
    """Whether a file that starts with `head` is a CNXML module."""
    # Marks, zeros of UTF-16 and the like aside, markup is ASCII in every encoding.
    text = head.replace(b"\0", b"").decode("latin-1").lstrip("ÿþï»¿")
    position = 0
    while match := _BEFORE_ROOT.match(text, position):
        position = match.end()
    root = _ROOT.match(text, position)
    return root is not None and "cnxml" in root[1].lower()


# --- figures ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Figures:
    """The figures of one module while it is read: those with a picture, the refused, and which ids stand for which."""

    files: Files
    name: str
    usable: list[Figure] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    """Ids that stand for figures: of a figure for its subfigures, of a picture for its figure."""
    _named: set[str] = field(default_factory=set)
    """Ids of figures and groups whose label is their title."""
    _ids: set[str] = field(default_factory=set)
    _count: int = 0

    def add(self, element: Element) -> None:
        """One `<figure>`, with or without subfigures."""
        subfigures = list(children(element, "subfigure"))
        if not subfigures:
            self._add_one(element, None)
            return
        id_, caption = attribute(element, "id") or f"figure-{self._count + 1}", _caption(element)
        group = Group(id_, self._label(element, id_, caption), caption)
        known = {figure.id for figure in self.usable}
        for subfigure in subfigures:
            self._add_one(subfigure, group)
        self.aliases[group.id] = [figure.id for figure in self.usable if figure.id not in known]

    @property
    def without_names(self) -> list[Figure]:
        """The usable figures without the titles that stand in for missing labels: no text refers to these."""
        return [self._without_name(figure) for figure in self.usable] if self._named else self.usable

    def _without_name(self, figure: Figure) -> Figure:
        if figure.group and figure.group.id in self._named:
            figure = replace(figure, group=replace(figure.group, label=""))
        return replace(figure, label="") if figure.id in self._named else figure

    @property
    def are_numbered(self) -> bool:
        """Whether words alone can refer to a figure: it has a label, or a caption that starts with a number."""
        figures = self.without_names
        labels = any(figure.label or (figure.group and figure.group.label) for figure in figures)
        return labels or any(number_at_start(figure.caption.normalised) for figure in figures)

    def _add_one(self, element: Element, group: Group | None) -> None:
        self._count += 1
        id_ = self._unique(attribute(element, "id") or f"figure-{self._count}")
        images, reason, detail = self._images(element)
        if reason:
            self.rejects.append(Reject(self.files.prefix + self.name, reason, detail, figure=id_))
        if images:
            self.aliases |= {attribute(media, "id"): [id_] for media in children(element, "media") if media.get("id")}
            alt = " ".join(filter(None, (_alt(media) for media in children(element, "media"))))
            caption = _caption(element)
            label = self._label(element, id_, caption)
            self.usable.append(Figure(id_, label, caption, alt, images=images, group=group))

    def _label(self, element: Element, id_: str, caption: Text) -> str:
        """The label; of a figure with neither label nor caption its title, to be shown and searched for."""
        label = read_line(find(element, "label")).text.normalised
        if label or caption:
            return label
        self._named.add(id_)
        return read_line(find(element, "title")).text.normalised

    def _unique(self, id_: str) -> str:
        unique, number = id_, 1
        while unique in self._ids:
            number += 1
            unique = f"{id_}-{number}"
        self._ids.add(unique)
        return unique

    def _images(self, element: Element) -> tuple[tuple[str, ...], str, str]:
        """The pictures, and reason and detail where one of them, or all, cannot be used."""
        found: list[str] = []
        missing: list[str] = []
        for media in children(element, "media"):
            sources = _sources(media)
            images = (resolve_image(self.files, self.name, source) for source in sources)
            image = next(filter(None, images), None)
            if image:
                found.append(image)
            elif sources:
                missing.append(sources[0])
        if missing:
            return tuple(found), IMAGE_MISSING, ", ".join(missing)
        return tuple(found), *(("", "") if found else (NO_IMAGE, _held(element)))


def _sources(media: Element) -> list[str]:
    """The alternatives of one picture, best first: made for the screen, a pixel format, not for print."""

    def rank(image: Element) -> tuple[bool, bool, bool]:
        vector = attribute(image, "src").lower().endswith((".eps", ".ps", ".pdf", ".svg", ".wmf", ".emf"))
        return vector, attribute(image, "for") == "pdf", attribute(image, "for") != "online"

    images = sorted(media.iter("{*}image"), key=rank)
    if attribute(media, "type").startswith("image/"):  # before CNXML 0.6
        images.insert(0, media)
    return [source for source in (attribute(image, "src") for image in images) if source]


_AROUND_CONTENT = {"title", "caption", "label", "media"}


def _held(element: Element) -> str:
    """What a figure without a picture holds, for the list of rejects."""
    names = [local_name(child) for child in children(element) if local_name(child) not in _AROUND_CONTENT]
    names += [local_name(child) for media in children(element, "media") for child in children(media)]
    return "holds " + ", ".join(dict.fromkeys(names)) if names else "holds nothing"


def _caption(element: Element) -> Text:
    """Title and caption, as they are printed. A title alone is the name of the figure and no caption."""
    caption = find(element, "caption")
    if not read_line(caption).text:
        return Text()
    return read_line(find(element, "title"), caption).text


def _alt(media: Element) -> str:
    alts = (attribute(element, "alt") for element in (media, *media.iter("{*}image")))
    return " ".join(next(filter(None, alts), "").split())


# --- mentions ---------------------------------------------------------------------------------------------------


def _own_mentions(root: Element, figures: _Figures, module: ModuleName) -> Iterator[Mention]:
    aliases = {f"{id_}#{figure.id}": [figure.id] for id_ in module.ids for figure in figures.usable}
    for alias, members in figures.aliases.items():
        aliases |= {alias: members} | {f"{id_}#{alias}": members for id_ in module.ids}
    references = FigureReferences(figures.without_names, aliases)
    # Few modules number their figures themselves; in the others only links refer to them.
    for paragraph in read_paragraphs(root, only="" if figures.are_numbered else "target-id"):
        wanted = references.figures_in(paragraph.text)
        if wanted:
            yield Mention(paragraph.text.text, wanted, paragraph.section)


def _figures_linked(paragraph: Paragraph, figures: _Figures, module: ModuleName) -> tuple[str, ...]:
    """The figures of the module that a paragraph of another module links to, in the order of the document."""
    linked: set[str] = set()
    for reference in paragraph.text.references:
        for target in reference.targets:
            document, _, id_ = target.rpartition("#")
            if document in module.ids:
                linked.update(figures.aliases.get(id_, [id_]))
    return tuple(figure.id for figure in figures.usable if figure.id in linked)
