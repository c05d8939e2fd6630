"""Document → pairs: the caption and each mention, once a figure, with an id that depends on the content alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from abs_index.corpus.document import Document, Figure, Text
from abs_index.labels import Role


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure and one text that belongs to it.

    `id` is 32 hexadecimal digits; `figure` the figure's id in its document; `section` the title of the section that a
    mention stands in; `path` the file of the mention where it is not the document's own.
    """

    id: str
    figure: str
    role: Role
    text: Text
    section: str = ""
    path: str = ""


def pair_document(document: Document) -> Iterator[Pair]:
    """The pairs of a document: for each figure its caption, then its mentions in the order of the text.

    A figure without a caption of its own is paired with the caption of its group. The same paragraph gives one pair a
    figure; a figure without any text gives none.
    """
    seen: Counter[tuple[str, Role, str]] = Counter()
    for figure in document.figures:
        for role, text, section, path in _texts(document, figure):
            if not text:
                continue
            content = (figure.id, role, text.normalised)
            seen[content] += 1
            # The same words twice in one document are two pairs: the occurrence keeps their ids apart.
            yield Pair(_identify(document.id, *content, str(seen[content])), figure.id, role, text, section, path)


def caption_of(figure: Figure) -> Text:
    """The caption of a figure; of one without a caption of its own, that of its group."""
    return figure.caption or (figure.group.caption if figure.group else Text())


def _texts(document: Document, figure: Figure) -> Iterator[tuple[Role, Text, str, str]]:
    yield "caption", caption_of(figure), "", ""
    for mention in document.mentions:
        if figure.id in mention.figures:
            yield "mention", mention.text, mention.section, mention.path


def _identify(*parts: str) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()
