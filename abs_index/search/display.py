"""What an index keeps of figures and pairs → hits and details: the same from every engine.

A row has the names of the columns of the table; what is missing in it, None or empty is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abs_index.search.hits import FigureDetails, Hit, PairDetails
from abs_index.search.snippets import Span, cut

Row = Mapping[str, Any]

FIGURE_COLUMNS = (
    "document", "figure", "label", "caption_raw", "figure_text", "image", "path", "source", "title", "container",
    "year",
)  # fmt: skip
"""What `hit_of` needs of a figure."""

PAIR_COLUMNS = ("pair", "role", "section", "text_raw", "abs", "prob", "abs_prob", "kind", "kind_prob", "cmi")
"""What `hit_of` needs of a pair."""


def figure_id(figure: Row) -> str:
    """The id of a figure in the whole index."""
    return f"{figure['document']}#{figure['figure']}"


def hit_of(figure: Row, pair: Row | None, score: float, found: Sequence[Span] = ()) -> Hit:
    """A figure with the pair that speaks for it, None where it has none; `found` are words in the pair's text."""
    pair = pair or {}
    snippet, highlights = cut(pair.get("text_raw") or "", found)
    return Hit(
        **_facts(figure),
        score=score,
        pair=pair.get("pair"),
        role=pair.get("role"),
        section=pair.get("section") or "",
        snippet=snippet,
        highlights=highlights,
        **_labels(pair),
    )


def details_of(figure: Row, pairs: Sequence[Row]) -> FigureDetails:
    """A figure with all its pairs, in their order."""
    return FigureDetails(
        **_facts(figure),
        alt=figure.get("alt") or "",
        credit=figure.get("credit") or "",
        images=tuple(figure.get("images") or ()),
        width=figure.get("width"),
        height=figure.get("height"),
        image_format=figure.get("image_format") or "",
        authors=tuple(figure.get("authors") or ()),
        licence=figure.get("licence") or "",
        language=figure.get("language") or "",
        doi=figure.get("doi") or "",
        pairs=tuple(map(_pair, pairs)),
    )


def _pair(row: Row) -> PairDetails:
    return PairDetails(
        id=row["pair"],
        role=row["role"],
        section=row.get("section") or "",
        text=row.get("text_raw") or "",
        path=row.get("text_path") or "",
        **_labels(row),
    )


def _facts(row: Row) -> dict[str, Any]:
    """What hits and details both say of a figure."""
    return {
        "id": figure_id(row),
        "document": row["document"],
        "figure": row["figure"],
        "label": row.get("label") or "",
        "caption": row.get("caption_raw") or "",
        "figure_text": row.get("figure_text") or "",
        "image": row.get("image"),
        "path": row.get("path") or "",
        "source": row.get("source") or "",
        "title": row.get("title") or "",
        "journal": row.get("container") or "",
        "year": row.get("year"),
    }


def _labels(row: Row) -> dict[str, Any]:
    """What the network says of a pair."""
    return {name: row.get(name) for name in ("abs", "prob", "abs_prob", "kind", "kind_prob", "cmi")}
