"""The running text of a page: paragraphs, captions, formulas and links."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from abs_index.corpus.readers.html_tree import Node
from abs_index.corpus.text import ReferringText, TextBuilder

_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend", "li",
    "main", "menu", "ol", "optgroup", "p", "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "ul",
}  # fmt: skip
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_NO_TEXT = {
    "applet", "audio", "button", "canvas", "datalist", "embed", "head", "iframe", "img", "input", "nav", "noscript",
    "object", "option", "script", "select", "style", "svg", "template", "textarea", "title", "video",
}  # fmt: skip
_SHOWN_IN_FIGURES = {"audio", "code", "iframe", "image", "img", "object", "picture", "pre", "svg", "table", "video"}
_NO_TEXT_CLASSES = {"MathJax_Preview", "MJX_Assistive_MathML", "headerlink", "anchor-link"}

Resolve = Callable[[str], tuple[str, ...]]
"""The address of a link → the ids of the figures of the page that it leads to."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph with its links to figures, and the heading that it stands under."""

    text: ReferringText
    section: str = ""


def read_paragraphs(page: Node, resolve: Resolve) -> list[Paragraph]:
    """All running text outside figures. Whatever stands between two blocks is a paragraph, in `<p>` or not."""
    walk = _Walk(resolve)
    walk.add_content(page)
    walk.end_line()
    return walk.paragraphs


def read_line(nodes: Sequence[Node]) -> ReferringText:
    """The text of captions or headings as one line, blocks parted by blanks."""
    walk = _Walk(lambda _: (), one_line=True)
    for node in nodes:
        walk.add_content(node)
        walk.end_line()
    return walk.line.build()


@dataclass(slots=True)
class _Walk:
    resolve: Resolve
    one_line: bool = False
    line: TextBuilder = field(default_factory=TextBuilder)
    section: str = ""
    paragraphs: list[Paragraph] = field(default_factory=list)
    _open_paragraphs: int = 0

    def add_content(self, node: Node) -> None:
        formula_shown = False
        for child in node.children:
            if isinstance(child, str):
                self._add_text(child, in_code=node.name in ("pre", "code"))
                formula_shown = formula_shown and child.isspace()
            elif _is_source_of_formula(child):
                if not formula_shown:  # else the source of the formula that stands before it
                    self.line.formula(child.words(), display="display" in child.get("type"))
                formula_shown = False
            else:
                formula_shown = self._add(child) or (formula_shown and not child.words())

    def _add(self, node: Node) -> bool:
        """Adds one element; True where it is a formula."""
        name = node.name
        formula = _formula(node)
        if formula:
            self.line.formula(formula[0], display=formula[1])
            return True
        if name in _NO_TEXT or _is_hidden(node):
            return False
        if name == "figure":
            self._pass_figure(node)
        elif name in _HEADINGS and not self.one_line:
            self.end_line()
            self.section = read_line([node]).text.normalised.rstrip(" #¶§")
        elif name == "br":
            self.line.block()
        elif name == "a" and (targets := self._targets(node)):
            self._add_link(node, targets)
        elif name in _BLOCKS or name in _HEADINGS:
            self._add_block(node)
        else:
            self.add_content(node)
        return False

    def _add_block(self, node: Node) -> None:
        self.end_line()
        self._open_paragraphs += node.name == "p"
        self.add_content(node)
        self._open_paragraphs -= node.name == "p"
        self.end_line()

    def _pass_figure(self, figure: Node) -> None:
        """A figure ends the line, but not the paragraph around it, which only XHTML allows. Of a figure that shows
        nothing but text (a quotation, a list) the text is read; captions never are."""
        if self.one_line or self._open_paragraphs:
            self.line.block()
            return
        self.end_line()
        if not any(node.name in _SHOWN_IN_FIGURES for node in figure.walk()):
            for node in figure.elements:
                if node.name != "figcaption":
                    self._add_block(node)

    def _add_link(self, link: Node, targets: tuple[str, ...]) -> None:
        if not link.words():
            self.line.reference("", targets)
            return
        with self.line.referring(targets):
            self.add_content(link)

    def _targets(self, link: Node) -> tuple[str, ...]:
        if any(node.name in _BLOCKS or node.name in _HEADINGS for node in link.walk()):
            return ()
        return self.resolve(link.get("href"))

    def _add_text(self, text: str, *, in_code: bool) -> None:
        """Text, in which TeX may stand between the marks that MathJax and KaTeX look for."""
        position = 0
        if not in_code and ("\\" in text or "$$" in text):
            for match in _TEX.finditer(text):
                self.line.add(text[position : match.start()])
                self.line.formula(" ".join((match[match.lastindex or 0]).split()), display=match[1] is None)
                position = match.end()
        self.line.add(text[position:])

    def end_line(self) -> None:
        """The end of a block."""
        if self.one_line:
            self.line.block()
            return
        built = self.line.build()
        self.line = TextBuilder()
        if built.text:
            self.paragraphs.append(Paragraph(built, self.section))


def _is_hidden(node: Node) -> bool:
    if node.name in ("div", "span", "a") and node.classes & _NO_TEXT_CLASSES:
        return True
    hidden = "hidden" in node.attributes or node.get("aria-hidden") == "true"
    return hidden or node.get("role") in ("navigation", "doc-toc")


def fragment_of(href: str, page_name: str) -> str:
    """The id on the page itself that an address points at, "" where it leads elsewhere.

    >>> [fragment_of(href, "page.html") for href in ("#fig%201", "page.html#a", "other.html#a")]
    ['fig 1', 'a', '']
    """
    path, mark, fragment = href.strip().partition("#")
    return unquote(fragment) if mark and unquote(path) in ("", page_name, f"./{page_name}") else ""


# --- formulas ---------------------------------------------------------------------------------------------------

# Not longer than this, or text full of opening marks would be searched to its end for each.
_TEX = re.compile(r"\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]|\$\$(.{1,500}?)\$\$", re.DOTALL)
# Classes with which scripts and converters mark a formula that is there in several forms (MathML, TeX, drawn).
_SHOWN = {
    "katex": False, "katex-display": True, "MathJax": False, "MathJax_Display": True, "MathJax_SVG": False,
    "MathJax_SVG_Display": True, "MathJax_CHTML": False, "mjx-chtml": False, "mwe-math-element": False,
}  # fmt: skip
_IMAGES = {"math", "tex", "latex", "mwe-math-fallback-image-inline", "mwe-math-fallback-image-display"}


def _formula(node: Node) -> tuple[str, bool] | None:
    """A formula as (what can be read of it, display), None for everything else."""
    if node.name == "math":
        return _source(node), _is_display(node)
    classes = node.classes
    shown = [_SHOWN[name] for name in classes if name in _SHOWN]
    if shown:
        return _source(node), any(shown) or any(_is_display(inner) for inner in node.walk() if inner.name == "math")
    if node.name == "mjx-container":
        return _source(node), node.get("display") == "true"
    if "math" in classes and node.name in ("span", "div"):  # pandoc, Sphinx
        return _source(node), "display" in classes or node.name == "div"
    if node.name == "img" and classes & _IMAGES:
        return node.get("alt"), any("display" in name for name in classes)
    return None


def _is_display(math: Node) -> bool:
    return math.get("display") == "block" or math.get("mode") == "display"


def _source(node: Node) -> str:
    """TeX where the formula brings it along, else its letters."""
    for inner in node.walk():
        if inner.name == "annotation" and "tex" in inner.get("encoding").lower():
            return inner.words()
    alternatives = (inner.get("alttext") for inner in node.walk() if inner.name == "math")
    return next(filter(None, alternatives), "") or node.words().removeprefix("\\(").removesuffix("\\)")


def _is_source_of_formula(node: Node) -> bool:
    return node.name == "script" and node.get("type").startswith("math/")
