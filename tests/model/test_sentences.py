"""Texts as the paper's network reads them: sentences, words, numbers, and how much of a corpus is known."""

from collections import Counter

import pytest

from abs_index.model.sentences import PAD, SPECIAL, UNKNOWN, PaperVocabulary, count_words, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One two. Three!", ["one two", "three"]),
        ("See Fig. 3 and Smith et al. Then (as shown.) go on?", ["see fig 3 and smith et al then as shown", "go on"]),
        ("It is 3.5 mm, i.e. little. A. Smith saw it.", ["it is 3 5 mm i e little", "a smith saw it"]),
        ("»Énergie« naïve … don’t — stop", ["énergie naïve", "don’t stop"]),
        ("... !? --", []),
        ("", []),
        ("a_b x1", ["a b x1"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [" ".join(words) for words in split_sentences(text)] == sentences


def test_a_long_text_takes_no_long_time() -> None:
    assert len(split_sentences("Word. " * 200_000)) == 200_000
    assert len(split_sentences("a" * 500_000 + "." * 500_000)) == 1


def test_the_most_frequent_words_and_how_much_they_cover() -> None:
    counts = count_words(["The cell. The cell divides.", "The end: a cell, a wall."])
    assert counts == Counter({"the": 3, "cell": 3, "a": 2, "divides": 1, "end": 1, "wall": 1})
    vocabulary = PaperVocabulary.most_frequent(counts, 3)
    assert vocabulary.words == (*SPECIAL, "cell", "the", "a")
    assert vocabulary.coverage(counts) == pytest.approx(8 / 11)
    assert PaperVocabulary.most_frequent(counts, 100).coverage(counts) == 1
    assert vocabulary.coverage(Counter()) == 0


def test_texts_become_padded_tables_cut_at_the_limits() -> None:
    vocabulary = PaperVocabulary((*SPECIAL, "a", "b"))
    table = vocabulary.encode_batch(["A b a b? B! A.", "!", "c a."], sentences=2, words=3)
    assert table.dtype.name == "int32"
    assert table.tolist() == [
        [[2, 3, 2], [3, PAD, PAD]],
        [[UNKNOWN, PAD, PAD], [PAD, PAD, PAD]],
        [[UNKNOWN, 2, PAD], [PAD, PAD, PAD]],
    ]
    assert vocabulary.encode_batch([], 2, 3).shape == (0, 1, 1)


@pytest.mark.parametrize("words", [("a", "b"), (*SPECIAL, "a", "a"), SPECIAL[:1]])
def test_what_is_no_vocabulary(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="starts with the special words"):
        PaperVocabulary(words)
