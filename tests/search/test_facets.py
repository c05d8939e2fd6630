"""Counts of what a search finds, worked out by hand on `DOCUMENTS`; they hold for an index on a server too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abs_index.errors import QueryError, UsageError
from abs_index.indexing import publish, rows
from abs_index.search.facets import MOST_VALUES, Facets
from abs_index.search.index import Index
from tests.search.tables import DOCUMENTS, write_index

EVERYTHING = Facets(
    pairs=6,
    abs={"equal": 2, "image_more_abstract": 2, "text_more_abstract": 2},
    kind={"photo": 3, "plot": 2, "diagram": 1},
    role={"caption": 4, "mention": 2},
    source={"one": 3, "two": 2, "tests": 1},
    year={2021: 2, 2015: 3},
    cmi={"0..0.25": 1, "0.25..0.5": 1, "0.5..0.75": 2, "0.75..1": 1},
)


def test_everything_is_counted_by_what_it_has(index: Index) -> None:
    facets = index.facets()
    assert facets == EVERYTHING
    for name in ("abs", "kind", "role", "source", "year", "cmi"):
        assert list(getattr(facets, name)) == list(getattr(EVERYTHING, name))
    assert index.facets("*") == EVERYTHING


@pytest.mark.parametrize(
    ("query", "values", "pairs", "kinds"),
    [
        ("traffic", {}, 4, {"photo": 2, "plot": 2}),
        ("traffic AND abs:image_more_abstract", {}, 2, {"photo": 1, "plot": 1}),
        ("traffic", {"kind": "photo"}, 2, {"photo": 2}),
        ("", {"abs": "equal", "min_prob": 0.9}, 1, {"photo": 1}),
        ("cmi:>=0.5", {}, 3, {"photo": 2, "plot": 1}),
        ("", {"min_cmi": 0.5, "max_cmi": 0.7}, 2, {"photo": 2}),
        ("traffic", {"source": "nowhere"}, 0, {}),
        ("nothing-like-this", {}, 0, {}),
    ],
)
def test_only_what_matches_and_passes_is_counted(
    index: Index, query: str, values: dict[str, Any], pairs: int, kinds: dict[str, int]
) -> None:
    facets = index.facets(query, **values)
    assert (facets.pairs, facets.kind) == (pairs, kinds)


def test_a_picture_orders_and_excludes_nothing(index: Index) -> None:
    assert index.facets(figure="traffic#f1") == EVERYTHING
    assert index.facets("gel", figure="traffic#f1") == EVERYTHING
    required = index.facets("gel AND abs:equal", figure="traffic#f1", role="mention")
    assert (required.pairs, required.kind) == (1, {"diagram": 1})


def test_wrong_queries_and_filters_are_errors(index: Index) -> None:
    with pytest.raises(QueryError, match="bracket not closed"):
        index.facets("(traffic")
    with pytest.raises(UsageError, match="valid are image_more_abstract"):
        index.facets(abs="foo")


def test_counts_go_over_all_batches_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_A_BATCH", 2)
    monkeypatch.setattr(publish, "_ROWS", 2)
    with Index.open(write_index(tmp_path / "index", DOCUMENTS)) as index:
        assert index.facets() == EVERYTHING
        assert index.facets(role="caption").source == {"one": 2, "tests": 1, "two": 1}


def test_of_many_values_the_frequent_ones_stay_and_of_equals_the_first() -> None:
    nothing: dict[str, Any] = dict.fromkeys(("abs", "kind", "role", "year", "cmi"), ())
    counted = [(f"s{number:04}", 1 + (number == 7)) for number in reversed(range(MOST_VALUES + 5))]
    source = list(Facets.of(1, {**nothing, "source": counted}).source.items())
    assert source[:3] == [("s0007", 2), ("s0000", 1), ("s0001", 1)]
    assert (len(source), source[-1]) == (MOST_VALUES, (f"s{MOST_VALUES - 1:04}", 1))
