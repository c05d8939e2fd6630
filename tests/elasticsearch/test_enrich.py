"""Enriching an index of a user's own: labels are put beside images, and nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.enriching.enrich import enrich
from abs_index.enriching.labelling import LabelSettings
from abs_index.errors import MappingError
from abs_index.labels import ABS, KINDS
from tests.elasticsearch.own_index import (
    FIGURE,
    KEYWORD,
    LABELS,
    TEXT,
    TITLE,
    Json,
    figure,
    make_index,
    options,
    state,
    write_images,
)
from tests.fakes import IMAGE_DIM, PAIR_DIM, FakeModel, FakeReader, ReadingModel, write_image


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def make(client: Elasticsearch, name: str) -> Callable[..., None]:
    """Makes the index `name` with a mapping and documents, whose ids count from 0."""
    return partial(make_index, client, name)


def without_labels(value: Any) -> Any:
    if isinstance(value, list):
        return [without_labels(item) for item in value]
    if isinstance(value, dict):
        names = {*LABELS, "embedding_pair", "embedding_image"}
        return {key: without_labels(item) for key, item in value.items() if key.rpartition(".")[2] not in names}
    return value


def check_labels(figure: Json, prefix: str = "") -> None:
    assert figure[f"{prefix}abs"] in ABS
    assert figure[f"{prefix}kind"] in KINDS
    assert set(figure[f"{prefix}abs_prob"]) == set(ABS)
    assert sum(figure[f"{prefix}abs_prob"].values()) == pytest.approx(1, abs=1e-4)
    assert max(figure[f"{prefix}abs_prob"], key=figure[f"{prefix}abs_prob"].get) == figure[f"{prefix}abs"]


def test_one_figure_in_an_object(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    make({"figure": FIGURE, **TITLE}, [{"title": f"t {n}", "year": 2000 + n, "figure": figure(n)} for n in range(6)])
    before = state(client, name)
    model = FakeModel()
    summary = enrich(client, name, model, options(images))
    after = state(client, name)
    assert (summary.documents, summary.written, summary.labelled, summary.unchanged) == (6, 6, 6, 0)
    assert sum(summary.labels.values()) == model.images_seen == 6
    for key, document in after.items():
        check_labels(document["source"]["figure"])
        assert without_labels(document["source"]) == before[key]["source"]
    again = enrich(client, name, model, options(images))
    assert (again.written, again.labelled, again.unchanged, model.images_seen) == (0, 0, 6, 6)
    assert state(client, name) == after
    count = client.count(index=name, query={"range": {"figure.abs_prob.equal": {"gte": 0}}})["count"]
    assert count == 6
    facet = client.search(index=name, size=0, aggs={"abs": {"terms": {"field": "figure.abs"}}})
    assert {b["key"]: b["doc_count"] for b in facet["aggregations"]["abs"]["buckets"]} == summary.labels


NESTED = {"type": "nested", **FIGURE}


@pytest.mark.clients
@pytest.mark.parametrize("figures", [FIGURE, NESTED], ids=["plain", "nested"])
def test_arrays_of_figures(client: Elasticsearch, name: str, make: Any, images: Path, figures: Json) -> None:
    """Elements that lack an image or a text are left as they are, and counted."""
    documents = [
        {"title": "two", "figures": [figure(0), figure(1)]},
        {"title": "gaps", "figures": [{"caption": "No image."}, figure(2), {"path": "3.png"}, figure(9)]},
        {"title": "null", "figures": [None, figure(4, path=None), figure(5, caption=["Of two", "parts."])]},
        {"title": "none"},
        {"title": "empty", "figures": []},
        {"title": "one", "figures": figure(6)},
    ]
    make({"figures": figures, **TITLE}, documents, shards=2)
    before = state(client, name)
    summary = enrich(client, name, FakeModel(), options(images, "figures.path", "figures.caption"))
    after = state(client, name)
    assert {key: without_labels(document["source"]) for key, document in after.items()} == {
        key: document["source"] for key, document in before.items()
    }
    assert summary.rejects == {"no image in the document": 4, "no text": 1, "image file missing": 1}
    assert (summary.labelled, summary.written, summary.documents) == (5, 4, 6)
    labelled = {
        (key, at)
        for key, document in after.items()
        for at, item in enumerate(in_list(document["source"].get("figures", [])))
        if item and "abs" in item
    }
    assert labelled == {("0", 0), ("0", 1), ("1", 1), ("2", 2), ("5", 0)}
    for key, at in labelled:
        check_labels(in_list(after[key]["source"]["figures"])[at])
    assert client.indices.get_mapping(index=name)[name]["mappings"]["properties"]["figures"].get("type") == figures.get(
        "type"
    )
    if figures is NESTED:
        query = {"nested": {"path": "figures", "query": {"exists": {"field": "figures.abs"}}}}
        assert client.count(index=name, query=query)["count"] == 4


def in_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_arrays_in_arrays_with_the_text_above(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    files = {"type": "nested", "properties": {"path": KEYWORD}}
    sections = {"properties": {"heading": TEXT, "files": files}}
    make(
        {"body": {"properties": {"sections": sections, "words": {"type": "long"}}}},
        [{"body": {"words": 7, "sections": [
            {"heading": "Waves", "files": [{"path": "0.png"}, {"path": "sub/1.png"}]},
            {"heading": "Empty"},
            {"heading": "Currents", "files": {"path": "2.png"}},
        ]}}],
    )  # fmt: skip
    before = state(client, name)["0"]["source"]
    summary = enrich(client, name, FakeModel(), options(images, "body.sections.files.path", "body.sections.heading"))
    after = state(client, name)["0"]["source"]
    assert without_labels(after) == before
    assert [row["text"] for row in summary.sample] == ["Waves", "Waves", "Currents"]
    assert [row["place"] for row in summary.sample] == [
        "body.sections[0].files[0]", "body.sections[0].files[1]", "body.sections[2].files"
    ]  # fmt: skip
    check_labels(after["body"]["sections"][2]["files"])


def test_labels_are_those_of_the_model(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    from PIL import Image

    make({"image": KEYWORD, "about": TEXT}, [{"image": "sub/3.png", "about": "The  heart\nof a frog."}])
    model = FakeModel()
    enrich(client, name, model, options(images, "image", "about"))
    found = state(client, name)["0"]["source"]
    check_labels(found)
    with Image.open(images / "sub" / "3.png") as picture:
        features = model.encode_images(model.preprocess(picture)[None])
    said = model.encode_pairs(features, ["The heart of a frog."], ["caption"])
    assert [found["abs_prob"][label] for label in ABS] == pytest.approx(said.abs_prob[0], abs=1e-6)
    assert found["kind"] == KINDS[int(said.kind_prob[0].argmax())]
    assert found["cmi"] == pytest.approx(said.cmi[0], abs=1e-6)


ODD: Json = {
    "long": 123456789012345678901234567890,
    "deep": [[1, 2.0, [3e-7, {"a": None}]], [], {}, "ünï – 𝛼", True, 0.1, 1e22, -0.0, 12345678.123456789],
    "path.with.dots": {"x.y": 1},
    "": "empty key is not allowed, so: ",
}
del ODD[""]


@pytest.mark.clients
@pytest.mark.parametrize("plain", [True, False], ids=["object", "array"])
def test_everything_else_stays_as_it_was(
    client: Elasticsearch, name: str, make: Any, images: Path, plain: bool
) -> None:
    """Also fields that the mapping does not know, numbers of any length, vectors, routing."""
    odd = {"type": "object", "enabled": False}
    own = {"v": {"type": "dense_vector", "dims": 3}, "odd": odd}
    make({"figure": {"type": "nested", "properties": {**FIGURE["properties"], **own}}, **own}, [], dynamic=False)
    inside = figure(1, odd=ODD, v=[0.5, 2, 1.25], unknown={"b": [1.0, 1]})
    document = {
        "v": [1, 2, 3],
        "odd": ODD,
        "unknown": [1.5, {"c": ODD}],
        "figure": inside if plain else [inside, figure(2)],
    }
    client.index(index=name, id="ä/ö #1", document=document, routing="r 1", refresh=True)
    before = state(client, name)
    summary = enrich(client, name, FakeModel(), options(images))
    assert summary.labelled == (1 if plain else 2)
    after = state(client, name)
    # As text, because 1 and 1.0 are equal but not the same; the server writes keys in an order of its own.
    kept, was = without_labels(after["ä/ö #1"]["source"]), before["ä/ö #1"]["source"]
    assert json.dumps(kept, sort_keys=True) == json.dumps(was, sort_keys=True)
    assert after["ä/ö #1"]["routing"] == "r 1"
    nearest = client.search(index=name, knn={"field": "v", "query_vector": [1, 2, 3], "k": 1, "num_candidates": 5})
    assert nearest["hits"]["hits"][0]["_score"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dynamic", ["strict", False, True, "runtime"])
def test_fields_get_their_types_whatever_the_mapping_does_with_new_ones(
    client: Elasticsearch, name: str, make: Any, images: Path, dynamic: Any
) -> None:
    make({"figure": {"type": "nested", "dynamic": dynamic, **FIGURE}}, [{"figure": [figure(0)]}], dynamic=dynamic)
    before = client.indices.get_mapping(index=name)[name]["mappings"]
    summary = enrich(client, name, FakeModel(), options(images, vectors=True))
    after = client.indices.get_mapping(index=name)[name]["mappings"]
    added = {
        key: after["properties"]["figure"]["properties"].pop(key)
        for key in (*LABELS, "embedding_pair", "embedding_image")
    }
    assert after == before
    assert added["abs"] == added["kind"] == added["abs_source"] == {"type": "keyword"}
    assert added["kind_prob"] == added["cmi"] == {"type": "float"}
    assert {name: field["type"] for name, field in added["abs_prob"]["properties"].items()} == dict.fromkeys(
        ABS, "float"
    )
    assert (added["embedding_pair"]["dims"], added["embedding_image"]["dims"]) == (PAIR_DIM, IMAGE_DIM)
    assert len(summary.added_fields) == 10
    assert "figure.abs_prob.equal" in summary.added_fields


def test_keys_with_dots(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    """Labels are written in the manner of the document."""
    make(
        {"figure": FIGURE, "meta": {"properties": {"figure": FIGURE}}},
        [
            {"figure.path": "0.png", "figure.caption": "Dots.", "figure.n": 1},
            {"figure": {"path": "1.png", "caption": "No dots."}},
        ],
    )
    before = state(client, name)
    summary = enrich(client, name, FakeModel(), options(images))
    after = state(client, name)
    assert summary.labelled == 2
    check_labels(after["0"]["source"], "figure.")
    check_labels(after["1"]["source"]["figure"])
    assert {key: without_labels(found["source"]) for key, found in after.items()} == {
        key: found["source"] for key, found in before.items()
    }
    assert client.count(index=name, query={"exists": {"field": "figure.abs"}})["count"] == 2
    assert enrich(client, name, FakeModel(), options(images)).unchanged == 2


def test_labels_in_an_object_of_their_own(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    make(
        {"image": KEYWORD, "about": TEXT, "abs": {"type": "boolean"}}, [{"image": "1.png", "about": "x y", "abs": True}]
    )
    with pytest.raises(
        MappingError, match="field abs is there with type boolean, but keyword is needed; see --target-field"
    ):
        enrich(client, name, FakeModel(), options(images, "image", "about"))
    assert state(client, name)["0"]["version"] == 1
    enrich(client, name, FakeModel(), options(images, "image", "about", target_field="figure"))
    found = state(client, name)["0"]["source"]
    check_labels(found.pop("figure"))
    assert found == {"image": "1.png", "about": "x y", "abs": True}
    assert enrich(client, name, FakeModel(), options(images, "image", "about", target_field="figure")).unchanged == 1


def test_what_changed_is_labelled_again(client: Elasticsearch, name: str, make: Any, tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", (number * 60, 9, 90))
    make({"figure": FIGURE}, [{"figure": figure(number)} for number in range(3)])
    model = FakeModel()
    enrich(client, name, model, options(tmp_path))
    write_image(tmp_path / "0.png", (250, 250, 3))
    client.update(index=name, id="1", doc={"figure": {"caption": "Something else."}}, refresh=True)
    changed = enrich(client, name, model, options(tmp_path))
    assert (changed.labelled, changed.unchanged) == (2, 1)
    other = enrich(client, name, FakeModel("other", seed=5), options(tmp_path))
    assert (other.labelled, other.unchanged) == (3, 0)


def test_dry_run_says_everything_and_writes_nothing(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    make({"figure": FIGURE}, [{"figure": figure(number)} for number in range(7)])
    before, mapping = state(client, name), client.indices.get_mapping(index=name)[name]
    dry = enrich(client, name, FakeModel(), options(images, dry_run=True))
    assert state(client, name) == before
    assert client.indices.get_mapping(index=name)[name] == mapping
    wet = enrich(client, name, FakeModel(), options(images))
    assert (dry.labelled, dry.labels, dry.kinds, dry.added_fields) == (7, wet.labels, wet.kinds, wet.added_fields)
    assert dry.sample[0].keys() == {"document", "place", "image", "text", "abs", "abs_prob", "kind", "kind_prob", "cmi"}
    assert (dry.written, wet.written) == (0, 7)


# words in figures


@pytest.mark.clients
def test_words_in_figures_are_a_field_to_search(client: Elasticsearch, name: str, make: Any, tmp_path: Path) -> None:
    for number, colour in enumerate(((250, 10, 20), (10, 200, 30), (0, 0, 255))):
        write_image(tmp_path / f"{number}.png", colour)
    make({"figure": FIGURE}, [{"figure": figure(number)} for number in range(3)])
    assert enrich(client, name, FakeModel(), options(tmp_path)).labelled == 3
    given, model = options(tmp_path, reader=FakeReader()), ReadingModel()
    summary = enrich(client, name, model, given)
    assert (summary.labelled, summary.without_words) == (3, 1)
    assert summary.added_fields == ("figure.figure_text",)
    assert sorted(model.told) == ["", "", "reader saw 10 20"]
    after = state(client, name)
    assert [after[str(n)]["source"]["figure"]["figure_text"] for n in range(3)] == ["reader saw 10 20", "", None]
    query = {"match": {"figure.figure_text": "saw"}}
    assert client.count(index=name, query=query)["count"] == 1
    for again in (given, options(tmp_path)):
        assert enrich(client, name, model, again).unchanged == 3
    client.update(index=name, id="0", doc={"figure": {"caption": "Something else."}}, refresh=True)
    assert enrich(client, name, model, options(tmp_path)).labelled == 1
    assert state(client, name)["0"]["source"]["figure"]["figure_text"] is None
    assert client.count(index=name, query=query)["count"] == 0


# alternative texts and captions


@pytest.mark.clients
def test_alternative_text_and_caption_are_told(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    """Also where they stand apart from the image; labels that nothing is told for stay as an earlier run made them."""
    make(
        {"image": KEYWORD, "text": TEXT, "alt": TEXT, "about": {"properties": {"legend": TEXT}}},
        [
            {"image": "0.png", "text": "See 1.", "alt": "A map.", "about": {"legend": ["Rivers", "of Asia."]}},
            {"image": "1.png", "text": "See 2.", "about.legend": "Roads."},
            {"image": "2.png", "text": "See 3.", "about": [{"legend": "of this?"}, {"legend": "or of that?"}]},
            {"image": "3.png", "text": "See 4.", "alt": None},
        ],
    )
    before, mention = state(client, name), LabelSettings(role="mention")
    plain = replace(options(images, "image", "text"), labels=mention)
    given = replace(plain, alt_field="alt", caption_field="about.legend")
    assert enrich(client, name, FakeModel(), plain).labelled == 4
    first, model = state(client, name), ReadingModel()
    summary = enrich(client, name, model, given)
    assert (summary.labelled, summary.unchanged, summary.rejects) == (2, 2, {})
    assert sorted(model.told) == ["A map. Rivers of Asia.", "Roads."]
    after = state(client, name)
    for key, changes in (("0", True), ("1", True), ("2", False), ("3", False)):
        assert without_labels(after[key]["source"]) == before[key]["source"]
        assert (after[key]["source"]["abs_prob"] != first[key]["source"]["abs_prob"]) is changes
    assert enrich(client, name, model, given).unchanged == 4
    client.update(index=name, id="3", doc={"alt": "A plan."}, refresh=True)
    changed = enrich(client, name, model, given)
    assert (changed.labelled, changed.unchanged, model.told[2:]) == (1, 3, ["A plan."])


# vectors


def test_vectors_of_nested_figures_can_be_searched(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    make({"figures": NESTED}, [{"figures": [figure(0), figure(1)]}, {"figures": [figure(2)]}])
    given = options(images, "figures.path", "figures.caption", vectors=True)
    plain = enrich(client, name, FakeModel(), options(images, "figures.path", "figures.caption"))
    summary = enrich(client, name, FakeModel(), given)
    assert (plain.labelled, summary.labelled, summary.without_vectors) == (3, 3, 0)
    vector = state(client, name)["0"]["source"]["figures"][1]["embedding_pair"]
    assert len(vector) == PAIR_DIM
    assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-5)
    hits = client.search(
        index=name,
        knn={"field": "figures.embedding_pair", "query_vector": vector, "k": 1, "num_candidates": 9,
             "inner_hits": {"_source": False, "fields": ["figures.path"]}},
    )["hits"]["hits"]  # fmt: skip
    assert hits[0]["_id"] == "0"
    assert hits[0]["inner_hits"]["figures"]["hits"]["hits"][0]["fields"]["figures"][0]["path"] == ["1.png"]
    # Once there, vectors never stay behind the labels, also where a later run does not ask for any.
    assert enrich(client, name, FakeModel(), given).unchanged == 3
    without = options(images, "figures.path", "figures.caption")
    assert enrich(client, name, FakeModel(), without).unchanged == 3
    assert enrich(client, name, FakeModel("other", 3), without).labelled == 3
    assert state(client, name)["0"]["source"]["figures"][1]["embedding_pair"] != vector


def test_figures_of_a_plain_array_get_labels_without_vectors(
    client: Elasticsearch, name: str, make: Any, images: Path
) -> None:
    """The server indexes one vector a field and object."""
    make({"figures": FIGURE}, [{"figures": [figure(0), figure(1)]}, {"figures": [figure(2)]}])
    given = options(images, "figures.path", "figures.caption", vectors=True)
    summary = enrich(client, name, FakeModel(), given)
    assert (summary.labelled, summary.without_vectors, summary.refused) == (3, 2, 0)
    found = state(client, name)
    assert "embedding_pair" in found["1"]["source"]["figures"][0]
    assert "embedding_pair" not in found["0"]["source"]["figures"][0]
    assert enrich(client, name, FakeModel(), given).unchanged == 3


def test_vectors_of_another_length_are_a_conflict(client: Elasticsearch, name: str, make: Any, images: Path) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0)}])
    enrich(client, name, FakeModel(), options(images, vectors=True))
    with pytest.raises(MappingError, match="embedding_pair is there with 12 dimensions, but this model gives 20"):
        enrich(client, name, FakeModel(pair_dim=20), options(images, vectors=True))
