"""Word pieces: what BERT reads of a text."""

from __future__ import annotations

import pytest

from abs_index.model.word_pieces import WordPieces, longest_pieces, split_words

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "heart", "beat", "##s", "##ing", "h2", "##o", ".", "e", "##mile"]


def read(text: str, limit: int = 20) -> list[str]:
    pieces = WordPieces(PIECES)
    return [PIECES[number] for number in pieces.encode(text, limit)]


def test_words_are_read_in_their_longest_pieces() -> None:
    assert read("Hearts beating.") == ["[CLS]", "heart", "##s", "beat", "##ing", ".", "[SEP]"]


def test_digits_belong_to_their_word_and_accents_are_dropped() -> None:
    assert read("H2O Émile") == ["[CLS]", "h2", "##o", "e", "##mile", "[SEP]"]


def test_a_word_with_an_unknown_part_is_unknown_as_a_whole() -> None:
    assert read("heartx beat") == ["[CLS]", "[UNK]", "beat", "[SEP]"]


def test_long_texts_are_cut_and_end_with_the_stop() -> None:
    assert read("heart beat heart beat", 4) == ["[CLS]", "heart", "beat", "[SEP]"]


@pytest.mark.parametrize("text", ["", "  \n "])
def test_a_text_without_words_gives_nothing(text: str) -> None:
    assert read(text) == []


def test_very_long_words_are_unknown_at_once() -> None:
    assert longest_pieces("heart" * 21, {"heart": 0, "##heart": 1}) == []
    assert longest_pieces("heart" * 20, {"heart": 0, "##heart": 1}) == [0] + 19 * [1]


@pytest.mark.parametrize(
    ("word", "read_as"),
    [("##ing", ["##ing"]), ("hearts", ["heart", "##s"]), ("[UNK]", ["[UNK]"]), ("x.", ["[UNK]"]), (".", ["."])],
)
def test_one_word_is_taken_as_it_is_written(word: str, read_as: list[str]) -> None:
    numbers = WordPieces(PIECES).encode_word(word)
    assert [PIECES[number] for number in numbers] == ["[CLS]", *read_as, "[SEP]"]


def test_split_words_keeps_marks() -> None:
    assert split_words("a_b (c)") == ["a", "_", "b", "(", "c", ")"]


@pytest.mark.parametrize(("pieces", "reason"), [(PIECES[1:], "lack"), ([*PIECES, "heart"], "twice")])
def test_a_vocabulary_that_is_none_is_refused(pieces: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        WordPieces(pieces)
