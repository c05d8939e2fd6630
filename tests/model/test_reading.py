"""What the reader is told of a pair."""

from __future__ import annotations

import numpy as np
import pytest

from abs_index.model.reading import FACTS, FIGURE_FACTS, ReaderInputs, describe_pair

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "pump", "wheel", "water", "12"]
INPUTS = ReaderInputs(PIECES, 6, 5)


def read(text: str, figure: str = "") -> list[str]:
    words, _ = INPUTS.encode([text], ["mention"], [figure])
    return [PIECES[number] for number in words[0]]


def test_the_words_in_the_figure_stand_behind_the_text() -> None:
    assert read("pump water", "wheel 12") == ["[CLS]", "pump", "water", "[SEP]", "[CLS]", "wheel", "12", "[SEP]"]


def test_both_are_cut_and_together_never_longer_than_said() -> None:
    row = read("pump " * 20, "wheel " * 20)
    assert row == ["[CLS]", *4 * ["pump"], "[SEP]", "[CLS]", *3 * ["wheel"], "[SEP]"]
    assert len(row) == INPUTS.longest


def test_a_text_without_words_is_still_a_text() -> None:
    assert read("", "wheel") == ["[CLS]", "[SEP]", "[CLS]", "wheel", "[SEP]"]


def test_rows_are_padded_to_the_longest() -> None:
    words, facts = INPUTS.encode(["pump", "pump water wheel"], ["caption", "mention"])
    assert words.tolist() == [[2, 4, 3, 0, 0], [2, 4, 6, 5, 3]]
    assert facts.shape == (2, FACTS)
    assert words.dtype == np.int32
    assert facts.dtype == np.float32


def test_nothing_to_read_gives_empty_arrays() -> None:
    words, facts = INPUTS.encode([], [])
    assert len(words) == 0
    assert facts.shape == (0, FACTS)


def test_facts_tell_what_figure_and_text_have_in_common() -> None:
    none = describe_pair("The pump moves water.", "caption", "")
    same = describe_pair("The pump moves water.", "caption", "Pump Water")
    other = describe_pair("The pump moves water.", "caption", "Voltage 12 V")
    assert none[-FIGURE_FACTS:] == [0.0] * FIGURE_FACTS
    assert none[:-FIGURE_FACTS] == same[:-FIGURE_FACTS] == other[:-FIGURE_FACTS]
    assert same[-5] == 1.0, "all words of the figure are in the text"
    assert other[-5] == 0.0
    assert other[-FIGURE_FACTS + 2] > same[-FIGURE_FACTS + 2] == 0.0, "numerals in the figure"


def test_the_padding_must_come_first() -> None:
    with pytest.raises(ValueError, match="padding"):
        ReaderInputs(PIECES[::-1], 6, 5)
