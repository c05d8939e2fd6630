"""Which fields are missing from a mapping, and how they are added without changing what is there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from abs_index.enriching.elements import Fields
from abs_index.enriching.mapping import find, label_fields, plan_additions, resolve_fields
from abs_index.errors import MappingError
from abs_index.model.base import ModelInfo

INFO = ModelInfo("m", "f", 8, 4, 3)
KEYWORD, FLOAT = {"type": "keyword"}, {"type": "float"}
PATHS = {"path": KEYWORD, "caption": {"type": "text"}}


def additions(mapping: dict[str, Any], image: str, text: str, target: str = "", **more: bool) -> Any:
    fields = resolve_fields(mapping, image, text, target, where="it")
    return plan_additions(mapping, fields, label_fields(INFO, **({"vectors": False} | more)))


def test_objects_on_the_way_stay_what_they_are() -> None:
    figure = {"type": "nested", "include_in_root": True, "dynamic": "strict", "properties": PATHS}
    mapping = {"properties": {"a": {"dynamic": "false", "properties": {"figure": figure}}, "title": {"type": "text"}}}
    planned = additions(mapping, "a.figure.path", "title")
    assert planned.properties.keys() == {"a"}
    outer = planned.properties["a"]
    assert (outer["dynamic"], outer["properties"].keys()) == ("false", {"figure"})
    inner = outer["properties"]["figure"]
    assert {key: value for key, value in inner.items() if key != "properties"} == {
        "type": "nested", "include_in_root": True, "dynamic": "strict",
    }  # fmt: skip
    assert inner["properties"].keys() == {"abs", "abs_prob", "kind", "kind_prob", "cmi", "abs_source"}
    assert planned.names[0] == "a.figure.abs"


def test_only_what_is_missing_is_added() -> None:
    there = {
        "abs": KEYWORD | {"ignore_above": 256},
        "abs_prob": {"properties": {"equal": FLOAT}},
        "abs_source": KEYWORD,
    }
    planned = additions({"properties": PATHS | there}, "path", "caption")
    assert planned.names == ("abs_prob.image_more_abstract", "abs_prob.text_more_abstract", "kind", "kind_prob", "cmi")
    assert "equal" not in planned.properties["abs_prob"]["properties"]
    complete = {"properties": PATHS | label_mapping()}
    assert additions(complete, "path", "caption") == type(planned)((), {})


def label_mapping() -> dict[str, Any]:
    return dict(additions({"properties": PATHS}, "path", "caption").properties)


def test_objects_without_objects_in_them_get_names_with_dots() -> None:
    mapping = {"subobjects": False, "properties": {"figure.path": KEYWORD, "figure.caption": {"type": "text"}}}
    planned = additions(mapping, "figure.path", "figure.caption")
    assert planned.properties["figure.abs"] == KEYWORD
    assert planned.properties["figure.abs_prob.equal"] == FLOAT


def test_aliases_of_fields_lead_to_the_field() -> None:
    alias = {"type": "alias", "path": "figure.path"}
    fields = resolve_fields(
        {"properties": {"figure": {"properties": PATHS}, "pic": alias}}, "pic", "figure.caption", "", where="it"
    )
    assert fields.image == ("figure", "path")


def test_fields_of_what_else_is_said_follow_the_rules_of_the_text() -> None:
    figure = {"type": "nested", "properties": PATHS | {"more": {"properties": {"alt": KEYWORD}}}}
    properties = {
        "figure": figure,
        "about": {"type": "text"},
        "said": {"type": "alias", "path": "figure.more.alt"},
        "notes": {"type": "nested", "properties": {"text": KEYWORD}},
    }

    def resolve(**names: str) -> Fields:
        return resolve_fields({"properties": properties}, "figure.path", "about", "", where="it", **names)

    assert (resolve().alt, resolve().caption) == ((), ())
    both = resolve(alt="said", caption="figure.caption")
    assert (both.alt, both.caption) == (("figure", "more", "alt"), ("figure", "caption"))
    for wrong, message in (
        ("figure.alt", "it: no field figure.alt ({}); it has: "),
        ("figure.more", "it: figure.more ({}) is an object; name a field in it: figure.more.alt"),
        ("notes.text", "{} notes.text stands in another nested array than --image-field figure.path: which text"),
        (".alt", "{} '.alt': not the name of a field"),
    ):
        for name in ("alt", "caption"):
            with pytest.raises(MappingError, match=re.escape(message.format(f"--{name}-field"))):
                resolve(**{name: wrong})


@pytest.mark.parametrize(
    ("parent", "fine"),
    [({"dynamic": "false"}, True), ({"dynamic": False}, True), ({"dynamic": "strict"}, False), ({}, False)],
)
def test_fields_that_the_mapping_does_not_know(parent: dict[str, Any], fine: bool) -> None:
    """They can be in documents only where objects take what the mapping does not know."""
    mapping = {"properties": {"figure": {**parent, "properties": {"caption": {"type": "text"}}}}}
    if fine:
        assert "figure.abs" in additions(mapping, "figure.path", "figure.caption").names
    else:
        with pytest.raises(MappingError, match=r"no field figure\.path"):
            additions(mapping, "figure.path", "figure.caption")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"enabled": False}, "is not indexed"),
        ({"properties": {**PATHS, "abs": {"type": "text"}}}, "figure.abs is there with type text"),
        ({"properties": {**PATHS, "abs": {"properties": {"x": KEYWORD}}}}, "figure.abs is there with type object"),
        ({"properties": {**PATHS, "kind_prob": {"type": "double"}}}, "type double, but float is needed"),
        (
            {"properties": {**PATHS, "embedding_pair": {"type": "dense_vector", "dims": 9}}},
            "9 dimensions, but this model gives 3",
        ),
    ],
)
def test_what_stands_in_the_way(node: dict[str, Any], message: str) -> None:
    mapping = {"dynamic": "false", "properties": {"figure": node}}
    with pytest.raises(MappingError, match=message):
        additions(mapping, "figure.path", "figure.caption", vectors=True)


def test_words_in_figures_need_a_field_of_text() -> None:
    assert additions({"properties": PATHS}, "path", "caption", words=True).properties["figure_text"] == {"type": "text"}
    there = {"properties": PATHS | {"figure_text": {"type": "text", "analyzer": "french"}}}
    assert "figure_text" not in additions(there, "path", "caption", words=True).names
    with pytest.raises(MappingError, match="figure_text is there with type keyword, but text is needed"):
        additions({"properties": PATHS | {"figure_text": KEYWORD}}, "path", "caption", words=True)


def test_vectors_above_a_nested_object_can_be_one_only() -> None:
    for extra, alone in (({}, {("figure",)}), ({"include_in_parent": True}, set())):
        mapping = {"properties": {"figure": {"type": "nested", **extra, "properties": PATHS}}}
        assert resolve_fields(mapping, "figure.path", "figure.caption", "", where="it").nested == alone


def test_fields_are_found_by_their_path() -> None:
    mapping = {"properties": {"a.b": {"properties": {"c": KEYWORD}}, "a": {"properties": {"d": FLOAT}}}}
    assert find(mapping, ("a", "b", "c")) == KEYWORD
    assert find(mapping, ("a", "d")) == FLOAT
    assert find(mapping, ("a", "c")) is None
