from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tantivy import Query

from abs_index.errors import UsageError
from abs_index.indexing.structures import Structures
from abs_index.labels import ABS, KINDS, ROLES
from abs_index.search.filters import Filters
from tests.search.tables import DOCUMENTS

JOURNALS = [*(document.container for document in DOCUMENTS if document.container), "L'Eau", '"', "\\", "a:b", "\udcff"]


def some(values: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=2)


VALUES = {
    "abs": some(ABS),
    "role": some(ROLES),
    "kind": some(KINDS[:5]),
    "source": some(["one", "two", "tests", "three"]),
    "journal": some(JOURNALS),
    "language": some(["en", "fr"]),
    "document": some(["traffic", "turbine", "old"]),
    "min_prob": st.none() | st.sampled_from([0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1]),
    "min_cmi": st.none() | st.sampled_from([0, 0.1, 0.3, 0.5]),
    "max_cmi": st.none() | st.sampled_from([0.5, 0.7, 0.9, 1]),
    "year": st.none() | st.sampled_from(["2015", "2010..2020", "..2015", "2016..", "1990..1991"]),
}
"""Whatever filters there can be."""


def passing_pairs(structures: Structures, filters: Filters) -> list[int]:
    query = filters.restrict(Query.all_query(), structures.lexical.schema)
    return structures.lexical.search(query, 1000).ordinals.tolist()


@settings(max_examples=300, deadline=None)
@given(**VALUES)
def test_query_and_mask_let_the_same_pairs_pass(structures: Structures, **values: Any) -> None:
    filters = Filters.of(**values)
    mask = filters.pair_mask(structures.pairs, structures.figures)
    assert sorted(passing_pairs(structures, filters)) == np.flatnonzero(mask).tolist()
    owners = structures.pairs.numbers("figure", np.flatnonzero(mask))
    figures = np.flatnonzero(filters.figure_mask(structures.pairs, structures.figures))
    if filters.of_pairs:
        assert figures.tolist() == sorted(set(owners.tolist()))
    else:
        assert set(owners.tolist()) <= set(figures.tolist())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"abs": "equal"}, [3, 5]),
        ({"abs": "equal", "min_prob": 0.9}, [5]),
        ({"min_prob": 0.7}, [0, 2, 3, 5]),
        ({"min_cmi": 0.3}, [1, 2, 3, 4]),
        ({"max_cmi": 0.3}, [0, 3]),
        ({"min_cmi": 0.5, "max_cmi": 0.7}, [2, 4]),
        ({"role": "caption", "kind": ["photo"]}, [2, 4, 5]),
        ({"journal": "L'Eau (Paris)"}, [0, 1, 2]),
        ({"journal": 'Drugs in R&D: "Special" \\ Issue'}, [3, 4]),
        ({"journal": "L'Eau"}, []),
        ({"year": "2010..2020"}, [0, 1, 2]),
        ({"year": 2021}, [3, 4]),
        ({"year": (2016, None)}, [3, 4]),
        ({"source": ["one", "tests"]}, [0, 1, 2, 5]),
    ],
)
def test_filters_let_pass_what_they_say(structures: Structures, values: dict[str, Any], expected: list[int]) -> None:
    assert sorted(passing_pairs(structures, Filters.of(**values))) == expected


def test_a_filter_does_not_change_scores(structures: Structures) -> None:
    query = Query.term_query(structures.lexical.schema, "text", "traffic")
    plain = structures.lexical.search(query, 10)
    restricted = structures.lexical.search(
        Filters.of(kind=["plot", "photo"]).restrict(query, structures.lexical.schema), 10
    )
    assert plain.ordinals.tolist() == restricted.ordinals.tolist()
    np.testing.assert_allclose(plain.scores, restricted.scores)


def test_figures_without_pairs_pass_filters_on_documents_only(structures: Structures) -> None:
    def passing(filters: Filters) -> list[str]:
        mask = filters.figure_mask(structures.pairs, structures.figures)
        return [row["key"] for row in structures.figures.take(np.flatnonzero(mask), ["key"])]

    assert passing(Filters.of(year=2021)) == ["turbine#f1", "turbine#bare"]
    assert passing(Filters.of(year=2021, role="caption")) == ["turbine#f1"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"abs": "foo"}, "abs: 'foo' does not exist; valid are image_more_abstract, text_more_abstract, equal"),
        ({"kind": ["photo", "foo"]}, "valid are photo, micrograph"),
        ({"role": "foo"}, "valid are caption, mention"),
        ({"journal": ""}, "the value is empty"),
        ({"min_prob": 1.5}, "min_prob: 1.5 cannot be; give a number from 0 to 1"),
        ({"min_prob": float("nan")}, "give a number from 0 to 1"),
        ({"max_cmi": -0.1}, "max_cmi: -0.1 cannot be"),
        ({"min_cmi": float("nan"), "max_cmi": 1}, "min_cmi: nan cannot be"),
        ({"min_cmi": 0.8, "max_cmi": 0.2}, "min_cmi: 0.8 is more than max_cmi, 0.2"),
        ({"year": "soon"}, "neither a year nor a range"),
        ({"year": ""}, "neither a year nor a range"),
        ({"year": ".."}, "neither a year nor a range"),
        ({"year": "2010-2020"}, "neither a year nor a range"),
        ({"year": "2020..2010"}, "ends before it starts"),
        ({"year": 10**30}, "is no year"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Filters.of(**values)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=12))
def test_any_year_gives_a_range_or_one_line(text: str) -> None:
    try:
        years = Filters.of(year=text).years
    except UsageError:
        return
    assert years is not None
    assert years != (None, None)


def test_nothing_and_empty_lists_restrict_nothing() -> None:
    assert not Filters.of()
    assert not Filters.of(abs=[], journal=())
    assert Filters.of(min_prob=0)
