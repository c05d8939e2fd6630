"""Figures in documents of any shape: found, and labelled without touching the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abs_index.enriching.elements import Fields, Json, find_elements, partial_document

PLAIN = Fields(("figure", "path"), ("figure", "caption"))
DEEP = Fields(("a", "b", "path"), ("a", "title"))


def found(source: Json, fields: Fields = PLAIN) -> list[tuple[str, str, str, str]]:
    elements = find_elements(source, fields)
    return [(element.place, element.image, element.text, element.reason) for element in elements]


def test_text_is_the_nearest_above_the_image() -> None:
    source = {
        "a": [{"title": "One", "b": [{"path": "1"}, {"path": "2"}]}, {"title": "Two", "b": {"path": "3"}}, {"b": []}]
    }
    assert found(source, DEEP) == [
        ("a[0].b[0]", "1", "One", ""),
        ("a[0].b[1]", "2", "One", ""),
        ("a[1].b", "3", "Two", ""),
    ]


def test_text_of_another_figure_is_never_taken() -> None:
    source = {"figure": [{"path": "1", "caption": "One"}, {"path": "2"}], "figure.caption": "of whom?"}
    assert [(image, text, reason) for _, image, text, reason in found(source)] == [
        ("1", "One", ""),
        ("2", "", "no text"),
    ]


def test_text_in_another_array_is_of_no_figure() -> None:
    fields = Fields(("figure", "path"), ("notes", "text"))
    two = {"figure": {"path": "1"}, "notes": [{"text": "x"}, {"text": "y"}]}
    assert found(two, fields) == [("figure", "1", "", "text in another array")]
    assert found(two | {"notes": [{"text": "x"}]}, fields) == [("figure", "1", "x", "")]


def test_text_is_normalised_as_that_of_documents() -> None:
    source = {"figure": {"path": "1", "caption": ["  Soft\u00adly \n\n spoken", "words. ", None, 7]}}
    assert found(source)[0][2] == "Softly spoken words."


def told(source: Json, fields: Fields) -> list[tuple[str, str, str, str]]:
    elements = find_elements(source, fields)
    return [(element.image, element.alt, element.caption, element.reason) for element in elements]


MENTION = Fields(("figure", "path"), ("text",), alt=("figure", "more", "alt"), caption=("figure", "caption"))


@pytest.mark.parametrize(
    ("source", "alt", "caption"),
    [
        ({"figure": {"path": "1", "more": {"alt": "A"}, "caption": "C"}}, "A", "C"),
        ({"figure": {"path": "1", "more.alt": "A", "caption": "C"}}, "A", "C"),
        ({"figure.path": "1", "figure.more.alt": "A", "figure.caption": "C"}, "A", "C"),
        ({"figure.path": "1", "figure.more": {"alt": "A"}, "figure.caption": "C"}, "A", "C"),
        ({"figure": [[{"path": "1", "more": [{"alt": "A"}]}]]}, "A", ""),
        ({"figure": {"path": "1", "caption": ["  Soft\u00adly \n\n spoken", "words. ", None, 7]}},
         "", "Softly spoken words."),
        ({"figure": {"path": "1", "more": {"alt": 7}, "caption": {"x": "C"}}}, "", ""),
        ({"figure": {"path": "1", "more": "A", "caption": None}}, "", ""),
        ({"figure": {"path": "1", "more": [{"alt": "A"}, {"alt": "B"}], "caption": "C"}}, "", "C"),
    ],
)  # fmt: skip
def test_what_else_is_said_of_a_figure(source: Json, alt: str, caption: str) -> None:
    """Found as the text is; where there is none, or where it is not clear which, the figure is no reject."""
    assert told({**source, "text": "See Figure 1."}, MENTION) == [("1", alt, caption, "")]
    (plain,) = find_elements({**source, "text": "See Figure 1."}, Fields(MENTION.image, MENTION.text))
    assert (plain.alt, plain.caption) == ("", ""), "only where it is asked for"


def test_what_is_said_of_another_figure_is_never_taken() -> None:
    source = {
        "text": "See both.",
        "figure": [{"path": "1", "more": {"alt": "A"}}, {"path": "2", "caption": "C"}],
        "figure.caption": "of whom?",
    }
    assert told(source, MENTION) == [("1", "A", "", ""), ("2", "", "C", "")]


def test_caption_of_a_figure_with_several_images_stands_above_them() -> None:
    fields = Fields(DEEP.image, ("text",), alt=("a", "b", "alt"), caption=DEEP.text)
    source = {
        "text": "x",
        "a": [{"title": "One", "b": [{"path": "1", "alt": "A"}, {"path": "2"}]}, {"b": {"path": "3", "alt": "B"}}],
    }
    assert told(source, fields) == [("1", "A", "One", ""), ("2", "", "One", ""), ("3", "B", "", "")]


def test_alternative_text_does_not_stand_in_for_the_text() -> None:
    source = {"figure": {"path": "1", "more": {"alt": "A"}, "caption": "C"}}
    assert [element.reason for element in find_elements(source, MENTION)] == ["no text"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no image in the document"),
        ("", "no image in the document"),
        ([], "no image in the document"),
        (7, "no image in the document"),
        ({"x": 1}, "no image in the document"),
        (["1", "2"], "several images in one field"),
        (["1"], ""),
        ([["1"]], ""),
    ],
)
def test_values_of_the_image_field(value: Any, reason: str) -> None:
    assert [entry[3] for entry in found({"figure": {"path": value, "caption": "x"}})] == [reason]


def test_documents_without_the_object_have_no_figure() -> None:
    for source in ({}, {"figure": None}, {"figure": "text"}, {"figure": []}, {"figure": [None, "x", 3]}):
        assert found(source) == []


@pytest.mark.parametrize(
    ("source", "update"),
    [
        ({"figure": {"path": "1", "caption": "x"}}, {"figure": {"abs": 1}}),
        ({"figure.path": "1", "figure.caption": "x"}, {"figure.abs": 1}),
        ({"figure": [{"path": "1", "caption": "x"}, 5]}, {"figure": [{"path": "1", "caption": "x", "abs": 1}, 5]}),
        (
            {"x.y": 1, "figure": [[{"path": "1", "caption": "x"}]]},
            {"figure": [[{"path": "1", "caption": "x", "abs": 1}]]},
        ),
    ],
)
def test_updates_hold_what_they_must_and_no_more(source: Json, update: Json) -> None:
    (element,) = find_elements(source, PLAIN)
    element.labels = {"abs": 1}
    assert partial_document(source, [element], "") == update


def test_updates_into_an_object_of_their_own() -> None:
    fields = Fields(PLAIN.image, PLAIN.text, target="mine")
    for source, update in (
        ({"figure": {"path": "1", "caption": "x"}}, {"figure": {"mine": {"abs": 1}}}),
        ({"figure.path": "1", "figure.caption": "x"}, {"figure.mine": {"abs": 1}}),
        ({"figure": [{"path": "1", "caption": "x", "mine": {"k": 2}}]},
         {"figure": [{"path": "1", "caption": "x", "mine": {"k": 2, "abs": 1}}]}),
    ):  # fmt: skip
        (element,) = find_elements(source, fields)
        element.labels = {"abs": 1}
        assert partial_document(source, [element], "mine") == update
    (taken,) = find_elements({"figure": {"path": "1", "caption": "x", "mine": 3}}, fields)
    assert taken.reason == "no place for labels"


LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "text of it"])
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "b", "x.y"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def in_arrays(objects: st.SearchStrategy[Json]) -> st.SearchStrategy[Any]:
    """An object, or arrays of objects with other things between them."""
    return objects | st.lists(objects | JUNK, max_size=4) | st.lists(st.lists(objects, max_size=2), max_size=2)


FILES = st.fixed_dictionaries({"path": st.sampled_from(["1.png", "2.png"])}, optional={"other": JUNK})
SECTIONS = st.fixed_dictionaries(
    {"title": st.sampled_from(["One", "Two"])}, optional={"b": in_arrays(FILES), "b.path": st.just("3.png"), "c": JUNK}
)
DOCUMENTS = st.fixed_dictionaries(
    {"a": in_arrays(SECTIONS)},
    optional={"a.b": FILES, "a.b.path": st.just("4.png"), "a.title": st.just("x"), "d": JUNK},
)


def merged(into: Any, update: Any) -> Any:
    """What the server makes of a partial update: objects are merged, everything else is replaced."""
    if not (isinstance(into, dict) and isinstance(update, dict)):
        return update
    return into | {key: merged(into.get(key), value) for key, value in update.items()}


def without(value: Any) -> Any:
    if isinstance(value, list):
        return [without(item) for item in value]
    if isinstance(value, dict):
        return {key: without(item) for key, item in value.items() if key.rpartition(".")[2] != "abs"}
    return value


@given(DOCUMENTS)
def test_any_document_keeps_all_but_its_labels(source: Json) -> None:
    before = copy.deepcopy(source)
    good = [element for element in find_elements(source, DEEP) if not element.reason]
    for number, element in enumerate(good):
        element.labels = {"abs": number}
    after = merged(copy.deepcopy(before), partial_document(source, good, ""))
    assert without(after) == before
    again = [element for element in find_elements(after, DEEP) if not element.reason]
    assert [(element.place, element.image) for element in again] == [(element.place, element.image) for element in good]
    assert [element.container[f"{element.prefix}abs"] for element in again] == list(range(len(good)))
