"""What is known about a JATS article: identifiers, title, journal, year, authors, licence, language, keywords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from abs_index.corpus.readers.jats_text import read_title
from abs_index.corpus.xml import Element, attribute, children, content_of, find, local_name, words_of


@dataclass(frozen=True, slots=True)
class Front:
    """The fields of `Document` that the front matter gives."""

    doi: str = ""
    title: str = ""
    container: str = ""
    year: int | None = None
    authors: tuple[str, ...] = ()
    licence: str = ""
    language: str = ""
    keywords: tuple[str, ...] = ()


def read_front(article: Element) -> Front:
    """The front matter of an article or of a chapter; empty fields where it says nothing (or has none)."""
    if (book := next(article.iter("{*}book-meta", "{*}book-part-meta"), None)) is not None:
        return _read_chapter(article, book)
    front = next(children(article, "front", "front-stub"), None)
    meta = find(front, "article-meta") if find(front, "article-meta") is not None else front
    language = attribute(article, "lang").strip()
    if meta is None:
        return Front(language=language)
    return Front(
        doi=next((doi for element in _with_doi(meta) if (doi := plausible_doi(words_of(element)))), ""),
        title=read_title(find(meta, "title-group", "article-title")),
        container=_journal(find(front, "journal-meta")),
        year=_year(meta),
        authors=_authors(meta),
        licence=_licence(meta),
        language=language,
        keywords=_keywords(meta, language),
    )


def _read_chapter(root: Element, first: Element) -> Front:
    """The front matter of BITS: of the chapter, and what it leaves out of the book."""
    book = first if local_name(first) == "book-meta" else None
    chapter = next(root.iter("{*}book-part-meta"), None) if local_name(root) != "book" else None
    metas = [meta for meta in (chapter, book) if meta is not None]
    language = attribute(root, "lang").strip()
    book_title = read_title(find(book, "book-title-group", "book-title"))
    years = (year for meta in metas if (year := _year(meta)) is not None)
    return Front(
        doi=next((doi for element in _with_doi(metas[0]) if (doi := plausible_doi(words_of(element)))), ""),
        title=read_title(find(chapter, "title-group", "title")) or book_title,
        container=book_title if chapter is not None else "",
        year=next(years, None),
        authors=next((authors for meta in metas if (authors := _authors(meta))), ()),
        licence=next((licence for meta in metas if (licence := _licence(meta))), ""),
        language=language,
        keywords=_keywords(metas[0], language),
    )


# --- identifiers --------------------------------------------------------------------------------------------------

_DOI = re.compile(
    r"(?:(?:https?://)?(?:dx\.|www\.)?doi\.org/|(?:info:doi/|doi:)\s*)?(10\.\d{4,9}(?:\.\d+)*/\S+)", re.IGNORECASE
)
# What templates hold before a DOI is given: 10.21105/joss.0XXXX, 10.xxxxx/draft, 10.5281/zenodo.0000000.
_PLACEHOLDER = re.compile(r"x{4,}|0x{2,}|[/.]0+$|[/.](?:draft|tbd|todo|pending|placeholder)\b", re.IGNORECASE)


def plausible_doi(text: str) -> str:
    """The DOI in `text`, without address; "" where there is none or a placeholder.

    >>> plausible_doi("https://doi.org/10.5555/abc.1"), plausible_doi("N/A"), plausible_doi("10.21105/joss.0XXXX")
    ('10.5555/abc.1', '', '')
    """
    match = _DOI.fullmatch(text.strip())
    return match[1] if match and not _PLACEHOLDER.search(match[1]) else ""


def _with_doi(meta: Element) -> Iterator[Element]:
    for id_ in children(meta, "article-id", "book-part-id", "book-id"):
        if "doi" in (value.lower() for name, value in id_.items() if str(name).endswith("id-type")):
            yield id_


# --- journal and date ---------------------------------------------------------------------------------------------


def _journal(meta: Element | None) -> str:
    if meta is None:
        return ""
    title = find(meta, "journal-title-group", "journal-title")
    for element in (title, find(meta, "journal-title"), find(meta, "journal-title-group", "abbrev-journal-title")):
        if words := words_of(element):
            return words
    return words_of(find(meta, "abbrev-journal-title")) or words_of(find(meta, "journal-id"))


_DATES = ("epub", "pub", "publication", "epub-ppub", "ppub", "collection")
_NO_DATES = ("pmc-release", "nihms-submitted", "preprint", "corrected", "retracted")


def _year(meta: Element) -> int | None:
    """The year of publication: electronic before print before that of the volume."""
    dates: list[tuple[int, int]] = []
    for date in children(meta, "pub-date"):
        kind = (attribute(date, "pub-type") or attribute(date, "date-type")).lower()
        year = _as_year(words_of(find(date, "year")) or attribute(date, "iso-8601-date") or words_of(date))
        if year is not None and kind not in _NO_DATES and not _is_placeholder(date):
            dates.append((_DATES.index(kind) if kind in _DATES else len(_DATES), year))
    if dates:
        return min(dates)[1]
    rights = find(meta, "permissions", "copyright-year")
    return _as_year(words_of(rights if rights is not None else find(meta, "copyright-year")))


def _is_placeholder(date: Element) -> bool:
    """Templates hold the first of January 1970, where computers begin to count."""
    parts = [words_of(find(date, name)).lstrip("0") for name in ("year", "month", "day")]
    return parts == ["1970", "1", "1"] or attribute(date, "iso-8601-date").startswith("1970-01-01")


def _as_year(text: str) -> int | None:
    match = re.search(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)", text)
    return int(match[0]) if match else None


# --- people -------------------------------------------------------------------------------------------------------


def _authors(meta: Element) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_author, _contributors(meta)))))


def _contributors(meta: Element) -> Iterator[Element]:
    for group in children(meta, "contrib-group"):
        for contributor in children(group, "contrib"):
            if attribute(contributor, "contrib-type") in ("", "author"):
                yield contributor


def _author(contributor: Element) -> str:
    alternatives = next(children(contributor, "name-alternatives", "collab-alternatives"), None)
    for holder in (contributor, alternatives):
        for name in children(holder, "name", "string-name", "collab", "on-behalf-of") if holder is not None else ():
            return _name(name)
    return ""


def _name(name: Element) -> str:
    """ "Given Surname", or the other way round where names are written so; a group by its name alone."""
    if local_name(name) == "collab":
        return " ".join("".join(_own_words(name)).split())
    parts = {local_name(part): words_of(part) for part in children(name)}
    order = ["given-names", "surname", "suffix"]
    if attribute(name, "name-style") == "eastern":
        order = ["surname", "given-names"]
    return " ".join(parts[part] for part in order if parts.get(part)) or words_of(name)


def _own_words(collaboration: Element) -> Iterator[str]:
    for piece in content_of(collaboration):
        if isinstance(piece, str):
            yield piece
        elif local_name(piece) not in ("contrib-group", "xref", "aff", "address", "fn"):
            yield words_of(piece)


# --- rights and keywords ------------------------------------------------------------------------------------------


def _licence(meta: Element) -> str:
    """The licence's address, else its words, else the copyright statement."""
    permissions = find(meta, "permissions")
    holders = [holder for holder in (permissions, meta) if holder is not None]
    for holder in holders:
        for licence in children(holder, "license"):
            if found := _licence_address(licence) or words_of(licence) or attribute(licence, "license-type"):
                return found
        if found := words_of(find(holder, "license_ref")):
            return found
    return next((words for holder in holders if (words := words_of(find(holder, "copyright-statement")))), "")


def _licence_address(licence: Element) -> str:
    if address := attribute(licence, "href").strip():
        return address
    for below in licence.iter("{*}license_ref", "{*}ext-link", "{*}uri"):
        address = attribute(below, "href").strip() or words_of(below)
        if local_name(below) == "license_ref" or "creativecommons.org" in address:
            return address
    return ""


def _keywords(meta: Element, language: str) -> tuple[str, ...]:
    """Keywords in the language of the article; all where none says its language or none fits."""
    groups = list(children(meta, "kwd-group"))
    fitting = [group for group in groups if attribute(group, "lang") in ("", language)]
    words = [words for group in fitting or groups for words in _words_of_group(group)]
    return tuple(dict.fromkeys(filter(None, words)))


def _words_of_group(group: Element) -> Iterator[str]:
    yield from map(_keyword, group.iter("{*}kwd", "{*}compound-kwd"))
    for line in children(group, "unstructured-kwd-group"):
        yield from (word.strip() for word in re.split("[;,]", words_of(line)))


def _keyword(keyword: Element) -> str:
    if local_name(keyword) == "compound-kwd":
        return " ".join(words for part in children(keyword) if (words := words_of(part)))
    return words_of(keyword)
