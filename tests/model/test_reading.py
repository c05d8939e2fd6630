"""What the reader is told of a pair."""

from __future__ import annotations

import numpy as np
import pytest

from abs_index.labels import Role
from abs_index.model.base import FigureWords
from abs_index.model.reading import FIGURE_FACTS, ReaderInputs, count_facts, describe_pair

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "pump", "wheel", "water", "12"]
INPUTS = ReaderInputs(PIECES, 6, 5)
TOLD = ReaderInputs(PIECES, 6, 5, told=True)


def read(text: str, figure: str = "") -> list[str]:
    words, _ = INPUTS.encode([text], ["mention"], [FigureWords(figure)])
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
    assert facts.shape == (2, count_facts(told=False))
    assert words.dtype == np.int32
    assert facts.dtype == np.float32


def test_nothing_to_read_gives_empty_arrays() -> None:
    words, facts = INPUTS.encode([], [])
    assert len(words) == 0
    assert facts.shape == (0, count_facts(told=False))


def test_facts_tell_what_figure_and_text_have_in_common() -> None:
    none = describe_pair("The pump moves water.", "caption", FigureWords(""))
    same = describe_pair("The pump moves water.", "caption", FigureWords("Pump Water"))
    other = describe_pair("The pump moves water.", "caption", FigureWords("Voltage 12 V"))
    assert none[-FIGURE_FACTS:] == [0.0] * FIGURE_FACTS
    assert none[:-FIGURE_FACTS] == same[:-FIGURE_FACTS] == other[:-FIGURE_FACTS]
    assert same[-5] == 1.0, "all words of the figure are in the text"
    assert other[-5] == 0.0
    assert other[-FIGURE_FACTS + 2] > same[-FIGURE_FACTS + 2] == 0.0, "numerals in the figure"


def test_the_padding_must_come_first() -> None:
    with pytest.raises(ValueError, match="padding"):
        ReaderInputs(PIECES[::-1], 6, 5)


def tell(words: FigureWords, role: Role = "mention", text: str = "pump water") -> list[float]:
    """The facts about what is told of the figure."""
    numbers, facts = TOLD.encode([text], [role], [words])
    assert len(numbers[0]) == 4, "what is told is not among the words"
    return list(facts[0, -FIGURE_FACTS:].tolist())


def test_facts_tell_what_alternative_text_and_caption_have_in_common_with_the_text() -> None:
    nothing = tell(FigureWords())
    assert nothing == FIGURE_FACTS * [0.0]
    assert tell(FigureWords(alt="pump wheel")) == tell(FigureWords(caption="pump wheel")) != nothing
    assert tell(FigureWords(alt="pump wheel", caption="12")) == tell(FigureWords(alt="pump wheel 12"))


def test_nothing_is_told_twice() -> None:
    assert tell(FigureWords(alt="pump water", caption="wheel")) == tell(FigureWords(caption="wheel"))
    assert tell(FigureWords(alt="a red wheel", caption="a red wheel")) == tell(FigureWords(alt="a red wheel"))
    assert tell(FigureWords(caption="pump water")) == FIGURE_FACTS * [0.0]
    assert tell(FigureWords(caption="wheel"), "caption") == FIGURE_FACTS * [0.0], "the text is the caption"


@pytest.mark.parametrize("alt", ["wheel-and-pump.png", "Figure 2", "Image of Figure 2", "Thumbnail", "pump", "12 34"])
def test_an_alternative_text_that_describes_nothing_is_none(alt: str) -> None:
    assert tell(FigureWords(alt=alt)) == FIGURE_FACTS * [0.0]


def test_a_reader_that_is_told_neither_has_fewer_facts() -> None:
    words, facts = INPUTS.encode(["pump"], ["mention"], [FigureWords("12", "wheel", "water")])
    alone, same = INPUTS.encode(["pump"], ["mention"], [FigureWords("12")])
    assert words.tolist() == alone.tolist()
    assert facts.tolist() == same.tolist()
    assert INPUTS.facts == TOLD.facts - FIGURE_FACTS


def test_facts_of_both_sources_stand_side_by_side() -> None:
    _, facts = TOLD.encode(
        3 * ["pump water"], 3 * ["mention"], [FigureWords(), FigureWords("pump wheel"), FigureWords(alt="pump wheel")]
    )
    none, written, told = facts.tolist()
    assert len(none) == TOLD.facts == count_facts(told=True)
    start, middle = len(none) - 2 * FIGURE_FACTS, len(none) - FIGURE_FACTS
    assert none[start:] == 2 * FIGURE_FACTS * [0.0]
    assert written[start:middle] == told[middle:] != none[middle:]
    assert written[middle:] == told[start:middle] == none[middle:]
