"""The query language on a real server: what it means, and what is wrong, as in the embedded index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.errors import QueryError
from abs_index.search.elasticsearch.dialect import ElasticsearchDialect, Query, words_in_texts
from abs_index.search.elasticsearch.server import Server
from abs_index.search.index import Index
from abs_index.search.query import parse_query
from tests.elasticsearch.loading import loaded
from tests.search.tables import DOCUMENTS, write_index
from tests.search.test_query import ERRORS, MEANINGS, PIECES

PAIRS = [
    f"{document.id}-{figure.id}-{number}"
    for document in DOCUMENTS
    for figure in document.figures
    for number in range(len(figure.pairs))
]
"""Ids of the pairs, by ordinal."""


@pytest.fixture(scope="module")
def server(client: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_index(tmp_path_factory.mktemp("query") / "index", DOCUMENTS)
    with loaded(client, folder) as name:
        yield Server(client, name)


@pytest.fixture(scope="module")
def dialect(server: Server) -> ElasticsearchDialect:
    return ElasticsearchDialect(server.analyse)


@pytest.fixture(scope="module")
def index(client: Elasticsearch, server: Server, cluster: Any) -> Iterator[Index]:
    with Index.connect(cluster.url, server.index) as opened:
        yield opened


def find(server: Server, query: Query) -> set[int]:
    answer = server.ask({"query": query, "size": 100, "_source": False})
    return {PAIRS.index(hit["_id"]) for hit in answer["hits"]["hits"]}


@pytest.mark.parametrize(("query", "expected"), MEANINGS)
def test_queries_mean_what_they_mean_embedded(
    server: Server, dialect: ElasticsearchDialect, query: str, expected: set[int] | None
) -> None:
    parsed = parse_query(query, dialect)
    assert parsed is not None
    found = find(server, parsed)
    if expected is not None:
        assert found == expected


@pytest.mark.parametrize(("query", "position", "message"), ERRORS)
def test_errors_say_the_same(dialect: ElasticsearchDialect, query: str, position: int | None, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        parse_query(query, dialect)
    if position is not None:
        assert caught.value.position == position


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=14).map("".join)))
def test_any_string_gives_results_or_one_line(index: Index, query: str) -> None:
    try:
        index.search(query)
    except QueryError as error:
        assert "\n" not in str(error).strip()


def test_values_are_terms_and_never_part_of_a_query(dialect: ElasticsearchDialect, server: Server) -> None:
    query = parse_query('journal:"x\\" OR *:*"', dialect)
    assert query == {"term": {"container": {"value": 'x" OR *:*'}}}
    assert find(server, query) == set()


def test_quotation_marks_and_groups_in_expressions(dialect: ElasticsearchDialect, server: Server) -> None:
    assert find(server, dialect.regex("container", "L'Eau (?:.)Paris.*")) == {0, 1, 2}
    assert find(server, dialect.regex("container", 'Drugs.*"Special".*')) == {3, 4}
    assert find(server, dialect.regex("container", "Drugs.in.R&D.*")) == {3, 4}
    with pytest.raises(ValueError, match=r"\(\?i\)"):
        dialect.regex("container", "(?i)l'eau.*")


def test_what_is_highlighted_are_words_of_the_text(dialect: ElasticsearchDialect) -> None:
    query = parse_query('title:a1 (b1 OR "c1 d1") -e1 abs:equal', dialect)
    assert query is not None
    words = str(words_in_texts(query))
    assert [word for word in ("a1", "b1", "c1", "d1", "e1", "equal") if word in words] == ["b1", "c1", "d1"]
