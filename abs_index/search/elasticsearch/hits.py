"""What the server keeps of a pair → hits and details, as embedded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.elasticsearch.server import Answer, Body
from abs_index.search.hits import FigureDetails, Hit, PairDetails
from abs_index.search.snippets import Span, cut

_SHOWN: Final = (
    "document", "figure", "label", "caption_raw", "image", "path", "source", "title", "container", "year",
    "pair", "role", "section", "text_raw", "abs", "prob", "abs_prob", "kind", "kind_prob",
)  # fmt: skip
# Characters of the private use area: nothing that is read from documents means anything by them.
_START, _END = "\uf8f0\uf8f1", "\uf8f1\uf8f0"
_MARK = re.compile(f"{_START}|{_END}")
_LONGEST_ANALYSED = 1_000_000


def shown(words: Query | None) -> Body:
    """The parts of a request that bring what a hit shows; `words` are highlighted."""
    body: Body = {"_source": list(_SHOWN)}
    if words is not None:
        body["highlight"] = {
            "fields": {"text_raw": {"type": "unified"}},
            "highlight_query": words,
            "require_field_match": False,
            "number_of_fragments": 0,
            "pre_tags": [_START],
            "post_tags": [_END],
            "max_analyzed_offset": _LONGEST_ANALYSED,
        }
    return body


def hit_of(found: Answer, score: float) -> Hit:
    """A hit of the server, brought by a request with `shown`, as our own."""
    row: dict[str, Any] = found["_source"]
    text = row.get("text_raw", "")
    marked = found.get("highlight", {}).get("text_raw", [""])[0]
    snippet, highlights = cut(text, _spans(marked, text))
    return Hit(
        **_facts(row),
        score=score,
        pair=row["pair"],
        role=row["role"],
        section=row.get("section", ""),
        snippet=snippet,
        highlights=highlights,
        **_labels(row),
    )


def details_of(rows: Sequence[dict[str, Any]]) -> FigureDetails:
    """A figure from the documents of all its pairs, in their order."""
    row = rows[0]
    return FigureDetails(
        **_facts(row),
        alt=row.get("alt", ""),
        credit=row.get("credit", ""),
        images=tuple(row.get("images", ())),
        width=row.get("width"),
        height=row.get("height"),
        image_format=row.get("image_format", ""),
        authors=tuple(row.get("authors", ())),
        licence=row.get("licence", ""),
        language=row.get("language", ""),
        doi=row.get("doi", ""),
        pairs=tuple(_pair(each) for each in rows),
    )


def figure_id(row: dict[str, Any]) -> str:
    """The id of a figure in the whole index."""
    return f"{row['document']}#{row['figure']}"


def _pair(row: dict[str, Any]) -> PairDetails:
    return PairDetails(
        id=row["pair"],
        role=row["role"],
        section=row.get("section", ""),
        text=row.get("text_raw", ""),
        path=row.get("text_path", ""),
        **_labels(row),
    )


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """What hits and details both say of a figure."""
    return {
        "id": figure_id(row),
        "document": row["document"],
        "figure": row["figure"],
        "label": row.get("label", ""),
        "caption": row.get("caption_raw", ""),
        "image": row.get("image"),
        "path": row.get("path", ""),
        "source": row.get("source", ""),
        "title": row.get("title", ""),
        "journal": row.get("container", ""),
        "year": row.get("year"),
    }


def _labels(row: dict[str, Any]) -> dict[str, Any]:
    """What the network says of a pair; probabilities that are no numbers were not sent."""
    return {name: row.get(name) for name in ("abs", "prob", "abs_prob", "kind", "kind_prob")}


def _spans(marked: str, text: str) -> list[Span]:
    """Where the marked words stand in `text`; none where the text itself holds marks.

    >>> _spans(f"dense {_START}traffic{_END}", "dense traffic")
    [(6, 13)]
    """
    spans: list[Span] = []
    parts = _MARK.split(marked)
    if "".join(parts) != text:
        return []
    position = 0
    for number, part in enumerate(parts):
        if number % 2:
            spans.append((position, position + len(part)))
        position += len(part)
    return spans
