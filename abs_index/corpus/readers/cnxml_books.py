"""What other files of a corpus say about a CNXML module: the book that it is part of, and the modules that link to it.

Both are looked up once for all modules of a `Files`, on the first question, by cheap means: of the thousands of
modules of a library only the names of the files that link to each other are kept.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from abs_index.corpus.files import Files
from abs_index.corpus.xml import Element, attribute, children, local_name, parse_xml, words_of
from abs_index.errors import RejectedError


@dataclass(frozen=True, slots=True)
class ModuleName:
    """How links of a library call a module: by one of `ids`, among the modules of the same `place` (a folder)."""

    place: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a module or a collection says about itself."""

    title: str = ""
    licence: str = ""
    language: str = ""
    doi: str = ""
    year: int | None = None
    authors: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


# --- books ------------------------------------------------------------------------------------------------------


class Books:
    """The collections (`*.collection.xml`, `collection.xml`) of a `Files`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._books: dict[tuple[str, str], Metadata] | None = None

    def of(self, module: ModuleName) -> Metadata:
        """The book that holds the module: the first by name where several do; an empty one where none does."""
        if self._books is None:
            self._books = {}
            for name in self._files.names():
                if name.endswith("collection.xml"):
                    self._add(name, self._books)
        place = module.place
        while True:
            for module_id in module.ids:
                if (place, module_id) in self._books:
                    return self._books[place, module_id]
            if not place:
                return Metadata()
            place = posixpath.dirname(place)

    def _add(self, name: str, books: dict[tuple[str, str], Metadata]) -> None:
        try:
            root = parse_xml(self._files.read(name))
        except RejectedError:  # a damaged collection costs its modules the name of the book, nothing else
            return
        if local_name(root) != "collection":
            return
        book = read_metadata(root)
        folder = posixpath.dirname(name)
        places = {folder, posixpath.dirname(folder)} if posixpath.basename(folder) == "collections" else {folder}
        for element in root.iter("{*}module"):
            for place in places:
                books.setdefault((place, attribute(element, "document")), book)


# --- metadata ---------------------------------------------------------------------------------------------------

_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")


def read_metadata(root: Element) -> Metadata:
    """The metadata (MDML) of a module or collection, of any of its versions."""
    block = next(children(root, "metadata"), None)
    if block is None:
        return Metadata(title=_first(root, "title"))
    licence = next(block.iter("{*}license"), None)
    return Metadata(
        title=_first(block, "title") or _first(root, "title"),
        licence=(attribute(licence, "url") or words_of(licence)) if licence is not None else "",
        language=_first(block, "language") or attribute(root, "lang"),
        doi=_first(block, "doi"),
        year=_year(_first(block, "revised") or _first(block, "created")),
        authors=_authors(block) or _split(attribute(root, "authors")),
        keywords=tuple(filter(None, map(words_of, block.iter("{*}keyword")))),
    )


def _first(element: Element, name: str) -> str:
    return words_of(next(children(element, name), None))


def _year(date: str) -> int | None:
    match = _YEAR.search(date)
    return int(match[1]) if match else None


def _authors(block: Element) -> tuple[str, ...]:
    """Names of the authors: persons of `actors` that a role calls authors, or the older `authorlist`."""
    names = {attribute(actor, "userid"): _first(actor, "fullname") for actor in block.iter("{*}person")}
    ids = [
        id_ for role in block.iter("{*}role") if attribute(role, "type") == "author" for id_ in words_of(role).split()
    ]
    authors = [names.get(id_, id_) for id_ in ids]
    authors += [_first(author, "fullname") or words_of(author) for author in block.iter("{*}author")]
    return tuple(filter(None, dict.fromkeys(authors)))


def _split(names: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in names.split(","))))


# --- links between modules --------------------------------------------------------------------------------------

_LINK = re.compile(rb"""<(?:\w+:)?link\b[^>]*?\bdocument\s*=\s*["']([^"'<>]+)["']""")
_CONTENT_ID = re.compile(rb"<(?:\w+:)?content-id\s*>\s*([^<\s]+)")
_MODULE_ID = re.compile(rb"""<(?:\w+:)?document\b[^>]*?\bmodule-id\s*=\s*["']([^"'<>]+)["']""")


def name_module(name: str, content: bytes) -> ModuleName:
    """The ids of a module: its folder ("modules/m12345/index.cnxml") or its file, and what it says itself."""
    folder, file = posixpath.split(name)
    stem = file.partition(".")[0]
    place, id_ = posixpath.split(folder) if stem == "index" else (folder, stem)
    own = [
        match[1].decode("utf-8", "replace")
        for match in (_CONTENT_ID.search(content), _MODULE_ID.search(content))
        if match
    ]
    return ModuleName(place, tuple(filter(None, dict.fromkeys([id_, *own]))))


@dataclass(slots=True)
class _Web:
    """Which files link to a module id, and which ids each place has modules for."""

    linking: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    modules: set[tuple[str, str]] = field(default_factory=set)


class Links:
    """The links from module to module in a `Files`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._web: _Web | None = None

    def to(self, module: ModuleName) -> Iterator[str]:
        """Names of the files with a link to the module, sorted. A module of the linking file's own place comes first:
        the same id elsewhere is then not meant."""
        if self._web is None:
            self._web = self._scan()
        found: set[str] = set()
        for module_id in module.ids:
            for place, name in self._web.linking.get(module_id, ()):
                if place == module.place or (place, module_id) not in self._web.modules:
                    found.add(name)
        yield from sorted(found)

    def _scan(self) -> _Web:
        web = _Web()
        for name in self._files.names():
            if not name.endswith((".cnxml", ".xml")) or name.endswith("collection.xml"):
                continue
            try:
                content = self._files.read(name)
            except RejectedError:  # recorded when the file itself is read
                continue
            content = _as_ascii(content)
            if b"cnxml" not in content[:4096]:
                continue
            module = name_module(name, content)
            web.modules.update((module.place, id_) for id_ in module.ids)
            for target in {match[1].decode("utf-8", "replace") for match in _LINK.finditer(content)} - {*module.ids}:
                web.linking.setdefault(target, []).append((module.place, name))
        return web


def _as_ascii(content: bytes) -> bytes:
    """Bytes in which ASCII patterns can be found: UTF-16 is decoded, other encodings are left as they are."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").encode()
    return content
