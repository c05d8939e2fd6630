"""Counts of what a search finds on a real server: those of the embedded index, number by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.errors import QueryError
from abs_index.labels import ABS, KINDS, ROLES
from abs_index.search.index import Index
from tests.elasticsearch.conftest import clean
from tests.elasticsearch.loading import load
from tests.fakes import FakeModel
from tests.search.tables import DOCUMENTS, DocumentRow, FigureRow, PairRow, write_index
from tests.search.test_facets import (  # noqa: F401
    test_a_picture_orders_and_excludes_nothing,
    test_everything_is_counted_by_what_it_has,
    test_only_what_matches_and_passes_is_counted,
    test_wrong_queries_and_filters_are_errors,
)
from tests.search.test_filters import VALUES
from tests.search.test_query import MEANINGS

CMI = (None, 0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 1)
"""Also the limits of the quarters, and pairs without a number."""


def many() -> list[DocumentRow]:
    """Documents without a year, without a source, from more sources than are printed."""
    random = np.random.default_rng(3)

    def pair() -> PairRow:
        label, role, kind = (str(random.choice(names)) for names in (ABS, ROLES, KINDS))
        return PairRow("zebra", label, float(np.round(random.random(), 2)), role, kind, cmi=random.choice(CMI))

    return [
        DocumentRow(
            f"many{number}", [FigureRow(f"f{at}", [pair() for _ in range(3)]) for at in range(2)],
            year=None if number % 7 == 0 else 2010 + number % 9, source=f"part{number % 17}" if number % 5 else "",
        )
        for number in range(80)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("facets")
    return {
        "few": write_index(home / "few", DOCUMENTS),
        "many": write_index(home / "many", [*DOCUMENTS, *many()]),
    }


@pytest.fixture(scope="module")
def names(client: Elasticsearch, folders: dict[str, Path]) -> Iterator[dict[str, str]]:
    """Aliases of the two indexes; the larger one has two shards."""
    names = {name: f"test-facets-{folder.parent.name}-{name}" for name, folder in folders.items()}
    try:
        for shards, (name, alias) in enumerate(names.items(), 1):
            load(client, alias, folders[name], shards=shards)
        yield names
    finally:
        for alias in names.values():
            clean(client, alias)


@pytest.fixture(scope="module")
def index(cluster: Any, names: dict[str, str]) -> Iterator[Index]:
    with Index.connect(cluster.url, names["few"], model=FakeModel()) as opened:
        yield opened


@pytest.fixture(scope="module")
def both(cluster: Any, names: dict[str, str], folders: dict[str, Path]) -> Iterator[tuple[Index, Index]]:
    """The larger index, embedded and on the server."""
    with Index.open(folders["many"]) as embedded, Index.connect(cluster.url, names["many"]) as connected:
        yield embedded, connected


@settings(max_examples=25, deadline=None)
@given(query=st.sampled_from(["", "zebra", "traffic OR zebra", "cmi:<0.5", "NOT abs:equal", "year:*"]), **VALUES)
def test_counts_are_those_of_the_embedded_index(both: tuple[Index, Index], query: str, **values: Any) -> None:
    embedded, connected = both
    mine, theirs = embedded.facets(query, **values), connected.facets(query, **values)
    assert mine == theirs
    assert [list(getattr(mine, name)) for name in mine.__slots__[1:]] == [
        list(getattr(theirs, name)) for name in theirs.__slots__[1:]
    ]


def test_counts_are_complete(both: tuple[Index, Index]) -> None:
    for index in both:
        facets = index.facets()
        assert facets.pairs == sum(facets.abs.values()) == sum(facets.kind.values()) == 486
        assert len(facets.source) == 20
        assert sum(facets.source.values()) == 6 + 64 * 6
        assert sum(facets.year.values()) == 5 + 68 * 6
        assert sum(facets.cmi.values()) == facets.pairs - index.facets("NOT cmi:*").pairs < facets.pairs


def test_what_a_query_finds_is_what_is_counted(index: Index) -> None:
    expected = {query: len(found) for query, found in MEANINGS if found is not None}
    assert {query: index.facets(query).pairs for query in expected} == expected


def test_a_filter_in_the_language_of_the_server_holds(cluster: Any, names: dict[str, str]) -> None:
    with Index.connect(cluster.url, names["few"], es_filter={"term": {"kind": "photo"}}) as index:
        assert index.facets().kind == {"photo": 3}
        assert index.facets("traffic").kind == {"photo": 2}


def test_a_query_that_the_server_refuses_is_one_line(index: Index) -> None:
    with pytest.raises(QueryError, match="the cluster does not take it") as caught:
        index.facets(f"text:/[{'ab' * 600}]/")
    assert "\n" not in str(caught.value)
