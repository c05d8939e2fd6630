"""The words of JATS: paragraphs, captions, titles; what is text, what parts words, what is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from abs_index.corpus.text import ReferringText, TextBuilder
from abs_index.corpus.xml import Element, attribute, children, content_of, find, local_name, words_of


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One `<p>`, the title of the section that it stands in, and the id of the part (`<sub-article>`): 0 is the
    article itself."""

    text: ReferringText
    section: str
    part: int


FLOATS = frozenset({"fig", "fig-group", "table-wrap", "table-wrap-group", "supplementary-material", "graphic", "media"})
"""What stands beside the text, also where it is written inside a paragraph."""
PARTS = frozenset({"sub-article", "response", "book-part"})

_NO_TEXT = FLOATS | {
    "inline-graphic", "inline-media", "inline-supplementary-material", "array", "chem-struct-wrap", "object-id",
    "alt-text", "long-desc", "attrib", "permissions", "copyright-statement", "copyright-year", "copyright-holder",
    "license", "index-term", "index-term-range-end", "glyph-data", "rt", "rp", "fn", "processing-meta", "sec-meta",
    "kwd-group", "subj-group",
}  # fmt: skip
# Inside a paragraph these hold paragraphs of their own.
_NESTED = frozenset({"list", "def-list", "disp-quote", "boxed-text", "statement", "speech", "verse-group", "fn-group"})
_BLOCKS = _NESTED | {
    "p", "title", "subtitle", "label", "caption", "break", "list-item", "def", "def-item", "term", "preformat", "code",
    "verse-line", "sec", "table", "tr", "td", "th", "hr", "textual-form",
}  # fmt: skip
_FORMULAS = frozenset({"inline-formula", "disp-formula", "math", "tex-math"})


def read_text(*elements: Element, without: frozenset[str] = frozenset()) -> ReferringText:
    """The text of elements that holds everything below them, such as captions. `without`: names left out at the top."""
    builder = TextBuilder()
    for element in elements:
        builder.block()
        _add_content(builder, element, without, nested=True, top=True)
        builder.block()
    return builder.build()


def read_paragraphs(article: Element) -> Iterator[Paragraph]:
    """All paragraphs of an article in the order of the document: abstract, body, back, footnotes, then its parts.

    Not those in figures, tables and their captions, which are no running text, nor in the list of references.
    A paragraph inside a paragraph (list, quotation, box, footnote) is one of its own, and not part of the outer one.
    """
    yield from _walk_sections(article, "", 0, count(1))


_NO_PARAGRAPHS = FLOATS | {
    "ref-list", "journal-meta", "contrib-group", "author-notes", "aff", "funding-group", "permissions", "label",
    "custom-meta-group", "alternatives", "array", "chem-struct-wrap", "caption", "title",
}  # fmt: skip


def _walk_sections(element: Element, section: str, part: int, parts: Iterator[int]) -> Iterator[Paragraph]:
    for child in children(element):
        name = local_name(child)
        if name in _NO_PARAGRAPHS:
            continue
        if name == "p" or (name in ("list-item", "def") and _has_own_text(child)):
            yield Paragraph(_read_paragraph(child), section, part)
            if next(child.iterdescendants("{*}p"), None) is None:
                continue
        title = (name in _TITLED and _title_of(child)) or section
        yield from _walk_sections(child, title, next(parts) if name in PARTS else part, parts)


_TITLED = PARTS | {"sec", "abstract", "trans-abstract", "ack", "app", "app-group", "boxed-text", "notes", "glossary"}


_TITLE_PATHS = (
    ("title",),
    ("caption", "title"),
    ("front-stub", "title-group", "article-title"),
    ("book-part-meta", "title-group", "title"),
)


def _title_of(section: Element) -> str:
    for path in _TITLE_PATHS:
        if (title := find(section, *path)) is not None:
            return read_title(title)
    return ""


def _has_own_text(element: Element) -> bool:
    return any(isinstance(piece, str) and piece.strip() for piece in content_of(element))


def _read_paragraph(element: Element) -> ReferringText:
    builder = TextBuilder()
    _add_content(builder, element, frozenset(), nested=False)
    return builder.build()


def read_title(element: Element | None) -> str:
    """A title on one line, without the marks of footnotes; formulas stay readable."""
    return read_text(element, without=frozenset({"xref"})).text.raw if element is not None else ""


def _add_content(
    builder: TextBuilder, element: Element, without: frozenset[str], *, nested: bool, top: bool = False
) -> None:
    rendered = ""  # the kind of formula that stands directly before
    for piece in content_of(element):
        if isinstance(piece, str):
            builder.add(piece)
            rendered = rendered if piece.isspace() else ""
            continue
        name = local_name(piece)
        if (rendered, name) in (("math", "tex-math"), ("tex-math", "math")):
            rendered = ""  # the same formula a second time
        elif not (top and name in without):
            _add_element(builder, piece, nested=nested)
            rendered = name


def _add_element(builder: TextBuilder, element: Element, *, nested: bool) -> None:
    name = local_name(element)
    if name in _FORMULAS:
        builder.formula(_formula(element), display=_is_display(element, name))
    elif name == "alternatives":
        _add_alternatives(builder, element, nested=nested)
    elif name in _NO_TEXT or (name in _NESTED and not nested):
        if name in _NESTED or name in FLOATS:
            builder.block()
    elif targets := _targets(element, name):
        with builder.referring(targets):
            _add_content(builder, element, frozenset(), nested=nested)
    elif name in _BLOCKS:
        builder.block()
        _add_content(builder, element, frozenset(), nested=nested)
        builder.block()
    else:
        _add_content(builder, element, frozenset(), nested=nested)


def _targets(element: Element, name: str) -> tuple[str, ...]:
    """What a reference points at: ids; ("",) for a reference that names none; () for what is no reference."""
    if name == "xref":
        return tuple(id_.lstrip("#") for id_ in attribute(element, "rid").split()) or ("",)
    href = attribute(element, "href") if name == "ext-link" else ""
    return (href[1:],) if href.startswith("#") and len(href) > 1 else ()


def _add_alternatives(builder: TextBuilder, element: Element, *, nested: bool) -> None:
    """One of several renderings of the same: a formula, else the words."""
    for name in ("inline-formula", "disp-formula", "math", "tex-math", "textual-form"):
        if (found := find(element, name)) is not None:
            _add_element(builder, found, nested=nested)
            return


# --- formulas ---------------------------------------------------------------------------------------------------

_TEX_BODY = re.compile(r"\\begin\s*\{document\}(.*?)\\end\s*\{document\}", re.DOTALL)


def _is_display(element: Element, name: str) -> bool:
    return name == "disp-formula" or (name == "math" and attribute(element, "display") == "block")


def _formula(element: Element) -> str:
    """A formula as one readable line: its TeX, else the letters of its MathML, else its text."""
    fallback: Element | None = None
    for below in element.iter():
        name = local_name(below)
        if name == "tex-math" or (name == "annotation" and "tex" in attribute(below, "encoding").lower()):
            return _tex(words_of(below))
        if name == "math" and fallback is None:
            fallback = below
    if fallback is not None:
        return " ".join("".join(_letters(fallback)).split())
    return read_text(element, without=frozenset({"label"})).text.raw if local_name(element) != "math" else ""


def _tex(source: str) -> str:
    """TeX without the document around it (as PubMed Central writes it) and without its dollars."""
    body = _TEX_BODY.search(source)
    return (body[1] if body else source).strip().strip("$").strip()


def _letters(math: Element) -> Iterator[str]:
    for piece in content_of(math):
        if isinstance(piece, str):
            yield piece
        elif local_name(piece) not in ("annotation", "annotation-xml"):
            yield from _letters(piece)
