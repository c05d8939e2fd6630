from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tantivy import Query

from abs_index.indexing import lexical
from abs_index.indexing.lexical import COLUMNS, Lexical, LexicalWriter, keyword


def write(folder: Path, texts: list[str], **columns: object) -> Lexical:
    writer = LexicalWriter(folder)
    empty = dict.fromkeys(COLUMNS)
    writer.add(
        {**empty, "pair": str(number), "document": "d", "figure": "f", "text": text, **columns}
        for number, text in enumerate(texts)
    )
    writer.close()
    return Lexical(folder)


def find(index: Lexical, word: str) -> list[int]:
    return index.search(Query.term_query(index.schema, "text", word), 10).ordinals.tolist()


def test_words_are_stemmed_and_folded(tmp_path: Path) -> None:
    index = write(tmp_path / "l", ["Running turbines", "the Café", "cafe\u0301 society"])
    assert index.analyse("turbine RUNS") == ["turbin", "run"]
    assert find(index, "turbin") == [0]
    assert find(index, "cafe") == [1, 2]


def test_scripts_without_spaces_are_found_by_their_characters(tmp_path: Path) -> None:
    index = write(tmp_path / "l", ["交通波の研究", "通交"])
    phrase = Query.phrase_query(index.schema, "text", list(index.analyse("交通")))
    assert index.search(phrase, 10).ordinals.tolist() == [0]


@pytest.mark.parametrize("word", ["x" * 70_000, "é" * 40_000, "交" * 30_000])
def test_a_word_of_any_length_does_not_stop_the_writer(tmp_path: Path, word: str) -> None:
    index = write(tmp_path / "l", [f"{word} zebra", "other"], container=word, title=word)
    assert find(index, "zebra") == [0]
    container = Query.term_query(index.schema, "container", keyword(word))
    assert index.search(container, 10).ordinals.tolist() == [0, 1]


def test_long_keywords_that_differ_at_the_end_only_stay_apart() -> None:
    assert keyword("x" * 5000 + "a") != keyword("x" * 5000 + "b")
    assert len(keyword("é" * 70_000).encode()) < 65_530


@pytest.mark.parametrize("text", ["\x00", "a\x00b zebra", "\ufeff", "\U0001f600 zebra", "", " "])
def test_odd_texts_are_indexed(tmp_path: Path, text: str) -> None:
    index = write(tmp_path / "l", [text])
    assert len(index) == 1
    assert bool(find(index, "zebra")) == ("zebra" in text)


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    index = write(tmp_path / "l", [])
    assert index.search(Query.all_query(), 10).ordinals.tolist() == []


def test_the_best_pairs_come_first_and_equal_ones_in_their_order(tmp_path: Path) -> None:
    index = write(tmp_path / "l", ["zebra and much else", "zebra zebra", "zebra and much else", "horse"])
    matches = index.search(Query.term_query(index.schema, "text", "zebra"), 10)
    assert matches.ordinals.tolist() == [1, 0, 2]
    assert np.all(np.diff(matches.scores) <= 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("é 交 😀 Zebras and zebra", ["Zebras", "zebra"]),
        ("no", []),
        ("", []),
        ("x" * 70_000 + " zebra", ["zebra"]),
        ("\x00zebra", ["zebra"]),
        ("cafe\u0301 zebra", []),  # would be changed before it is analysed, so nothing could be pointed at
    ],
)
def test_words_are_highlighted_where_they_stand(tmp_path: Path, text: str, words: list[str]) -> None:
    index = write(tmp_path / "l", ["zebra"])
    highlighter = index.highlighter(Query.term_query(index.schema, "text", "zebra"))
    assert [text[start:end] for start, end in highlighter.find(text)] == words


def test_a_read_only_folder_can_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "l", ["zebra"])
    monkeypatch.setattr(lexical.os, "access", lambda path, mode: False)
    before = {path.name for path in (tmp_path / "l").iterdir()}
    assert find(Lexical(tmp_path / "l"), "zebra") == [0]
    assert {path.name for path in (tmp_path / "l").iterdir()} == before
