"""Searching an index on a real server. What holds of the embedded index holds here: its tests run again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from abs_index.errors import AliasError, ModelMismatchError, QueryError, UsageError
from abs_index.indexing.elasticsearch.aliases import live_index, write_meta
from abs_index.indexing.structures import Structures
from abs_index.indexing.table import Table
from abs_index.search.elasticsearch import engine, faiss, server, vectors
from abs_index.search.elasticsearch.filters import clauses
from abs_index.search.filters import Filters
from abs_index.search.hits import Hit
from abs_index.search.index import Index
from tests.elasticsearch.loading import load, loaded
from tests.fakes import IMAGE_DIM, PAIR_DIM, FakeModel
from tests.search.tables import DOCUMENTS, DocumentRow, FigureRow, PairRow, append, write_index
from tests.search.test_filters import VALUES
from tests.search.test_index import (  # noqa: F401
    test_a_figure_comes_once_with_its_best_pair,
    test_a_hit_says_all_that_is_shown,
    test_errors_of_queries_come_through,
    test_filters_apply_before_the_best_are_taken,
    test_filters_as_a_value_and_by_name_are_the_same,
    test_ids_without_a_document_must_be_unique,
    test_no_results_cannot_be_asked_for,
    test_query_and_picture_are_fused_by_reciprocal_rank,
    test_several_threads_may_search,
    test_wrong_use_is_one_line,
)

WITHOUT_BARE = [
    DocumentRow(**{**vars(document), "figures": [figure for figure in document.figures if figure.pairs]})
    for document in DOCUMENTS
]
"""Figures without texts are not on the server."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("search") / "index", DOCUMENTS)


@pytest.fixture(scope="module")
def pushed(client: Elasticsearch, folder: Path) -> Iterator[str]:
    """Name of an alias with the pairs of `DOCUMENTS`."""
    with loaded(client, folder) as name:
        yield name


@pytest.fixture(params=["elasticsearch", "faiss"])
def index(request: pytest.FixtureRequest, cluster: Any, pushed: str, folder: Path) -> Iterator[Index]:
    vectors_from: dict[str, Any] = {"vectors": "faiss", "folder": folder} if request.param == "faiss" else {}
    with Index.connect(cluster.url, pushed, model=FakeModel(), **vectors_from) as opened:
        yield opened


def ids(hits: list[Hit]) -> list[str]:
    return [hit.id for hit in hits]


def test_hits_and_details_are_those_of_the_embedded_index(index: Index, folder: Path) -> None:
    with Index.open(folder, model=FakeModel()) as embedded:
        for query, figure in [("turbines", "turbine#f1"), ("section:results", "traffic#f1"), ("gel", "old#f9")]:
            (mine, *_), (theirs, *_) = index.search(query), embedded.search(query)
            assert mine.id == figure
            assert vars_without_score(mine) == vars_without_score(theirs)
            assert index.figure(figure) == embedded.figure(figure)
        pictured, drawn = (
            each.similar(image=Image.new("RGB", (4, 4), "red"), text="waves") for each in (index, embedded)
        )
        assert [vars_without_score(hit) for hit in pictured] == [vars_without_score(hit) for hit in drawn]
        assert [hit.score for hit in pictured] == pytest.approx([hit.score for hit in drawn], abs=1e-5)


def vars_without_score(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit, name) for name in Hit.__slots__ if name != "score"}


def test_blank_queries_list_everything_newest_first(index: Index) -> None:
    assert ids(index.search("")) == ["turbine#f1", "traffic#f1", "traffic#f2", "old#f9"]
    assert ids(index.search(" ", k=2)) == ["turbine#f1", "traffic#f1"]
    assert [hit.pair for hit in index.search("", k=2)] == ["turbine-f1-0", "traffic-f1-0"]
    assert [(hit.id, hit.pair) for hit in index.search(abs="text_more_abstract")] == [
        ("traffic#f1", "traffic-f1-1"),
        ("traffic#f2", "traffic-f2-0"),
    ]


def test_a_figure_is_not_like_itself(index: Index) -> None:
    hits = index.similar("traffic#f1", k=100)
    assert sorted(ids(hits)) == ["old#f9", "traffic#f2", "turbine#f1"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("waves AND abs:equal", {"turbine#f1"}),
        ('waves -journal:"L\'Eau (Paris)"', {"turbine#f1"}),
        ("waves AND year:[2000 TO 2016]", {"traffic#f1", "traffic#f2"}),
        ("waves AND title:wind", {"traffic#f1", "traffic#f2", "turbine#f1"}),
    ],
)
def test_labels_that_a_query_requires_hold_for_pictures_too(index: Index, query: str, expected: set[str]) -> None:
    assert set(ids(index.search(query, figure="old#f9", k=100))) == expected


def test_figures_found_by_their_image_show_the_first_pair_that_passes(index: Index) -> None:
    assert [hit.pair for hit in index.similar("old#f9", document="turbine")] == ["turbine-f1-0"]
    assert [hit.pair for hit in index.similar("old#f9", document="turbine", kind="photo")] == ["turbine-f1-1"]
    (hit,) = index.search("nothing AND abs:text_more_abstract", figure="old#f9", document="traffic", k=1)
    assert hit.abs == "text_more_abstract"


def test_another_model_is_refused(cluster: Any, pushed: str) -> None:
    with Index.connect(cluster.url, pushed, model=FakeModel("another")) as opened:
        assert opened.search("traffic")  # words need no model
        with pytest.raises(ModelMismatchError, match="built with model 'fake'"):
            opened.similar(image=Image.new("RGB", (4, 4)))


# filters


@settings(max_examples=60, deadline=None)
@given(**VALUES)
def test_filters_let_the_same_pairs_pass(client: Elasticsearch, pushed: str, folder: Path, **values: Any) -> None:
    filters = Filters.of(**values)
    structures = _structures(folder)
    mask = filters.pair_mask(structures.pairs, structures.figures)
    expected = {row["pair"] for row in structures.pairs.take(np.flatnonzero(mask), ["pair"])}
    answer = server.Server(client, pushed).ask({"query": server.restricted(None, clauses(filters)), "size": 100})
    assert {hit["_id"] for hit in answer["hits"]["hits"]} == expected


@lru_cache(1)
def _structures(folder: Path) -> Structures:
    return Structures.open(folder)


# words


def test_stop_words_do_not_empty_a_query(index: Index) -> None:
    """The analyser on the server leaves them out; the embedded one does not."""
    assert ids(index.search("the AND gel")) == ids(index.search("(the OR of) AND gel")) == ["old#f9"]
    assert ids(index.search("gel -the")) == ["old#f9"]
    assert ids(index.search("the")) == ids(index.search("to AND be")) == []
    assert "traffic#f1" in ids(index.search('"stop and go"'))


def test_words_that_another_analyser_leaves_out_do_not_empty_a_query(cluster: Any, pushed: str) -> None:
    with Index.connect(cluster.url, pushed) as opened:
        opened._engine._parsed.cache_clear()
        dialect = engine.ElasticsearchDialect(lambda text: [text], "another")
        opened._engine._parsed = lambda query: engine.parse_query(query, dialect)
        assert ids(opened.search("the AND gel")) == ["old#f9"]
        assert ids(opened.search("the gel")) == ["old#f9"]
        assert ids(opened.search("the")) == []


def test_highlights_are_of_words_in_the_text_alone(index: Index) -> None:
    (hit,) = index.search('title:wind AND blades AND "turbines turn"~3')
    assert [hit.snippet[start:end] for start, end in hit.highlights] == ["Turbines", "turn", "blades"]
    (hit,) = index.search("title:wind", document="turbine")
    assert hit.highlights == ()


@pytest.mark.parametrize("query", [f"/[{'ab' * 600}]/", "/a(?i)b/", f"{'ab' * 600}*"])
def test_expressions_that_the_cluster_does_not_take_are_one_line(cluster: Any, pushed: str, query: str) -> None:
    with Index.connect(cluster.url, pushed) as opened, pytest.raises(QueryError) as caught:
        opened.search(query)
    assert re.search(r"cluster does not take it \(.+\)|expression cannot be used", str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_thousand_words_are_searched(index: Index) -> None:
    assert ids(index.search(" ".join(f"w{number}" for number in range(700)) + " gel")) == ["old#f9"]


# how many


def many(figures: int, pairs: int) -> list[DocumentRow]:
    random = np.random.default_rng(7)
    rows = [
        FigureRow(f"f{at:03}", [PairRow("zebra " * (at % 7 + 1), "equal" if at % 3 else "image_more_abstract")
                                for _ in range(pairs)], vector=random.standard_normal(IMAGE_DIM).tolist())
        for at in range(figures)
    ]  # fmt: skip
    return [DocumentRow("d", rows, year=2000)]


@pytest.mark.parametrize("source", ["elasticsearch", "faiss"])
def test_k_figures_where_k_match_past_every_limit(
    cluster: Any, client: Elasticsearch, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """The server gives 10,000 results a request at most; here a limit of 20 stands for it."""
    folder = write_index(tmp_path / "index", many(60, 5))
    load(client, name, folder, shards=2)
    for module in (server, vectors, engine, faiss):
        monkeypatch.setattr(module, "LIMIT", 20)
    monkeypatch.setattr(engine, "_FETCHED_AT_ONCE", 7)
    vectors_from: dict[str, Any] = {"vectors": "faiss", "folder": folder} if source == "faiss" else {}
    with Index.connect(cluster.url, name, model=FakeModel(), **vectors_from) as opened:
        picture = Image.new("RGB", (4, 4), "red")
        for k in (1, 20, 21, 60, 200):
            for found in (
                opened.search("zebra", k=k),
                opened.search("", k=k),
                opened.similar(image=picture, k=k),
                opened.similar(image=picture, text="zebra", k=k),
                opened.search("zebra", image=picture, k=k),
            ):
                assert len(found) == len(set(ids(found))) == min(k, 60)
            assert len(opened.search("zebra", k=k, abs="image_more_abstract")) == min(k, 20)
            assert len(opened.similar("d#f001", k=k, abs="image_more_abstract")) == min(k, 20)
            assert len(opened.similar("d#f000", k=k, abs="image_more_abstract")) == min(k, 19)
        with Index.open(folder, model=FakeModel()) as embedded:
            assert ids(opened.similar("d#f001", k=60)) == ids(embedded.similar("d#f001", k=60))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 40), few=st.sampled_from([0, 1000]))
def test_filtered_neighbours_are_those_of_brute_force(cluster: Any, seed: int, k: int, few: int) -> None:
    """By `flat` vectors on the server and by FAISS, with filters of ours and filters that only the server knows."""
    random = np.random.default_rng(seed)
    share = random.choice([0.0, 0.05, 0.5, 1.0])
    images, pairs = random.standard_normal((30, IMAGE_DIM)), random.standard_normal((30, 3, PAIR_DIM))
    labels = np.where(random.random((30, 3)) < share, "equal", "text_more_abstract")
    figures = [
        FigureRow(
            f"f{at}",
            [PairRow("t", labels[at][number], vector=pairs[at][number].tolist()) for number in range(3)],
            vector=images[at].tolist(),
        )
        for at in range(30)
    ]
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    query = random.standard_normal(PAIR_DIM).astype(np.float32)
    cosines = np.where(labels == "equal", (pairs / np.linalg.norm(pairs, axis=2, keepdims=True)) @ query, -9).max(
        axis=1
    )
    passing = [at for at in range(30) if "equal" in labels[at]]
    by_image = [f"d#f{at}" for at in sorted(passing, key=lambda at: -(images[at] @ images[0])) if at][:k]
    by_pair = [f"d#f{at}" for at in sorted(passing, key=lambda at: -cosines[at])[:k]]
    only = {"term": {"abs": "equal"}}
    with TemporaryDirectory() as place, Elasticsearch(cluster.url) as client:
        folder = write_index(Path(place) / "index", [DocumentRow("d", figures)])
        with loaded(client, folder) as name:
            for vectors_from in ({}, {"folder": folder}):
                with (
                    Index.connect(cluster.url, name, **vectors_from) as ours,
                    Index.connect(cluster.url, name, **vectors_from, es_filter=only) as theirs,
                ):
                    if vectors_from:
                        theirs._engine._vectors._few = few
                    for opened, filters in ((ours, Filters.of(abs="equal")), (theirs, Filters())):
                        assert ids(opened.similar("d#f0", k=k, filters=filters)) == by_image
                        assert [found.figure for found in opened._engine.near_pair(query, k, filters)] == by_pair


@pytest.mark.parametrize("similarity", ["cosine", "dot_product"])
@pytest.mark.parametrize("quantisation", ["hnsw", "int8_hnsw", "int4_flat"])
def test_scores_are_cosines_however_vectors_are_kept(
    cluster: Any, client: Elasticsearch, name: str, tmp_path: Path, similarity: str, quantisation: str
) -> None:
    folder = write_index(tmp_path / "index", many(40, 2))
    load(client, name, folder, quantisation=quantisation, similarity=similarity)
    query = 7 * np.random.default_rng(3).standard_normal(IMAGE_DIM).astype(np.float32)
    with Index.open(folder) as embedded, Index.connect(cluster.url, name) as opened:
        theirs, mine = (each._engine.near_image(query, 5, Filters()) for each in (embedded, opened))
        assert [found.score for found in mine] == pytest.approx([found.score for found in theirs], abs=1e-4)


# opening


def test_a_filter_of_the_servers_own_language_restricts_everything(cluster: Any, pushed: str, folder: Path) -> None:
    only = {"bool": {"should": [{"prefix": {"pair": "turbine"}}, {"term": {"document": "old"}}]}}
    for vectors_from in ({}, {"folder": folder}):
        with Index.connect(cluster.url, pushed, es_filter=only, model=FakeModel(), **vectors_from) as opened:
            assert ids(opened.search("")) == ids(opened.search("*")) == ["turbine#f1", "old#f9"]
            assert set(ids(opened.similar("traffic#f1"))) == {"turbine#f1", "old#f9"}
            assert set(ids(opened.search("waves", figure="traffic#f1"))) == {"turbine#f1", "old#f9"}
            assert ids(
                opened.similar(image=Image.new("RGB", (4, 4)), text="waves", abs="equal", k=1, document="old")
            ) == ["old#f9"]


@pytest.mark.parametrize("wrong", [{"nothing": {}}, {"term": {"abs": {"colour": "red"}}}, {}])
def test_a_filter_that_the_server_does_not_understand_is_one_line(
    cluster: Any, pushed: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="does not understand") as caught:
        Index.connect(cluster.url, pushed, es_filter=wrong)
    assert "\n" not in str(caught.value)


def test_an_index_without_vectors_is_searched_by_words_alone(
    cluster: Any, client: Elasticsearch, name: str, folder: Path
) -> None:
    load(client, name, folder, vectors="faiss")
    with Index.connect(cluster.url, name, model=FakeModel()) as opened:
        assert ids(opened.search("gel")) == ["old#f9"]
        for search in (lambda: opened.similar("old#f9"), lambda: opened.search("gel", figure="old#f9")):
            with pytest.raises(UsageError, match="pushed without vectors"):
                search()
    with pytest.raises(UsageError, match="pushed without vectors"):
        Index.connect(cluster.url, name, vectors="elasticsearch")
    with Index.connect(cluster.url, name, folder=folder) as opened:
        assert len(opened.similar("old#f9")) == 3


def test_pairs_that_the_cluster_refused_cost_no_results(
    cluster: Any, client: Elasticsearch, name: str, tmp_path: Path
) -> None:
    folder = write_index(tmp_path / "index", many(20, 1))
    index = load(client, name, folder)
    for number in range(0, 20, 2):
        client.delete(index=index, id=f"d-f{number:03}-0", refresh=True)
    meta = live_index(client, name).meta
    write_meta(client, index, meta.model_copy(update={"pairs": 10}))
    with Index.connect(cluster.url, name, folder=folder, model=FakeModel()) as opened:
        picture = Image.new("RGB", (4, 4), "red")
        assert len(opened.similar(image=picture, k=7)) == len(opened.similar(image=picture, text="zebra", k=7)) == 7
        assert len(opened.similar(image=picture, k=20)) == 10


def test_a_folder_of_another_state_is_refused(cluster: Any, pushed: str, tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", DOCUMENTS[:2])
    with pytest.raises(UsageError, match="another state than was pushed"):
        Index.connect(cluster.url, pushed, folder=other)
    with pytest.raises(UsageError, match="need the folder"):
        Index.connect(cluster.url, pushed, vectors="faiss")
    with pytest.raises(UsageError, match="valid are elasticsearch, faiss"):
        Index.connect(cluster.url, pushed, vectors="both")  # type: ignore[arg-type]


def test_an_open_index_shows_its_state_until_it_is_gone(
    cluster: Any, client: Elasticsearch, name: str, tmp_path: Path
) -> None:
    folder = write_index(tmp_path / "index", [DocumentRow("a", [FigureRow("f", [PairRow("zebra")])])])
    load(client, name, folder)
    with Index.connect(cluster.url, name) as before:
        table = Table.open(folder)
        append(table, [DocumentRow("b", [FigureRow("f", [PairRow("zebra")])])])
        table.mark_published()
        load(client, name, folder)
        assert ids(before.search("zebra")) == ["a#f"]
        with Index.connect(cluster.url, name) as after:
            assert sorted(ids(after.search("zebra"))) == ["a#f", "b#f"]
        client.indices.delete(index=before._engine._server.index)
        for search in (
            lambda: before.search("zebra"),
            lambda: before.search("zebr*"),
            lambda: before.similar("a#f"),
            lambda: before._engine.both("zebra", np.ones(IMAGE_DIM, dtype=np.float32), 10, Filters()),
        ):
            with pytest.raises(AliasError, match="open the index again"):
                search()
