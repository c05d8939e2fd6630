"""What a search asks the server for to show a hit, and how its answer, with the words that it marked, becomes one."""

from __future__ import annotations

import re
from typing import Any

from abs_index.search import display
from abs_index.search.display import FIGURE_COLUMNS, PAIR_COLUMNS
from abs_index.search.elasticsearch.dialect import Query
from abs_index.search.elasticsearch.server import Answer, Body
from abs_index.search.hits import Hit
from abs_index.search.snippets import Span

# Characters of the private use area: nothing that is read from documents means anything by them.
_START, _END = "\uf8f0\uf8f1", "\uf8f1\uf8f0"
_MARK = re.compile(f"{_START}|{_END}")
_LONGEST_ANALYSED = 1_000_000


def shown(words: Query | None) -> Body:
    """The parts of a request that bring what a hit shows; `words` are highlighted."""
    body: Body = {"_source": [*FIGURE_COLUMNS, *PAIR_COLUMNS]}
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
    marked = found.get("highlight", {}).get("text_raw", [""])[0]
    return display.hit_of(row, row, score, _spans(marked, row.get("text_raw", "")))


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
