"""A push makes the cluster hold what the table holds, and sends no more than that takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import AliasError, MappingError, NotAnIndexError, UsageError
from abs_index.indexing.elasticsearch import aliases
from abs_index.indexing.elasticsearch import push as pushing
from abs_index.indexing.elasticsearch.aliases import live_index
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.indexing.table import Table
from abs_index.recipe import ElasticsearchSettings
from tests.elasticsearch.pushing import (
    Stopped,
    assert_same,
    change,
    documents,
    interrupted_push,
    on_server,
    write_index,
)
from tests.search.tables import DOCUMENTS, DocumentRow, FigureRow, PairRow

pytestmark = pytest.mark.clients


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of 40 pairs."""
    return write_index(tmp_path / "index", documents(10))


@pytest.fixture
def options(name: str) -> PushOptions:
    return PushOptions(name, patience=20)


def indices(client: Elasticsearch, name: str) -> list[str]:
    return sorted(client.indices.get(index=f"{name}*"))


def test_everything_arrives_with_all_its_fields(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", DOCUMENTS)
    report = push(folder, client, options)
    assert (report.sent, report.pairs, report.unchanged, report.refused) == (6, 6, 0, 0)
    assert_same(client, options.name, folder)
    document = on_server(client, options.name)["traffic-f1-1"]
    assert document["abs"] == "text_more_abstract"
    assert document["prob"] == document["abs_prob"]["text_more_abstract"] == pytest.approx(0.6)
    assert (document["key"], document["order"]) == ("traffic#f1", 1)
    assert not {"alt", "doi", "group", "licence"} & document.keys()  # what is empty is left out
    meta = live_index(client, options.name).meta
    assert (meta.complete, meta.pairs, meta.table) == (True, 6, Table.open(folder).identity)


def test_a_second_push_sends_nothing(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    first = push(folder, client, options)
    second = push(folder, client, options)
    assert (second.index, second.sent, second.deleted, second.unchanged) == (first.index, 0, 0, 40)


def test_only_what_changed_is_sent(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    first = push(folder, client, options)
    changed = documents(1, 3, texts=1, words="new")  # same ids, fewer pairs
    changed[0].id = "d3"
    change(folder, ["d3", "d7"], [*documents(2, 20), *changed])
    # A changed document has another fingerprint in the table; these tables use its id.
    second = push(folder, client, options)
    assert (second.sent, second.deleted, second.unchanged) == (8 + 2, 2 + 4, 32)
    assert second.index != first.index
    assert_same(client, options.name, folder)
    assert indices(client, options.name) == [first.index, second.index]


def test_another_fingerprint_is_another_document(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    push(folder, client, options)
    text = documents(1, 4, words="rewritten")
    change(folder, ["d4"], text)
    table = Table.open(folder)
    table._dataset.update({"fingerprint": "'other'"}, where="row = 'document' AND document = 'd4'")
    Table.open(folder).mark_published()
    report = push(folder, client, options)
    assert (report.sent, report.deleted, report.unchanged) == (4, 0, 36)
    assert_same(client, options.name, folder)


def test_in_place_changes_the_live_index(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    first = push(folder, client, options)
    change(folder, ["d1"], documents(1, 30))
    second = push(folder, client, replace(options, in_place=True))
    assert (second.index, second.sent, second.deleted) == (first.index, 4, 4)
    assert_same(client, options.name, folder)
    assert live_index(client, options.name).meta.complete


def test_in_place_needs_a_live_index_of_the_same_kind(
    client: Elasticsearch, folder: Path, options: PushOptions
) -> None:
    with pytest.raises(AliasError, match="no alias"):
        push(folder, client, replace(options, in_place=True))
    push(folder, client, options)
    with pytest.raises(AliasError, match="cannot be changed in place"):
        push(folder, client, replace(options, in_place=True, vectors="faiss"))


def test_another_layout_is_a_new_index(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    first = push(folder, client, options)
    settings = ElasticsearchSettings(quantisation="flat", similarity="dot_product", shards=2, replicas="0")
    second = push(folder, client, replace(options, settings=settings))
    assert second.sent == 40
    assert second.index != first.index
    field = client.indices.get_mapping(index=options.name)[second.index]["mappings"]["properties"]["embedding"]
    vector = field["properties"]["image"]
    assert (vector["dims"], vector["similarity"], vector["index_options"]["type"]) == (16, "dot_product", "flat")
    set_ = client.indices.get_settings(index=options.name)[second.index]["settings"]["index"]
    assert (set_["number_of_shards"], set_["number_of_replicas"]) == ("2", "0")
    assert_same(client, options.name, folder)


def test_vectors_may_stay_in_the_folder(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    push(folder, client, replace(options, vectors="faiss"))
    assert_same(client, options.name, folder, vectors=False)
    properties = next(iter(client.indices.get_mapping(index=options.name).values()))["mappings"]["properties"]
    assert "embedding" not in properties
    assert live_index(client, options.name).meta.vectors == "faiss"


def test_vectors_in_both_places_need_nothing_sent_again(
    client: Elasticsearch, folder: Path, options: PushOptions
) -> None:
    push(folder, client, options)
    report = push(folder, client, replace(options, vectors="both"))
    assert (report.sent, report.unchanged) == (0, 40)
    assert live_index(client, options.name).meta.vectors == "both"


def test_earlier_indices_are_kept_as_asked(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    made = []
    for number in range(3):
        change(folder, add=documents(1, 100 + number))
        made.append(push(folder, client, replace(options, keep=1)).index)
    assert indices(client, options.name) == made[1:]
    change(folder, add=documents(1, 200))
    report = push(folder, client, replace(options, keep=0))
    assert report.removed == tuple(made[1:])
    assert indices(client, options.name) == [report.index]


def test_the_new_index_is_as_searchable_as_any(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    for _ in range(2):
        index = push(folder, client, options).index
        settings = client.indices.get_settings(index=index)[index]["settings"]["index"]
        assert "refresh_interval" not in settings
        assert "blocks" not in settings
        assert settings["auto_expand_replicas"] == "0-1"
        change(folder, ["d1"])


def test_an_interrupted_first_push_goes_on(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    interrupted_push(folder, client, options)
    with pytest.raises(AliasError, match="no alias"):
        live_index(client, options.name)
    (left,) = indices(client, options.name)
    report = push(folder, client, options)
    assert report.index == left
    assert report.unchanged > 0
    assert report.sent + report.unchanged == 40
    assert_same(client, options.name, folder)


def test_an_interrupted_push_goes_on_with_a_table_that_changed(
    client: Elasticsearch, folder: Path, options: PushOptions
) -> None:
    interrupted_push(folder, client, options)
    change(folder, ["d0", "d9"], documents(3, 50))
    push(folder, client, options)
    assert_same(client, options.name, folder)


def test_searches_see_the_old_state_while_a_push_runs(
    client: Elasticsearch, folder: Path, options: PushOptions
) -> None:
    push(folder, client, options)
    before = on_server(client, options.name)
    change(folder, ["d1", "d2"], documents(20, 60))
    interrupted_push(folder, client, options)
    assert on_server(client, options.name) == before
    push(folder, client, options)
    assert_same(client, options.name, folder)


def test_what_was_interrupted_in_place_is_made_whole(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    push(folder, client, options)
    change(folder, ["d1", "d2"], documents(20, 60))
    interrupted_push(folder, client, replace(options, in_place=True))
    assert not live_index(client, options.name).meta.complete
    push(folder, client, options)
    assert_same(client, options.name, folder)


def test_a_push_that_was_killed_just_before_its_alias_moved(
    client: Elasticsearch, folder: Path, options: PushOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder, client, options)
    change(folder, ["d1"])

    def killed(*arguments: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(pushing.aliases, "flip", killed)
        with pytest.raises(Stopped):
            push(folder, client, options)
    whole = indices(client, options.name)[-1]
    report = push(folder, client, options)
    assert (report.index, report.sent, report.deleted) == (whole, 0, 0)
    assert_same(client, options.name, folder)


def test_a_leftover_of_another_kind_is_removed(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    interrupted_push(folder, client, options)
    report = push(folder, client, replace(options, vectors="faiss"))
    assert indices(client, options.name) == [report.index]


def test_an_empty_index(client: Elasticsearch, tmp_path: Path, options: PushOptions) -> None:
    folder = write_index(tmp_path / "empty", [])
    assert push(folder, client, options).pairs == 0
    assert on_server(client, options.name) == {}
    change(folder, add=documents(1))
    push(folder, client, options)
    change(folder, ["d0"])
    assert push(folder, client, options).deleted == 4


def test_the_folder_must_hold_an_index(client: Elasticsearch, tmp_path: Path, options: PushOptions) -> None:
    with pytest.raises(NotAnIndexError):
        push(tmp_path, client, options)


# names


def test_an_index_with_the_name_is_not_touched(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    client.index(index=options.name, document={"theirs": 1}, refresh=True)
    with pytest.raises(AliasError, match=r"index .* was not made by abs-index"):
        push(folder, client, options)
    assert client.count(index=options.name)["count"] == 1
    assert indices(client, options.name) == [options.name]


def test_an_alias_of_others_is_not_touched(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    other = f"{options.name}-theirs"
    client.indices.create(index=other, aliases={options.name: {}})
    with pytest.raises(AliasError, match="was not made by abs-index"):
        push(folder, client, options)
    client.indices.create(index=f"{other}-2", aliases={options.name: {}})
    with pytest.raises(AliasError, match="at several indices"):
        push(folder, client, options)
    assert indices(client, options.name) == [other, f"{other}-2"]


def test_another_schema_version(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    index = push(folder, client, options).index
    meta = live_index(client, options.name).meta
    client.indices.put_mapping(index=index, meta={"abs_index": meta.model_dump() | {"schema_version": 99}})
    with pytest.raises(AliasError, match="schema version 99, this abs-index knows 1"):
        push(folder, client, options)


def test_indices_of_other_names_and_of_others_stay(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    neighbour = push(folder, client, replace(options, name=f"{options.name}-two")).index
    theirs = f"{options.name}-x-20200101000000-aaaa"
    client.indices.create(index=theirs)
    first = push(folder, client, options).index
    change(folder, ["d1"])
    second = push(folder, client, replace(options, keep=0)).index
    assert indices(client, options.name) == sorted([neighbour, theirs, second])
    assert first not in indices(client, options.name)


def test_an_old_index_that_has_another_alias_stays(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    first = push(folder, client, options).index
    client.indices.put_alias(index=first, name=f"{options.name}-frozen")
    change(folder, ["d1"])
    report = push(folder, client, replace(options, keep=0))
    assert report.removed == ()
    assert indices(client, options.name) == [first, report.index]


def test_only_one_of_two_pushes_at_once_wins(
    client: Elasticsearch, folder: Path, options: PushOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each moves the alias, another push finishes: for the first one of a name, and for a later one."""
    finish = pushing.aliases.flip

    def late(*arguments: object) -> None:
        monkeypatch.setattr(pushing.aliases, "flip", finish)
        winners.append(push(folder, client, options).index)
        finish(*arguments)  # type: ignore[arg-type]

    winners: list[str] = []
    for _ in range(2):
        monkeypatch.setattr(pushing.aliases, "flip", late)
        monkeypatch.setattr(pushing._Push, "_unfinished", lambda self, live: iter(()))
        with pytest.raises(AliasError, match="changed by another push at the same time"):
            push(folder, client, options)
        assert live_index(client, options.name).index == winners[-1]
        assert_same(client, options.name, folder)
        change(folder, ["d2"], documents(1, 70))


def test_a_push_stopped_before_its_alias_was_made(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    aliases._reserve(client, options.name)
    with pytest.raises(AliasError, match="no alias"):
        live_index(client, options.name)
    push(folder, client, options)
    assert_same(client, options.name, folder)


@pytest.mark.parametrize("name", ["Figures", "_all", "a b", "a,b", "a*", "-a", "a" * 201, "x-abs-y", "", "figüres"])
def test_names_that_cannot_be(client: Elasticsearch, folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        push(folder, client, PushOptions(name))


# templates


def test_a_missing_analyser_is_told_before_anything_is_made(
    client: Elasticsearch, folder: Path, options: PushOptions
) -> None:
    with pytest.raises(MappingError, match=r"no analyser 'klingon'.*--analyzer"):
        push(folder, client, replace(options, analyzer="klingon"))
    assert indices(client, options.name) == []
    assert not client.indices.exists_index_template(name=f"abs-index-{options.name}")


def test_another_analyser(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    push(folder, client, options)
    assert client.count(index=options.name, q="text:texts")["count"] == 40  # stemmed
    push(folder, client, replace(options, analyzer="standard"))
    assert client.count(index=options.name, q="text:texts")["count"] == 0
    assert client.count(index=options.name, q="text:text")["count"] == 40


def test_templates_of_others_are_not_replaced(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    theirs = f"abs-index-{options.name}"
    client.indices.put_index_template(name=theirs, index_patterns=[f"{options.name}-x"], priority=7)
    with pytest.raises(MappingError, match="not of abs-index"):
        push(folder, client, options)
    assert client.indices.get_index_template(name=theirs)["index_templates"][0]["index_template"]["priority"] == 7


@pytest.fixture
def other_template(client: Elasticsearch, options: PushOptions) -> Iterator[str]:
    name = f"other-{options.name}"
    yield name
    client.options(ignore_status=404).indices.delete_index_template(name=name)


@pytest.mark.parametrize(("priority", "message"), [(900, "takes precedence"), (500, "same priority")])
def test_a_template_in_the_way(
    client: Elasticsearch, folder: Path, options: PushOptions, other_template: str, priority: int, message: str
) -> None:
    client.indices.put_index_template(name=other_template, index_patterns=[f"{options.name}-*"], priority=priority)
    with pytest.raises(MappingError, match=message):
        push(folder, client, options)
    assert indices(client, options.name) == []


def test_a_layout_that_the_server_does_not_take(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    with pytest.raises(MappingError, match="dimensions"):
        push(folder, client, replace(options, settings=ElasticsearchSettings(quantisation="bbq_hnsw")))


def test_the_mapping_takes_no_unknown_field(client: Elasticsearch, folder: Path, options: PushOptions) -> None:
    push(folder, client, options)
    answer = client.bulk(index=options.name, operations=[{"index": {}}, {"pair": "x", "colour": "red"}])
    assert answer["items"][0]["index"]["error"]["type"] == "strict_dynamic_mapping_exception"


# vectors and numbers that are none


def test_what_has_no_direction_is_left_out_and_counted(
    client: Elasticsearch, options: PushOptions, tmp_path: Path
) -> None:
    tiny, zero, nan = [1e-30] * 12, [0.0] * 12, [float("nan")] + [1.0] * 11
    infinite = [float("inf")] * 16
    figures = [
        FigureRow("f1", [PairRow("a", vector=tiny), PairRow("b", vector=zero), PairRow("c", vector=nan)]),
        FigureRow("f2", [PairRow("d", prob=float("nan"))], vector=infinite),
    ]
    folder = write_index(tmp_path / "index", [DocumentRow("d", figures)])
    report = push(folder, client, options)
    assert (report.sent, report.refused, report.vectors_left_out, report.numbers_left_out) == (4, 0, 3, 3)
    found = on_server(client, options.name)
    assert np.linalg.norm(found["d-f1-0"]["embedding.pair"]) == pytest.approx(1, abs=1e-6)
    assert [key for key in found if "embedding.pair" not in found[key]] == ["d-f1-1", "d-f1-2"]
    assert [key for key in found if "embedding.image" not in found[key]] == ["d-f2-0"]
    assert not {"prob", "abs_prob"} & found["d-f2-0"].keys()
    assert "null" not in json.dumps(found)
    assert_same(client, options.name, folder)
