"""XML from strangers: bytes → root element, or one line that says why not.

Nothing but the given bytes is ever read: no DTD, no external entity, no network. What a DTD would have brought and
articles rely on is put in by hand: the named characters of the HTML and ISO sets, and the prefixes that JATS DTDs
declare through default attributes. Comments and processing instructions are gone from the tree.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from typing import TypeAlias
from xml.parsers import expat

from lxml import etree

from abs_index.corpus.rejects import EMPTY_FILE, ENTITIES, NOT_WELL_FORMED, TOO_LARGE, WRONG_ENCODING
from abs_index.errors import RejectedError

Element: TypeAlias = etree._Element  # lxml has no public name for it
"""An element of lxml. Its tag may carry a namespace: ask `local_name`."""

PREFIXES = {
    "xlink": "http://www.w3.org/1999/xlink",
    "mml": "http://www.w3.org/1998/Math/MathML",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "ali": "http://www.niso.org/schemas/ali/1.0/",
    "oasis": "http://www.niso.org/standards/z39-96/ns/oasis-exchange/table",
}
"""Prefixes that documents use without declaring them, because their DTD does."""


def parse_xml(content: bytes) -> Element:
    """The root element of a well-formed document. Without namespaced surprises: see `local_name` and `attribute`.

    Raises RejectedError: empty, not well-formed (with the line; also when cut off anywhere or nested more than 256
    deep), bytes that contradict the declared encoding (with the position), or entities that are external, parameters,
    or grow out of proportion.
    """
    text = _name_characters(_decode(content))
    prolog = _read_prolog(text.encode("utf-8"))
    if prolog.has_dtd:
        text = _show_unknown_names(text)
    source = _declare_prefixes(text.encode("utf-8"), prolog)
    try:
        return _parse(source)
    except RejectedError as error:
        # Pictures inside the markup make texts that are longer than libxml2 allows. Its other limits go with this one:
        # where there are no entities, only the depth is left to be checked.
        if error.reason != TOO_LARGE or "<!ENTITY" in text:
            raise
        return _check_depth(_parse(source, huge=True))


def local_name(element: Element) -> str:
    """The name of an element without namespace or prefix; "" for a comment or processing instruction."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """The value of the attribute with this local name, in whatever namespace; "" where there is none.

    >>> graphic = parse_xml(b'<graphic xmlns:q="http://www.w3.org/1999/xlink" q:href="a.png"/>')
    >>> attribute(graphic, "href")
    'a.png'
    """
    value = element.get(name)
    if value is not None:
        return value
    return next((str(value) for key, value in element.items() if str(key).rpartition("}")[2] == name), "")


def content_of(element: Element) -> Iterator[str | Element]:
    """What an element holds, in order: pieces of text and child elements."""
    if element.text:
        yield element.text
    for child in element:
        if isinstance(child.tag, str):
            yield child
        if child.tail:
            yield child.tail


def children(element: Element, *names: str) -> Iterator[Element]:
    """The child elements with one of these local names; all of them where no name is given."""
    return (child for child in element if isinstance(child.tag, str) and (not names or local_name(child) in names))


def find(element: Element | None, *path: str) -> Element | None:
    """The first element on a path of local names downwards, or None."""
    for name in path:
        element = next(children(element, name), None) if element is not None else None
    return element


def words_of(element: Element | None) -> str:
    """All text below an element with white space single; "" for None."""
    if element is None:
        return ""
    return " ".join("".join(map(str, element.itertext())).split())


def start_of_root(head: bytes) -> tuple[str, str]:
    """What stands before the root element, and its start tag, in the beginning of a file of whatever encoding.

    The tag is "" where the file does not start like XML. Non-ASCII characters may come out wrong.

    >>> start_of_root(b'<?xml version="1.0"?><!-- <b> --><a c="d"><e/></a>')
    ('<?xml version="1.0"?><!-- <b> -->', '<a c="d">')
    """
    text = head.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").decode("latin-1").lstrip("\xff\xfe")
    position = 0
    while match := _BEFORE_ROOT.match(text, position):
        position = match.end()
    tag = _START_TAG.match(text, position)
    return (text[:position], tag[0].strip()) if tag else ("", "")


_BEFORE_ROOT = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*(?:\[.*?\]\s*)?>)", re.DOTALL | re.IGNORECASE)
_START_TAG = re.compile(r"""\s*<[A-Za-z_](?:[^<>"']|"[^"]*"|'[^']*')*>""")


# --- bytes → text -----------------------------------------------------------------------------------------------

_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")  # blank lines before it are wrong, frequent and harmless
_ENCODING = re.compile(r"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]*)["']""")
_MARKS = (  # UTF-32 first: its mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
# Declared names that in practice mean a larger set, as browsers read them.
_LARGER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
# Names of databases and of old standards that Python does not know.
_OTHER_NAMES = {"ucs-2": "utf-16", "iso-10646-ucs-2": "utf-16", "ucs-4": "utf-32", "iso-10646-ucs-4": "utf-32"}
# Text codecs of Python that are no encodings of documents.
_NO_ENCODINGS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7", "mbcs", "oem"}


def _decode(content: bytes) -> str:
    if not content.strip(b" \t\r\n"):
        raise RejectedError(EMPTY_FILE)
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "")
    if marked:
        text = _decode_as(content, marked).removeprefix("\ufeff")
        declared = _declared_encoding(text[:1024])
        if declared and not marked.startswith(_codec_name(declared)):
            raise RejectedError(WRONG_ENCODING, f"declared {declared}, bytes are {marked[:6].rstrip('-').upper()}")
    else:
        text = _decode_declared(content)
    # Encoding and version are dealt with: what follows sees UTF-8 without declaration. Lines keep their numbers.
    declaration = _DECLARATION.match(text)
    return "\n" * declaration[0].count("\n") + text[declaration.end() :] if declaration else text


def _decode_declared(content: bytes) -> str:
    if not content.lstrip(b" \t\r\n").startswith(b"<"):
        raise RejectedError(NOT_WELL_FORMED, "line 1: no XML, the first character is not '<'")
    declared = _declared_encoding(content[:1024].decode("latin-1")) or "utf-8"
    codec = _codec_name(declared)
    if codec.startswith(("utf-16", "utf-32")):
        raise RejectedError(WRONG_ENCODING, f"declared {declared}, bytes are not")
    if codec == "iso8859-1":
        # Bytes 80 to 9F are control characters there: whoever uses them means windows-1252.
        try:
            return content.decode("cp1252")
        except UnicodeDecodeError:
            return content.decode("latin-1")
    return _decode_as(content, _LARGER.get(codec, codec))


def _declared_encoding(head: str) -> str:
    match = _ENCODING.match(head)
    return match[1].strip() if match else ""


def _codec_name(declared: str) -> str:
    try:
        name = codecs.lookup(_OTHER_NAMES.get(declared.lower(), declared)).name
    except (LookupError, ValueError) as error:
        raise RejectedError(WRONG_ENCODING, f"unknown encoding {declared[:40]!r}") from error
    if name in _NO_ENCODINGS:
        raise RejectedError(WRONG_ENCODING, f"unknown encoding {declared[:40]!r}")
    return "utf-8" if name == "utf-8-sig" else name


def _decode_as(content: bytes, codec: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = f"byte 0x{content[error.start]:02x} at position {error.start}, line {line}"
        raise RejectedError(WRONG_ENCODING, f"not {codec}: {place}") from error
    except (UnicodeError, LookupError) as error:  # a codec that makes no text of bytes
        raise RejectedError(WRONG_ENCODING, f"unknown encoding {codec!r}") from error


# --- before the root element ------------------------------------------------------------------------------------

_LONGEST_PROLOG = 1 << 20


@dataclass(slots=True)
class _Prolog:
    """What stands before the root element and in its start tag. expat reports it before anything is expanded."""

    has_dtd: bool = False
    root_offset: int = -1
    root_name: str = ""
    root_attributes: dict[str, str] = field(default_factory=dict)


class _RootReachedError(Exception):
    """Ends the reading of the prolog."""


def _read_prolog(source: bytes) -> _Prolog:
    prolog = _Prolog()
    parser = expat.ParserCreate("utf-8")

    def on_doctype(_name: str, system: str | None, public: str | None, _internal: bool) -> None:
        prolog.has_dtd = bool(system or public)

    def on_root(name: str, attributes: dict[str, str]) -> None:
        prolog.root_offset, prolog.root_name, prolog.root_attributes = parser.CurrentByteIndex, name, attributes
        raise _RootReachedError

    def on_entity(
        name: str, parameter: bool, _value: str | None, _base: str | None, system: str | None, _public: str | None,
        notation: str | None,
    ) -> None:  # fmt: skip
        if parameter:
            raise RejectedError(ENTITIES, f"parameter entity %{name}; in the document type")
        if system is not None and notation is None:  # with a notation it is only the name of a picture
            raise RejectedError(ENTITIES, f"external entity &{name};")

    parser.StartDoctypeDeclHandler = on_doctype
    parser.StartElementHandler = on_root
    parser.EntityDeclHandler = on_entity
    try:
        parser.Parse(source[:_LONGEST_PROLOG], len(source) <= _LONGEST_PROLOG)
    except _RootReachedError:
        return prolog
    except expat.ExpatError as error:
        raise RejectedError(NOT_WELL_FORMED, f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
    raise RejectedError(NOT_WELL_FORMED, f"no element in the first {_LONGEST_PROLOG} bytes")


def _declare_prefixes(source: bytes, prolog: _Prolog) -> bytes:
    missing = [
        f' xmlns:{prefix}="{uri}"'
        for prefix, uri in PREFIXES.items()
        if f"xmlns:{prefix}" not in prolog.root_attributes and f"{prefix}:".encode() in source
    ]
    end_of_name = prolog.root_offset + 1 + len(prolog.root_name.encode())
    return source[:end_of_name] + "".join(missing).encode() + source[end_of_name:]


# --- named characters -------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"&([A-Za-z_][\w.-]*);")
_SPECIAL = re.compile(r"<!--|<!\[CDATA\[|<\?|&([A-Za-z_][\w.-]*);")
_CLOSED_BY = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_DECLARED = re.compile(r"<!ENTITY\s+([\w.-]+)")
_PREDEFINED = {"amp", "lt", "gt", "quot", "apos"}
# ISOgrk1 names Greek letters otherwise than HTML does: &agr; for &alpha;.
_GREEK_NAMES = (
    "a α b β g γ d δ e ε z ζ ee η th θ i ι k κ l λ m μ n ν x ξ o ο p π r ρ sf ς s σ t τ u υ ph φ kh χ ps ψ oh ω"
)
_GREEK = {f"{name}gr": letter for name, letter in re.findall(r"(\w+) (\w)", _GREEK_NAMES)}
_GREEK |= {name[:-2].upper() + "gr": letter.upper() for name, letter in _GREEK.items() if letter != "ς"}


def _name_characters(text: str) -> str:
    """Named characters as numbers, so that they need no DTD. What the document itself declares is left alone."""
    names = _undeclared_names(text)
    known = {name: html5.get(f"{name};") or _GREEK.get(name, "") for name in names}
    return _replace(text, {name: _as_numbers(characters) for name, characters in known.items() if characters})


def _show_unknown_names(text: str) -> str:
    """Names that only the DTD could explain stay readable as they are written."""
    return _replace(text, {name: f"&amp;{name};" for name in _undeclared_names(text)})


def _undeclared_names(text: str) -> set[str]:
    names = set(_REFERENCE.findall(text)) - _PREDEFINED
    return names.difference(_DECLARED.findall(text)) if names else names


def _as_numbers(characters: str) -> str:
    return "".join(f"&#{ord(character)};" for character in characters)


def _replace(text: str, names: dict[str, str]) -> str:
    """Replaces references outside of comments, CDATA and instructions. In one pass, whatever is left open."""
    pieces: list[str] = []
    copied = position = 0
    while names and (match := _SPECIAL.search(text, position)):
        position = match.end()
        if match[1] is not None:
            pieces += [text[copied : match.start()], names.get(match[1], match[0])]
            copied = position
        else:
            close = text.find(_CLOSED_BY[match[0]], position)
            if close < 0:
                break
            position = close
    return "".join(pieces) + text[copied:]


# --- text → tree ------------------------------------------------------------------------------------------------

_PLACE = re.compile(r",? line \d+, column \d+.*", re.DOTALL)
_LIMIT = re.compile(r"Resource limit|too (?:long|big)")
_ADVICE = re.compile(r",? (?:use|see|try) xml.*", re.IGNORECASE | re.DOTALL)


_DEEPEST = 256


def _check_depth(root: Element) -> Element:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _DEEPEST:
            raise RejectedError(NOT_WELL_FORMED, f"line {element.sourceline}: nested more than {_DEEPEST} deep")
    return root


def _parse(source: bytes, *, huge: bool = False) -> Element:
    parser = etree.XMLParser(
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only bool
        no_network=True,
        load_dtd=False,
        huge_tree=huge,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(source, parser)
    except etree.XMLSyntaxError as error:
        message = " ".join(_PLACE.sub("", error.msg or "").split()).rstrip(",")
        looped = getattr(error, "code", None) == etree.ErrorTypes.ERR_ENTITY_LOOP  # the stubs know no code
        reason = TOO_LARGE if _LIMIT.search(message) else NOT_WELL_FORMED
        if looped or "amplification" in message:
            reason = ENTITIES
        message = _ADVICE.sub("", message)
        raise RejectedError(reason, f"line {error.position[0]}: {message}") from error
