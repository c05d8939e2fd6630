"""Search by meaning on a real server: what is found is what the embedded index finds, wherever the vectors are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import ModelMismatchError, UsageError
from abs_index.search.index import Index
from tests.elasticsearch.conftest import clean
from tests.elasticsearch.loading import load
from tests.fakes import FakeModel
from tests.meanings import FakeTextEncoder
from tests.search.tables import DOCUMENTS, write_index
from tests.search.test_modes import (  # noqa: F401
    folder,
    test_a_phrase_by_itself_is_required,
    test_faulty_queries_are_errors_in_every_mode,
    test_filters_hold_before_ranking,
    test_hybrid_is_both_rankings_fused_by_reciprocal_rank,
    test_meaning_finds_what_no_word_does,
    test_semantic_shows_the_text_that_is_meant,
    test_what_a_query_requires_and_excludes_holds,
    test_with_a_picture_all_rankings_are_fused,
    test_without_words_every_mode_is_lexical,
)

QUERIES = (
    "cars queue",
    "windmills blades",
    "biochemistry",
    "traffic -jam",
    "waves AND year:2015",
    "blades cars",
)


@pytest.fixture(scope="module")
def name(client: Elasticsearch, folder: Path) -> Iterator[str]:  # noqa: F811
    name = f"test-modes-{uuid.uuid4().hex[:8]}"
    try:
        load(client, name, folder)
        yield name
    finally:
        clean(client, name)


@pytest.fixture(scope="module", params=["elasticsearch", "faiss"])
def index(cluster: Any, name: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Index]:  # noqa: F811
    with Index.connect(
        cluster.url, name, model=FakeModel(), text_encoder=FakeTextEncoder(), vectors=request.param,
        folder=folder if request.param == "faiss" else None,
    ) as opened:  # fmt: skip
        yield opened


def test_finds_what_the_embedded_index_finds(index: Index, folder: Path) -> None:  # noqa: F811
    assert index.default_mode == "hybrid"
    with Index.open(folder, text_encoder=FakeTextEncoder()) as embedded:
        for query in QUERIES:
            for filters in ({}, {"abs": "equal"}, {"role": "caption"}, {"year": "2010..2020"}):
                mine, theirs = (each.search(query, mode="semantic", **filters) for each in (embedded, index))
                assert [(hit.id, hit.pair, hit.highlights) for hit in mine] == [
                    (hit.id, hit.pair, hit.highlights) for hit in theirs
                ]
                assert [hit.score for hit in mine] == pytest.approx([hit.score for hit in theirs], abs=1e-3)


def test_a_filter_in_the_language_of_the_server_holds(cluster: Any, name: str) -> None:
    only = {"term": {"kind": "photo"}}
    with Index.connect(cluster.url, name, es_filter=only, text_encoder=FakeTextEncoder()) as index:
        assert {hit.kind for hit in index.search("windmill", mode="semantic")} == {"photo"}


def test_vectors_of_another_encoder_are_never_compared(cluster: Any, name: str) -> None:
    with (
        Index.connect(cluster.url, name, text_encoder=FakeTextEncoder("other")) as index,
        pytest.raises(ModelMismatchError, match="build it again with --text-vectors"),
    ):
        index.search("traffic", mode="semantic")


def test_pushed_without_vectors_of_texts_and_then_with(
    client: Elasticsearch,
    cluster: Any,
    folder: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    name = f"test-modes-{uuid.uuid4().hex[:8]}"
    try:
        load(client, name, write_index(tmp_path / "index", DOCUMENTS))
        with Index.connect(cluster.url, name, text_encoder=FakeTextEncoder()) as index:
            assert index.default_mode == "lexical"
            with pytest.raises(UsageError, match="--text-vectors"):
                index.search("windmill", mode="semantic")
        load(client, name, folder)
        with Index.connect(cluster.url, name, text_encoder=FakeTextEncoder()) as index:
            assert [hit.id for hit in index.search("windmill", k=1)] == ["turbine#f1"]
    finally:
        clean(client, name)
