from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.errors import QueryError
from abs_index.indexing.structures import Structures
from abs_index.search.embedded.dialect import TantivyDialect
from abs_index.search.query import parse_query

RING, STOP, QUEUE, BLADES, TURBINE, GEL = range(6)
"""Ordinals of the pairs of `DOCUMENTS`."""
ALL = {RING, STOP, QUEUE, BLADES, TURBINE, GEL}


def find(structures: Structures, query: str) -> set[int]:
    parsed = parse_query(query, TantivyDialect(structures.lexical))
    assert parsed is not None
    return set(structures.lexical.search(parsed, 100).ordinals.tolist())


MEANINGS: list[tuple[str, set[int] | None]] = [
    # words; they are also found in the title and the caption
    ("electrophoresis", {GEL}),
    ("TURBINES", {BLADES, TURBINE}),
    ("traffic", {RING, STOP, QUEUE, TURBINE}),
    ("electrophoresis turbines", {GEL, BLADES, TURBINE}),
    ("three-blades", {TURBINE}),
    ("stop-and-go", {STOP}),
    # operators
    ("blades AND traffic", {TURBINE}),
    ("blades && traffic", {TURBINE}),
    ("blades OR gel", {BLADES, TURBINE, GEL}),
    ("blades || gel", {BLADES, TURBINE, GEL}),
    ("+blades traffic", {BLADES, TURBINE}),
    ("blades -traffic", {BLADES}),
    ("blades NOT traffic", {BLADES}),
    ("blades !traffic", {BLADES}),
    ("blades AND NOT traffic", {BLADES}),
    ("NOT traffic", {BLADES, GEL}),
    ("-traffic", {BLADES, GEL}),
    ("!traffic", {BLADES, GEL}),
    ("!(traffic gel)", {BLADES}),
    ("NOT NOT traffic", {RING, STOP, QUEUE, TURBINE}),
    ("gel OR NOT traffic", {BLADES, GEL}),
    ("gel OR blades AND traffic", {GEL, TURBINE}),
    ("(gel OR blades) AND traffic", {TURBINE}),
    # an AND beside words requires both of its sides
    ("gel blades AND abs:equal", {BLADES}),
    ("gel blades && abs:equal", {BLADES}),
    # phrases
    ('"dense traffic"', {RING, STOP}),
    ('"traffic dense"', set()),
    ('text:"stop waves"', set()),
    ('text:"stop waves"~2', {STOP}),
    # fields
    ("text:traffic", {RING, TURBINE}),
    ("title:wind", {BLADES, TURBINE}),
    ("section:results", {STOP}),
    ("keywords:queue", {RING, STOP, QUEUE}),
    ("authors:lovelace", {RING, STOP, QUEUE}),
    ("text:(gel OR cars)", {GEL, QUEUE}),
    ("abs:equal", {BLADES, GEL}),
    ("abs:EQUAL", {BLADES, GEL}),
    ("abs:(equal OR text_more_abstract)", {STOP, QUEUE, BLADES, GEL}),
    ("kind:photo AND role:caption", {QUEUE, TURBINE, GEL}),
    ('journal:"L\'Eau (Paris)"', {RING, STOP, QUEUE}),
    ('container:"Drugs in R&D: \\"Special\\" \\\\ Issue"', {BLADES, TURBINE}),
    ("journal:Drugs", set()),
    ("journal:Drugs*", {BLADES, TURBINE}),
    ("language:fr", {BLADES, TURBINE}),
    ("document:traffic", {RING, STOP, QUEUE}),
    ("figure:f1", {RING, STOP, BLADES, TURBINE}),
    ("figure:turbine#f1", {BLADES, TURBINE}),
    # numbers
    ("year:2015", {RING, STOP, QUEUE}),
    ("year:[2010 TO 2020]", {RING, STOP, QUEUE}),
    ("year:[2015 TO 2021}", {RING, STOP, QUEUE}),
    ("year:{2015 TO 2021]", {BLADES, TURBINE}),
    ("year:[2016 TO *]", {BLADES, TURBINE}),
    ("year:>=2015", {RING, STOP, QUEUE, BLADES, TURBINE}),
    ("year:<2021", {RING, STOP, QUEUE}),
    ("year:[* TO *]", {RING, STOP, QUEUE, BLADES, TURBINE}),
    ("abs_prob:>=0.9", {RING, GEL}),
    ("abs_prob:>0.9", {GEL}),
    ("abs_prob:[0.6 TO 0.7]", {STOP, QUEUE}),
    ("cmi:>0.5", {STOP, TURBINE}),
    ("cmi:<=0.3", {RING, BLADES}),
    ("cmi:0.7", {TURBINE}),
    ("cmi:*", {RING, STOP, QUEUE, BLADES, TURBINE}),
    # words in pictures, in their own field only
    ("figure_text:detector", {RING, STOP}),
    ('figure_text:"detectors 1 2"', {RING, STOP}),
    ("figure_text:*", {RING, STOP}),
    ("detector", set()),
    ("year:[-5 TO 9999999999999999999999]", {RING, STOP, QUEUE, BLADES, TURBINE}),
    # wildcards, letters that differ, expressions
    ("*", ALL),
    ("*:*", ALL),
    ("abs:*", ALL),
    ("section:*", {STOP}),
    ("year:*", {RING, STOP, QUEUE, BLADES, TURBINE}),
    ("turb*", {BLADES, TURBINE}),
    ("turbine*", {BLADES, TURBINE}),
    ("t?affic", {RING, STOP, QUEUE, TURBINE}),
    ("*phoresis", {GEL}),
    ("elektrophoresis~1", {GEL}),
    ("elektrophoresis~", {GEL}),
    ("elektrophoresis~0", set()),
    ("/electro.*/", {GEL}),
    # signs
    ("--- gel", None),
    ("???", None),
    ("gel ,;.", {GEL}),
    ("gel\\:", {GEL}),
    ("traffic^3 gel", {RING, STOP, QUEUE, TURBINE, GEL}),
]
"""Queries, and the pairs of `DOCUMENTS` that they find; None where only that it does not fail matters."""


@pytest.mark.parametrize(("query", "expected"), MEANINGS)
def test_queries_mean_what_they_mean_in_lucene(structures: Structures, query: str, expected: set[int] | None) -> None:
    if expected is not None:
        assert find(structures, query) == expected


def test_a_boost_changes_the_order(structures: Structures) -> None:
    def first(query: str) -> int:
        parsed = parse_query(query, TantivyDialect(structures.lexical))
        assert parsed is not None
        return int(structures.lexical.search(parsed, 1).ordinals[0])

    assert first("text:traffic^100 text:gel") in (RING, TURBINE)
    assert first("text:traffic text:gel^100") == GEL


@pytest.mark.parametrize("query", ["", "  ", "\n"])
def test_a_blank_query_is_none(structures: Structures, query: str) -> None:
    assert parse_query(query, TantivyDialect(structures.lexical)) is None


@pytest.mark.parametrize("query", [",", "...", "交", "x" * 300, "\x00"])
def test_nothing_to_look_for_finds_nothing(structures: Structures, query: str) -> None:
    assert find(structures, query) == set()


ERRORS: list[tuple[str, int | None, str]] = [
    ('traffic "waves', 8, "quotation mark is not closed"),
    ("(traffic", 8, "bracket not closed"),
    ("traffic)", 7, r"'\)' cannot stand here"),
    ("traffic AND", 11, "missing at the end"),
    ("AND traffic", 0, "AND has nothing"),
    ("a OR OR b", 5, "OR has nothing"),
    ("traffic abs:foo", 12, "valid are image_more_abstract, text_more_abstract, equal"),
    ("kind:foo", 5, "valid are photo, micrograph"),
    ("role:foo", 5, "valid are caption, mention"),
    ("a colour:red", 2, "there is no field 'colour'; valid are text, caption"),
    ("title:a:b", 6, "one field inside another"),
    ("year:soon", 5, "not a year"),
    ("year:20*", 5, "is a number"),
    ("year:[a TO b]", 5, "not a year"),
    ("abs_prob:nan", 9, "not a number from 0 to 1"),
    ("cmi:much", 4, "write cmi:>0.6 or cmi:"),
    ("[a TO b]", 0, "ranges are for numbers"),
    ("journal:[a TO b]", 8, "ranges are for numbers"),
    ("traffic~3", 0, "2 letters are the most"),
    ("traffic^1.2.3", None, "stands a number"),
    ("a^99999999", 0, "the most"),
    ("/((/", 0, r"expression cannot be used \(unclosed group\)"),
    ("*a" * 30, 0, "wildcards"),
    ("(" * 60 + "a" + ")" * 60, None, "nested deeper"),
    ("NOT " * 60 + "a", None, "nested deeper"),
    ("a " * 1500, None, "more than 1024 words"),
    ("a" * 6000, None, "longer than 5000"),
]
"""Queries that are wrong, where, and what is said of them."""


@pytest.mark.parametrize(("query", "position", "message"), ERRORS)
def test_errors_say_what_and_where(structures: Structures, query: str, position: int | None, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        parse_query(query, TantivyDialect(structures.lexical))
    assert "\n" not in str(caught.value)
    if position is not None:
        assert caught.value.position == position


SIGNS = 'aT" ()+-!*?~^2[]{}:\\/<>=.交\x00\ud800'
WORDS = ["AND ", "OR ", "NOT ", "TO ", "&&", "||", "0.5", "1e9", "nan", "traffic", "abs:", "year:", "text:", "figure:"]
PIECES = st.sampled_from([*SIGNS, *WORDS])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=14).map("".join)))
def test_any_string_gives_results_or_one_line(structures: Structures, query: str) -> None:
    try:
        parsed = parse_query(query, TantivyDialect(structures.lexical))
    except QueryError as error:
        assert "\n" not in str(error).strip()
        return
    if parsed is not None:
        structures.lexical.search(parsed, 10)
        structures.lexical.highlighter(parsed).find("a traffic wave")
