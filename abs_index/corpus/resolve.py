"""A reference to a picture, as documents write it → the file that is meant.

Documents name their pictures in many ways: without extension (PMC), with the extension of another rendering, in other
case, percent-encoded, relative to another folder. What is looked for never leaves the `Files`.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from abs_index.corpus.files import Files

# The smaller, the better as the picture of a figure. PMC puts a thumbnail ".gif" beside the large ".jpg".
_RANKS = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "png", "webp"), 0),
    **dict.fromkeys(("tif", "tiff", "bmp"), 1),
    "": 2,
    "gif": 3,
    **dict.fromkeys(("svg", "svgz", "eps", "ps", "pdf", "wmf", "emf", "jp2", "avif", "heic", "psd"), 4),
}
_FOLDERS = ("media", "images", "image", "figures", "figs", "img", "graphics")
_OTHER_SITE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|//")


def resolve_image(files: Files, document_name: str, href: str) -> str | None:
    """The best existing file for a reference to a picture in a document, as a name in `files`, or None.

    A file of that very name is taken, except that a picture format is preferred to a vector twin (SVG, EPS, PDF) beside
    it, and a large picture to its thumbnail (GIF). Where there is no such file: another extension or none, other case,
    the usual folders for pictures. References to other sites (http, data) give None.
    """
    href = href.strip()
    if not href or _OTHER_SITE.match(href):
        return None
    home = posixpath.dirname(document_name)
    for path in _readings(href):
        for folder, base in _places(home, path):
            found = _find(files, folder, base)
            if found:
                return found
    return None


def _readings(href: str) -> Iterator[str]:
    """What the reference can mean as a path: as it stands, percent-decoded, without query and fragment."""
    seen = set()
    for path in (href, unquote(href), unquote(re.split(r"[?#]", href, maxsplit=1)[0])):
        path = path.replace("\\", "/")
        if path not in seen and not path.endswith("/") and "\0" not in path:
            seen.add(path)
            yield path


def _places(home: str, path: str) -> Iterator[tuple[str, str]]:
    """Folders to look into, nearest first, each with the name to look for; none outside."""
    base = posixpath.basename(path)
    if base in ("", ".", ".."):
        return
    seen: set[str | None] = {None}
    for candidate in _folders(home, posixpath.dirname(path).lstrip("/")):
        inside = _inside(candidate)
        if inside not in seen:
            seen.add(inside)
            yield inside or "", base


def _folders(home: str, folder: str) -> Iterator[str]:
    yield from (posixpath.join(home, folder), folder, home)
    for near in (home, posixpath.dirname(home)):
        for usual in _FOLDERS:
            yield posixpath.join(near, usual, folder)
            yield posixpath.join(near, usual)


def _inside(folder: str) -> str | None:
    """The folder without dots, "" for the top; None where it lies outside."""
    normal = posixpath.normpath(folder) if folder else "."
    if normal.startswith("/") or normal.split("/", 1)[0] == "..":
        return None
    return "" if normal == "." else normal


def _find(files: Files, folder: str, base: str) -> str | None:
    name = posixpath.join(folder, base)
    if _extension(base) and _rank(base) < _RANKS["gif"] and files.size(name):
        return name
    for spelling in _spellings(folder):
        twins = _twins(files.list_folder(spelling), posixpath.join(spelling, _stem(base)))
        if twins:
            return min(twins, key=lambda twin: _quality(files, twin, base))
    return None


def _spellings(folder: str) -> Iterable[str]:
    """Ways to write a folder's name on file systems that tell "Figures" from "figures"."""
    above, last = posixpath.split(folder)
    return dict.fromkeys((folder, *(posixpath.join(above, each) for each in (last.lower(), last.capitalize()))))


def _twins(listing: tuple[str, ...], stem: str) -> list[str]:
    """The files of a (sorted) folder that have this stem, in its own case if there are any, else in any case."""
    same: list[str] = []
    for name in listing[bisect_left(listing, stem) :]:
        if not name.startswith(stem):
            break
        if _stem(name) == stem:
            same.append(name)
    wanted = _without_case(stem)
    return same or [name for name in listing if _without_case(_stem(name)) == wanted]


def _without_case(name: str) -> str:
    """macOS writes an "ä" in a file's name as two characters, documents as one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).lower()


def _quality(files: Files, name: str, base: str) -> tuple[bool, int, bool, int, str]:
    own = posixpath.basename(name)
    rank = _rank(own)
    # Empty files last. Among equals the name itself, then the largest file.
    size = files.size(name) or 0
    return not size, rank, own.lower() != base.lower(), -size, name


def _extension(base: str) -> str:
    """The extension where it is one of a picture, in lower case. Dots are common in names ("pone.0091296.g001")."""
    extension = posixpath.splitext(base)[1][1:].lower()
    return extension if extension in _RANKS else ""


def _stem(base: str) -> str:
    extension = _extension(base)
    return base[: -len(extension) - 1] if extension else base


def _rank(base: str) -> int:
    return _RANKS[_extension(base)]
