"""What a reader yields: documents with their figures and the paragraphs that mention them.

These classes are values: no open files, no parser state. Everything that follows (pairing, encoding, the table) is
computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from abs_index.corpus.files import Files


@dataclass(frozen=True, slots=True)
class Text:
    """A text twice: `normalised` for the network and for search, `raw` for display.

    In `normalised`, markup is removed, each formula reads "formula" (inline) or "equation" (display), an empty
    reference reads "Figure", white space is single (section 4.2 of the paper). In `raw`, formulas are readable
    (their TeX, or the letters of their MathML) and white space is single too.
    """

    normalised: str = ""
    raw: str = ""

    def __bool__(self) -> bool:
        return bool(self.normalised)


@dataclass(frozen=True, slots=True)
class Group:
    """What several figures share: the `<fig-group>`, the outer `<figure>`, the figure of `<subfigure>`s."""

    id: str
    label: str
    caption: Text


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a document.

    `id` is unique in the document: the one in the file, else one that the reader makes ("figure-3").
    `images` are candidates, best first, as names in `Document.files`: the first that decodes is *the* image of the
    figure; what comes after it are further images of the same figure (several `<graphic>`, parts).
    `candidates` of one image (a thumbnail beside the large one, a missing extension) are already resolved.
    """

    id: str
    label: str = ""
    caption: Text = Text()
    alt: str = ""
    credit: str = ""
    images: tuple[str, ...] = ()
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """One paragraph that refers to at least one figure of the document.

    `figures` are ids of figures of the document, each once, in the order of the document. `path` is the file that the
    paragraph stands in where that is not the document itself (CNXML links from another module), else "".
    """

    text: Text
    figures: tuple[str, ...]
    section: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """One thing of the corpus that was refused, and why.

    `path` is the file as in the corpus (archives with the archive's name in front), `document` the document's id (or
    its path where it has none), `figure` the figure's id in the document or "". `reason` is one of the countable
    phrases of `abs_index.corpus.rejects`; `detail` is free text.
    """

    path: str
    reason: str
    detail: str = ""
    document: str = ""
    figure: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One article, chapter, module or page.

    `id` is the DOI where the document has a usable one, else `path`; `read_corpus` makes it unique in a corpus.
    `path` is the file below the corpus (archives with the archive's name in front), `name` the same file as a name
    in `files`. `source` is the part of the corpus that it comes from (see `read_corpus`).
    """

    id: str
    path: str
    name: str
    format: str
    files: Files = field(repr=False, compare=False)
    source: str = ""
    doi: str = ""
    title: str = ""
    container: str = ""
    year: int | None = None
    authors: tuple[str, ...] = ()
    licence: str = ""
    language: str = ""
    keywords: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    mentions: tuple[Mention, ...] = ()
    rejects: tuple[Reject, ...] = ()
