"""JATS and its ancestor NLM, of any version, with or without DTD and namespaces: journal articles; BITS: chapters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from abs_index.corpus.document import Document, Mention
from abs_index.corpus.files import Files
from abs_index.corpus.readers.jats_figures import Figures, read_figures
from abs_index.corpus.readers.jats_front import read_front
from abs_index.corpus.readers.jats_text import read_paragraphs
from abs_index.corpus.references import FigureReferences
from abs_index.corpus.rejects import NOT_A_DOCUMENT
from abs_index.corpus.xml import Element, local_name, parse_xml, start_of_root
from abs_index.errors import RejectedError


class JatsReader:
    """Reads one article or book chapter a file. Parts (author response, translation) belong to its document."""

    format: ClassVar[str] = "jats"

    def __init__(self, files: Files) -> None:
        self._files = files

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether the root element is `<article>` (and not DocBook's), a set of articles as PMC serves it, or BITS."""
        before, tag = start_of_root(head)
        name = _NAME.match(tag)
        return name is not None and name[1] in _ROOTS and "docbook" not in (before + tag).lower()

    def read(self, name: str, content: bytes) -> Document:
        """The article of one file.

        Raises RejectedError: the file is no XML that can be read (see `parse_xml`), or holds no article or several.
        """
        article = _article(parse_xml(content))
        front = read_front(article)
        figures = read_figures(article, self._files, name)
        path = self._files.prefix + name
        return Document(
            id=front.doi or path,
            path=path,
            name=name,
            format=self.format,
            files=self._files,
            doi=front.doi,
            title=front.title,
            container=front.container,
            year=front.year,
            authors=front.authors,
            licence=front.licence,
            language=front.language,
            keywords=front.keywords,
            figures=tuple(figures.usable),
            mentions=tuple(_mentions(article, figures)) if figures.usable else (),
            rejects=tuple(figures.rejects),
        )


_NAME = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")
_SETS = ("pmc-articleset", "OAI-PMH")
_BOOKS = ("book", "book-part-wrapper", "book-part")
_ROOTS = ("article", *_SETS, *_BOOKS)


def _article(root: Element) -> Element:
    name = local_name(root)
    if name == "article" or (name in _BOOKS and next(root.iter("{*}book-meta", "{*}book-part-meta"), None) is not None):
        return root
    articles = list(root.iter("{*}article"))
    if len(articles) != 1:
        raise RejectedError(
            NOT_A_DOCUMENT, f"<{name}> with {len(articles)} articles; a file of its own is read for each"
        )
    return articles[0]


def _mentions(article: Element, figures: Figures) -> Iterator[Mention]:
    references: dict[int, FigureReferences] = {}
    for paragraph in read_paragraphs(article):
        if paragraph.part not in references:
            # "Figure 1" without a link means the one of the same part: the response has figures of its own.
            near = [id_ for id_, part in figures.parts.items() if part == paragraph.part]
            references[paragraph.part] = FigureReferences(figures.usable, figures.aliases_in(paragraph.part), near)
        found = references[paragraph.part].figures_in(paragraph.text)
        if found:
            yield Mention(paragraph.text.text, found, paragraph.section)
