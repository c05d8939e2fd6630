"""Bytes of an HTML page → a plain tree, as a browser would see it.

Pages are read by the HTML5 algorithm (Lexbor), which knows what is meant where tags are missing or wrong. Pages that
are well-formed XML (XHTML, EPUB) are read as XML, which is what they say they are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from abs_index.corpus.rejects import EMPTY_FILE, ENTITIES, NOT_WELL_FORMED, WRONG_ENCODING
from abs_index.corpus.xml import Element, attribute, content_of, local_name, parse_xml
from abs_index.errors import RejectedError

MAX_DEPTH = 200
"""Deeper elements are put beside instead of into each other, as browsers do (they allow 512): no text is lost."""

_MAX_OPEN_TAGS = 2000
_MAX_ATTRIBUTES = 2000
_NO_CONTENT = {"style", "template"}


@dataclass(slots=True)
class Node:
    """An element: its name in lower case without prefix, its attributes, and what it holds, in order."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The value of an attribute, "" where there is none."""
        return self.attributes.get(name, "")

    @property
    def elements(self) -> Iterator[Node]:
        """The child elements."""
        return (child for child in self.children if isinstance(child, Node))

    @property
    def classes(self) -> set[str]:
        """The names in the attribute `class`."""
        return set(self.get("class").split())

    def walk(self) -> Iterator[Node]:
        """The element itself and all elements in it, in the order of the document."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(list(node.elements)))

    def words(self) -> str:
        """All text in it, white space single."""
        pieces: list[str] = []
        stack: list[Node | str] = [self]
        while stack:
            piece = stack.pop()
            if isinstance(piece, str):
                pieces.append(piece)
            else:
                stack.extend(reversed(piece.children))
        return " ".join("".join(pieces).split())


def parse_page(content: bytes) -> Node:
    """The `<html>` element of a page.

    Raises RejectedError: empty, bytes that do not fit the declared encoding, entities that are not allowed, or a page
    that is nested so absurdly that reading it would take minutes.
    """
    if not content.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise RejectedError(EMPTY_FILE)
    if _XHTML.search(content[:4096]):
        try:
            root = parse_xml(content)
        except RejectedError as error:
            if error.reason == ENTITIES:
                raise
        else:
            page = _from_xml(root) if local_name(root) == "html" else None
            if page:
                return page
    text = decode_page(content)
    _check_effort(text)
    return _from_html(text)


# --- bytes → text -----------------------------------------------------------------------------------------------

_XHTML = re.compile(rb"<\?xml\s|http://www\.w3\.org/1999/xhtml")
_DECLARED = re.compile(
    rb"""<\?xml\s[^<>]*?encoding\s*=\s*["']([^"'<>]+)|<meta\s[^<>]*?charset\s*=\s*["']?\s*([^\s"'/<>;]+)""", re.I
)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UNMARKED = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_SEARCHED = 1 << 16
# What browsers understand by these names (WHATWG Encoding): supersets, in use much more often than what is declared.
_LARGER = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
    # A declaration that can be read as ASCII is wrong about UTF-16.
    "utf-16": "utf-8", "utf-16-le": "utf-8", "utf-16-be": "utf-8", "utf-8-sig": "utf-8",
}  # fmt: skip
_TEXT_CODECS = re.compile(r"utf-8|iso|cp|gb|euc|shift|big5|koi8|mac|tis|hz|iso2022|johab|ptcp")


def decode_page(content: bytes) -> str:
    """The text of a page: by its byte order mark, else as it declares wherever in its first 64 KiB, else by trial.

    Raises RejectedError where bytes contradict the declaration.
    """
    for mark, codec in _MARKS + _UNMARKED:
        if content.startswith(mark):
            return _decode_as(content, codec).removeprefix("\ufeff")
    declared = _declared_codec(content[:_SEARCHED])
    if declared is None:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return _decode_as(content, "cp1252")
    # All bytes above 7F that are no UTF-8: the declaration came from a template, the text from elsewhere.
    if declared == "utf-8" and content.decode("utf-8", "ignore").isascii():
        return _decode_as(content, "cp1252")
    return _decode_as(content, declared)


def _declared_codec(head: bytes) -> str | None:
    match = _DECLARED.search(_without_comments(head))
    if not match:
        return None
    try:
        name = codecs.lookup((match[1] or match[2]).decode("ascii").strip()).name
    except (LookupError, ValueError):  # an encoding that does not exist is no declaration
        return None
    name = _LARGER.get(name, name)
    return name if _TEXT_CODECS.match(name) else None


def _without_comments(head: bytes) -> bytes:
    pieces, position = [], 0
    while (start := head.find(b"<!--", position)) >= 0:
        pieces.append(head[position:start])
        end = head.find(b"-->", start + 4)
        position = end + 3 if end >= 0 else len(head)
    return b"".join([*pieces, head[position:]])


def _decode_as(content: bytes, codec: str) -> str:
    if codec == "cp1252":  # five bytes have no letter there; browsers pass them through
        content = content.translate(None, b"\x81\x8d\x8f\x90\x9d")
    try:
        return content.decode(codec)
    except UnicodeError as error:
        position = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, position) + 1
        raise RejectedError(WRONG_ENCODING, f"not {codec}: position {position}, line {line}") from error


# --- text → tree ------------------------------------------------------------------------------------------------

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*)([^<>]*)")
_QUOTED = re.compile(r""""[^"]*(?:"|$)|'[^']*(?:'|$)""")
# Elements that cannot hold anything, or that the next of their kind ends.
_NEVER_OPEN = {
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "frame", "hr", "image", "img", "input", "keygen",
    "li", "link", "meta", "option", "optgroup", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th",
    "thead", "tr", "track", "wbr",
}  # fmt: skip


def _check_effort(text: str) -> None:
    """HTML5 parsing takes quadratic time for thousands of elements inside each other, or attributes of one."""
    depth = foreign = 0
    for match in _TAG.finditer(text):
        closing, name, rest = match[1], match[2].lower(), match[3]
        if len(rest) > _MAX_ATTRIBUTES and len(re.findall(r"[\s/]+", _QUOTED.sub("", rest))) > _MAX_ATTRIBUTES:
            raise _too_much(text, match.start(), f"more than {_MAX_ATTRIBUTES} attributes of one element")
        if name in ("svg", "math"):
            foreign += -1 if closing else 1
        if name in _NEVER_OPEN or (foreign > 0 and rest.endswith("/")):
            continue
        depth = max(0, depth + (-1 if closing else 1))
        if depth > _MAX_OPEN_TAGS:
            raise _too_much(text, match.start(), f"more than {_MAX_OPEN_TAGS} elements inside each other")


def _too_much(text: str, position: int, what: str) -> RejectedError:
    line = text.count("\n", 0, position) + 1
    return RejectedError(NOT_WELL_FORMED, f"line {line}: {what}")


def _from_html(text: str) -> Node:
    root = LexborHTMLParser(text).root
    if root is None:
        raise RejectedError(NOT_WELL_FORMED, "no element found")
    page = Node("html", _attributes(root))
    stack: list[tuple[LexborNode, Node, int]] = [(root.child, page, 1)] if root.child else []
    while stack:
        found, parent, depth = stack.pop()
        if found.next:
            stack.append((found.next, parent, depth))
        if found.is_text_node:
            parent.children.append(found.text_content or "")
        elif found.is_element_node and found.tag not in _NO_CONTENT:
            node = Node(found.tag or "", _attributes(found))
            parent.children.append(node)
            if found.child:
                stack.append((found.child, node if depth < MAX_DEPTH else parent, depth + 1))
    return page


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name.rpartition(":")[2]: value or "" for name, value in node.attributes.items()}


def _from_xml(root: Element) -> Node | None:
    """The tree of a page in XML; None where it is too deep, which the other way of reading knows to deal with."""
    page = Node("html", _attributes_of_xml(root))
    stack: list[tuple[Element, Node, int]] = [(root, page, 1)]
    while stack:
        element, node, depth = stack.pop()
        if depth > MAX_DEPTH:
            return None
        for piece in content_of(element):
            if isinstance(piece, str):
                node.children.append(piece)
            elif local_name(piece).lower() not in _NO_CONTENT:
                child = Node(local_name(piece).lower(), _attributes_of_xml(piece))
                node.children.append(child)
                stack.append((piece, child, depth + 1))
    return page


def _attributes_of_xml(element: Element) -> dict[str, str]:
    names = (str(key).rpartition("}")[2] for key in element.attrib)
    return {name.lower(): attribute(element, name) for name in names}
