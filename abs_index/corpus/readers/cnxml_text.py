"""The running text of a CNXML module: paragraphs, captions, formulas and links."""

from __future__ import annotations

from dataclasses import dataclass

from abs_index.corpus.text import ReferringText, TextBuilder
from abs_index.corpus.xml import Element, attribute, children, content_of, find, local_name, words_of

_NO_TEXT = {"label", "media", "metadata"}
_NOT_RUNNING = _NO_TEXT | {"figure", "title"}
# What stands between the letters of a line without parting words.
_WITHIN_WORDS = {
    "cite", "cite-title", "cnxn", "code", "emphasis", "foreign", "label", "link", "math", "media", "span", "sub", "sup",
    "term",
}  # fmt: skip
# What else stands in a line of text. Everything that is in neither is a block: it ends the line before it.
_INLINE = _WITHIN_WORDS - _NO_TEXT | {"equation", "footnote", "newline", "preformat", "quote", "space"}
# Inside a paragraph these belong to its text; other blocks there (note, table, exercise) are texts of their own.
_OF_PARAGRAPH = {"item", "list", "title"}
_LINKS = {"link", "cnxn"}  # "cnxn" before CNXML 0.6


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph with its links, and the title of the section that it stands in."""

    text: ReferringText
    section: str = ""


def read_paragraphs(module: Element, only: str = "") -> list[Paragraph]:
    """All running text of a module: paragraphs, list items, table entries, loose text in notes.

    A link to something in the module itself has the target "id", one into another module "module#id". `only` is the
    attribute of links that matter, "target-id" or "document": most text has none, is not read, and leaves the tree.
    """
    if only:
        _drop_text_without_links(module, only)
    paragraphs: list[Paragraph] = []
    _read_blocks(module, "", paragraphs)
    return paragraphs


def _drop_text_without_links(module: Element, name: str) -> None:
    kept = {module}
    for link in module.iter("{*}link", "{*}cnxn"):
        if attribute(link, name) or (name == "target-id" and _targets(link)):
            kept.update(link.iterancestors())
    for block in list(module.iter("{*}section", "{*}para", "{*}exercise", "{*}table", "{*}note", "{*}example")):
        parent = block.getparent()
        if block not in kept and parent in kept and parent is not None and not (block.tail or "").strip():
            parent.remove(block)


def read_line(*elements: Element | None) -> ReferringText:
    """The text of titles and captions, joined by blanks."""
    builder = TextBuilder()
    for element in elements:
        if element is not None:
            _add_content(element, builder, [])
            builder.block()
    return builder.build()


def _read_blocks(element: Element, section: str, paragraphs: list[Paragraph]) -> None:
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
                _end_line(line, asides, section, paragraphs)
                line, empty = TextBuilder(), True
            _read_block(piece, section, paragraphs)
    if not empty:
        _end_line(line, asides, section, paragraphs)


def _stays_in_line(element: Element) -> bool:
    """A figure or picture does not end the line that it stands in: the text goes on after it."""
    name = local_name(element)
    return name in _INLINE or name in ("figure", "media")


def _read_block(block: Element, section: str, paragraphs: list[Paragraph]) -> None:
    name = local_name(block)
    if name == "para":
        _read_paragraph(block, section, paragraphs)
    elif name not in _NOT_RUNNING:
        if name == "section":
            section = read_line(find(block, "title")).text.normalised or section
        _read_blocks(block, section, paragraphs)


def _read_paragraph(para: Element, section: str, paragraphs: list[Paragraph]) -> None:
    line, asides = TextBuilder(), list[Element]()
    _add_content(para, line, asides)
    _end_line(line, asides, section, paragraphs)


def _end_line(line: TextBuilder, asides: list[Element], section: str, paragraphs: list[Paragraph]) -> None:
    """Makes a paragraph of the line; then come the blocks that stood inside it."""
    built = line.build()
    if built.text:
        paragraphs.append(Paragraph(built, section))
    for block in asides:
        _read_block(block, section, paragraphs)
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
    elif name in _LINKS and (_targets(element) or not attribute(element, "url")):
        _add_link(element, line, asides)
    elif name in _INLINE or name in _OF_PARAGRAPH:
        _add_content(element, line, asides)
    elif name not in _NO_TEXT:
        asides.append(element)
    if parts_words:
        line.block()


def _add_link(link: Element, line: TextBuilder, asides: list[Element]) -> None:
    if not words_of(link):
        line.reference("", _targets(link))
        return
    with line.referring(_targets(link)):
        _add_content(link, line, asides)


def _targets(link: Element) -> tuple[str, ...]:
    url = attribute(link, "url")
    target, module = attribute(link, "target-id") or attribute(link, "target"), attribute(link, "document")
    if url:  # it wins over the other attributes; "#id" is the module itself
        target, module = url[1:] if url.startswith("#") else "", ""
    if not target:
        return ()
    return (f"{module}#{target}",) if module else (target,)


def _words_of_formula(math: Element) -> str:
    """A formula to be read by people: its TeX where it has one, else the letters of its MathML."""
    source = find(math, "semantics", "annotation")
    return words_of(source if source is not None else math)
