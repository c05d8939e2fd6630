"""What a page says about itself: Highwire (`citation_*`), Dublin Core, PRISM, Open Graph, and plain HTML."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from abs_index.corpus.readers.html_tree import Node

# Names of <meta>, best first, in lower case and with "." between prefix and name.
_TITLE = ("citation_title", "dc.title", "dcterms.title", "og.title", "twitter.title")
_CONTAINER = (
    "citation_journal_title", "citation_inbook_title", "citation_conference_title", "prism.publicationname",
    "dcterms.ispartof", "dc.source", "og.site_name",
)  # fmt: skip
_DATE = (
    "citation_publication_date", "citation_date", "citation_online_date", "citation_year", "prism.publicationdate",
    "dcterms.issued", "dc.date", "dc.date.issued", "dcterms.date", "dcterms.created", "article.published_time", "date",
)  # fmt: skip
_AUTHOR = ("citation_author", "dc.creator", "dcterms.creator", "author")
_DOI = ("citation_doi", "bepress_citation_doi", "prism.doi", "dc.identifier", "dc.identifier.doi", "dcterms.identifier")
_LICENCE = ("dcterms.license", "dc.rights.license", "dc.rights", "dcterms.rights", "copyright")
_LANGUAGE = ("dc.language", "dcterms.language", "citation_language", "og.locale", "content-language")
_KEYWORDS = ("citation_keywords", "citation_keyword", "dc.subject", "dcterms.subject", "article.tag", "keywords")

_DOI_PATTERN = re.compile(r"10\.\d{4,9}(?:\.\d+)*/[^\s\"<>]+")
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """The metadata of one page. Empty where it says nothing."""

    title: str
    container: str
    year: int | None
    authors: tuple[str, ...]
    doi: str
    licence: str
    language: str
    keywords: tuple[str, ...]


def read_page_metadata(page: Node) -> PageMetadata:
    """The metadata of a page; what is made for citations comes before what is made for social networks."""
    metas = _metas(page)
    return PageMetadata(
        title=_first(metas, _TITLE) or _title(page),
        container=_first(metas, _CONTAINER),
        year=_match_year(_first(metas, _DATE)),
        authors=_all(metas, _AUTHOR),
        doi=_match_doi(metas),
        licence=_linked_licence(page) or _first(metas, _LICENCE),
        language=page.get("lang") or _first(metas, _LANGUAGE),
        keywords=_keywords(metas),
    )


def _metas(page: Node) -> dict[str, list[str]]:
    metas: dict[str, list[str]] = defaultdict(list)
    for node in page.walk():
        if node.name == "meta":
            names = node.get("name") or node.get("property") or node.get("http-equiv")
            content = " ".join(node.get("content").split())
            if content:
                for name in names.lower().split():
                    metas[name.replace(":", ".")].append(content)
    return metas


def _first(metas: dict[str, list[str]], names: tuple[str, ...]) -> str:
    return next((metas[name][0] for name in names if name in metas), "")


def _all(metas: dict[str, list[str]], names: tuple[str, ...]) -> tuple[str, ...]:
    return next((tuple(dict.fromkeys(metas[name])) for name in names if name in metas), ())


def _title(page: Node) -> str:
    return next((node.words() for node in page.walk() if node.name == "title"), "")


def _match_year(date: str) -> int | None:
    match = _YEAR.search(date)
    return int(match[1]) if match else None


def _match_doi(metas: dict[str, list[str]]) -> str:
    contents = (content for name in _DOI for content in metas.get(name, ()))
    matches = (_DOI_PATTERN.search(content) for content in contents)
    return next((match[0] for match in matches if match), "")


def _linked_licence(page: Node) -> str:
    for node in page.walk():
        if node.name in ("a", "link") and "license" in node.get("rel").lower().split() and node.get("href"):
            return node.get("href").strip()
    return ""


def _keywords(metas: dict[str, list[str]]) -> tuple[str, ...]:
    words = (word.strip() for content in _all(metas, _KEYWORDS) for word in re.split(r"[;,]", content))
    return tuple(filter(None, dict.fromkeys(words)))
