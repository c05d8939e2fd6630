"""Reading texts: words, pieces, numerals, and what is said of a text as a whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abs_index.model.vocabulary import (
    FACTS,
    PAD,
    SPECIAL,
    UNKNOWN,
    Vocabulary,
    describe_batch,
    describe_text,
    word_traits,
)

WORDS = (*SPECIAL, "cell", "##s", "##mem", "mem", "##brane", ".", "figure", "e", "µ")
VOCABULARY = Vocabulary(WORDS)


def read(text: str, limit: int = 99) -> list[str]:
    return [WORDS[number] for number in VOCABULARY.encode(text, limit)]


def test_a_word_that_is_not_known_is_read_in_its_longest_pieces() -> None:
    assert read("Cells, membrane.") == ["cell", "##s", "[unk]", "mem", "##brane", "."]


def test_accents_and_capitals_do_not_matter() -> None:
    assert read("É CELL") == ["e", "cell"]


def test_numerals_are_told_by_length_and_years_apart() -> None:
    assert read("3 42 365 1865 2100 8311 123456") == [
        "[1-digit]",
        "[2-digits]",
        "[3-digits]",
        "[year]",
        "[4-digits]",
        "[4-digits]",
        "[4-digits]",
    ]


def test_a_text_is_cut_at_the_limit_also_inside_a_word() -> None:
    assert read("membrane membrane", 3) == ["mem", "##brane", "mem"]


def test_a_batch_is_padded_to_its_longest_text() -> None:
    table = VOCABULARY.encode_batch(["cell", "", "cell figure ."], 8)
    assert table.dtype == np.int32
    assert table.shape == (3, 3)
    assert table[0].tolist() == [WORDS.index("cell"), PAD, PAD]
    assert table[1].tolist() == [PAD, PAD, PAD]
    assert VOCABULARY.encode_batch([""], 8).shape == (1, 1)
    assert VOCABULARY.encode_batch([], 8).shape == (0, 1)


def test_a_very_long_word_is_unknown_and_not_searched_for_pieces() -> None:
    assert VOCABULARY.encode("mem" * 50_000, 9) == [UNKNOWN]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    numbers = VOCABULARY.encode(text, 16)
    assert len(numbers) <= 16
    assert all(PAD < number < len(WORDS) for number in numbers)
    assert len(describe_text(text, "caption")) == FACTS
    assert np.isfinite(describe_text(text, "mention")).all()


def test_facts_tell_role_and_place_of_the_reference() -> None:
    start, late, none = describe_batch(
        ["Figure shows it.", "It is in Figure", "It is."], ["caption", "mention", "mention"]
    )
    assert start[0] == 1
    assert late[0] == 0
    assert start[3] == 1
    assert late[3] == none[3] == 0
    assert late[4] == 1
    assert none[4] == 0
    assert 0.5 < late[5] < 1


def test_traits_count_every_word_but_padding() -> None:
    traits = word_traits(WORDS)
    assert traits[:, -1].tolist() == [0.0] + [1.0] * (len(WORDS) - 1)
    assert traits[WORDS.index("figure"), :-1].sum() == 1
    assert traits[WORDS.index("cell"), :-1].sum() == 0


@pytest.mark.parametrize("words", [["cell"], [*SPECIAL, "a", "a"], []])
def test_a_list_that_is_no_vocabulary_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(words)
