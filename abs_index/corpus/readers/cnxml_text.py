"""The running text of a CNXML module: paragraphs, captions, formulas, links, and the figures between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from abs_index.corpus.text import ReferringText, TextBuilder
from abs_index.corpus.xml import Element, attribute, children, content_of, find, local_name, words_of

_NO_TEXT = {"label", "media", "metadata"}
# What stands between the letters of a line without parting words.
_WITHIN_WORDS = {
    "cite", "cite-title", "code", "emphasis", "foreign", "label", "link", "math", "media", "span", "sub", "sup", "term",
}  # fmt: skip
# What else stands in a line of text. Everything that is in neither is a block: it ends the line before it.
_INLINE = _WITHIN_WORDS - _NO_TEXT | {"equation", "footnote", "newline", "preformat", "quote", "space"}
# Inside a paragraph these belong to its text; other blocks there (note, table, exercise) are texts of their own.
_OF_PARAGRAPH = {"item", "list", "title"}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph with its links, and the title of the section that it stands in."""

    text: ReferringText
    section: str = ""


@dataclass(slots=True)
class ModuleText:
    """The paragraphs and `<figure>` elements of a module, both in the order of the document.

    A link to a figure of the module itself has the target "id", one to another module "module#id".
    """

    paragraphs: list[Paragraph] = field(default_factory=list)
    figures: list[Element] = field(default_factory=list)


def read_text(module: Element) -> ModuleText:
    """All running text of a module: paragraphs, list items, table entries, loose text in notes."""
    text = ModuleText()
    _read_blocks(module, "", text)
    return text


def read_line(*elements: Element | None) -> ReferringText:
    """The text of titles and captions, joined by blanks."""
    builder = TextBuilder()
    for element in elements:
        if element is not None:
            _add_content(element, builder, [])
            builder.block()
    return builder.build()


def _read_blocks(element: Element, section: str, text: ModuleText) -> None:
    """Goes through an element that holds blocks. Loose text between them makes paragraphs too."""
    line, asides = TextBuilder(), list[Element]()
    empty = True
    for piece in content_of(element):
        if isinstance(piece, str):
            # Most text between blocks is white space: lines are not begun for it.
            empty = empty and piece.isspace()
            if not empty:
                line.add(piece)
        elif _stays_in_line(piece):
            _add_inline(piece, line, asides)
            empty = False
        else:
            if not empty:
                _end_line(line, asides, section, text)
                line, empty = TextBuilder(), True
            _read_block(piece, section, text)
    if not empty:
        _end_line(line, asides, section, text)


def _stays_in_line(element: Element) -> bool:
    """A figure or picture does not end the line that it stands in: the text goes on after it."""
    name = local_name(element)
    return name in _INLINE or name in ("figure", "media")


def _read_block(block: Element, section: str, text: ModuleText) -> None:
    name = local_name(block)
    if name == "figure":
        text.figures.append(block)
    elif name == "para":
        _read_paragraph(block, section, text)
    elif name not in _NO_TEXT and name != "title":
        if name == "section":
            section = read_line(find(block, "title")).text.normalised or section
        _read_blocks(block, section, text)


def _read_paragraph(para: Element, section: str, text: ModuleText) -> None:
    line, asides = TextBuilder(), list[Element]()
    _add_content(para, line, asides)
    _end_line(line, asides, section, text)


def _end_line(line: TextBuilder, asides: list[Element], section: str, text: ModuleText) -> None:
    """Makes a paragraph of the line; then come the blocks that stood inside it."""
    built = line.build()
    if built.text:
        text.paragraphs.append(Paragraph(built, section))
    for block in asides:
        _read_block(block, section, text)
    asides.clear()


def _add_content(element: Element, line: TextBuilder, asides: list[Element]) -> None:
    for piece in content_of(element):
        if isinstance(piece, str):
            line.add(piece)
        else:
            _add_inline(piece, line, asides)


def _add_inline(element: Element, line: TextBuilder, asides: list[Element]) -> None:
    """One element inside a line. Blocks that do not belong to its text are put aside."""
    name = local_name(element)
    parts_words = name not in _WITHIN_WORDS
    if parts_words:
        line.block()
    if name == "math":
        line.formula(_words_of_formula(element), display=attribute(element, "display") == "block")
    elif name == "equation":
        line.formula(" ".join(map(_words_of_formula, children(element, "math"))) or words_of(element), display=True)
    elif name == "link" and not attribute(element, "url"):
        inner = TextBuilder()
        _add_content(element, inner, asides)
        line.reference(inner.build().text.normalised, _targets(element))
    elif name in _INLINE or name in _OF_PARAGRAPH:
        _add_content(element, line, asides)
    elif name not in _NO_TEXT:
        asides.append(element)
    if parts_words:
        line.block()


def _targets(link: Element) -> tuple[str, ...]:
    target, module = attribute(link, "target-id"), attribute(link, "document")
    if not target:
        return ()
    return (f"{module}#{target}",) if module else (target,)


def _words_of_formula(math: Element) -> str:
    """A formula to be read by people: its TeX where it has one, else the letters of its MathML."""
    source = find(math, "semantics", "annotation")
    return words_of(source if source is not None else math)
