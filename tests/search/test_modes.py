from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.cli import main
from abs_index.errors import MissingExtraError, ModelMismatchError, QueryError, UsageError
from abs_index.indexing import text_vectors
from abs_index.indexing.publish import publish
from abs_index.indexing.table import Table
from abs_index.search import meaning
from abs_index.search.index import Index
from tests.fakes import FakeModel
from tests.meanings import FakeTextEncoder
from tests.search.tables import DOCUMENTS, write_index


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small index, with vectors of its texts."""
    made = write_index(tmp_path_factory.mktemp("modes") / "index", DOCUMENTS)
    table = Table.open(made)
    text_vectors.fill(table, FakeTextEncoder())
    publish(table, made)
    table.mark_published()
    return made


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with Index.open(folder, model=FakeModel(), text_encoder=FakeTextEncoder()) as opened:
        yield opened


def found(index: Index, query: str, **values: object) -> list[str]:
    return [hit.id for hit in index.search(query, **values)]  # type: ignore[arg-type]


def test_meaning_finds_what_no_word_does(index: Index) -> None:
    assert found(index, "windmill", mode="lexical") == []
    assert found(index, "windmill", mode="semantic", k=1) == ["turbine#f1"]
    assert found(index, "windmill", mode="hybrid", k=1) == ["turbine#f1"]


def test_semantic_shows_the_text_that_is_meant(index: Index) -> None:
    (hit,) = index.search("automobiles", mode="semantic", k=1, document="traffic", role="caption", kind="plot")
    assert (hit.id, hit.pair, hit.role) == ("traffic#f1", "traffic-f1-0", "caption")
    assert hit.score > 0.5


def test_hybrid_is_both_rankings_fused_by_reciprocal_rank(index: Index) -> None:
    words, meant = found(index, "traffic waves", mode="lexical"), found(index, "traffic waves", mode="semantic")
    scores = {each: sum(1 / (61 + row.index(each)) for row in (words, meant) if each in row) for each in words + meant}
    hits = index.search("traffic waves", mode="hybrid")
    assert [hit.id for hit in hits] == sorted(scores, key=lambda each: -scores[each])
    assert [hit.score for hit in hits] == pytest.approx(sorted(scores.values(), reverse=True))


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
def test_filters_hold_before_ranking(index: Index, mode: str) -> None:
    assert found(index, "windmill", mode=mode, k=1, document="old") == ["old#f9"]
    assert set(found(index, "windmill", mode=mode, k=2, abs="text_more_abstract")) == {"traffic#f2", "traffic#f1"}
    assert found(index, "windmill", mode=mode, document="none") == []


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("cars -waves -queue", {"turbine#f1", "old#f9"}),  # of traffic#f1, the other pair has the word
        ("windmill AND kind:plot", {"traffic#f1"}),
        ("windmill AND traffic", set()),
        ("blades AND traffic", {"turbine#f1"}),
        ('"stop and go" cars', {"traffic#f1"}),
        ("windmill year:>=2020", {"turbine#f1"}),
    ],
)
def test_what_a_query_requires_and_excludes_holds(index: Index, mode: str, query: str, wanted: set[str]) -> None:
    got = set(found(index, query, mode=mode))
    if query.startswith('"') or "year" in query:  # alternatives: they bring figures to the front, and exclude none
        assert wanted <= got
    else:
        assert got == wanted


def test_a_phrase_by_itself_is_required(index: Index) -> None:
    assert found(index, '"stop and go"', mode="hybrid") == ["traffic#f1"]
    assert found(index, '"windmill waves"', mode="hybrid") == []


@pytest.mark.parametrize("query", ["", "kind:photo", "turb*", "*"])
def test_without_words_every_mode_is_lexical(index: Index, query: str) -> None:
    assert (
        found(index, query, mode="semantic")
        == found(index, query, mode="hybrid")
        == found(index, query, mode="lexical")
    )


def test_with_a_picture_all_rankings_are_fused(index: Index) -> None:
    hits = index.search("windmill", figure="traffic#f2", mode="hybrid")
    assert hits[0].id == "turbine#f1"  # the only one that two rankings put in front
    assert "traffic#f2" not in {hit.id for hit in hits}
    assert found(index, "windmill -blades", figure="traffic#f2", mode="semantic", kind="photo")


def test_faulty_queries_are_errors_in_every_mode(index: Index) -> None:
    with pytest.raises(QueryError):
        index.search("traffic AND", mode="semantic")
    with pytest.raises(UsageError, match="valid are lexical, semantic, hybrid"):
        index.search("traffic", mode="fuzzy")  # type: ignore[arg-type]


def test_the_default_is_hybrid_where_it_can_be(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert index.default_mode == "hybrid"
    assert found(index, "windmill", k=1) == ["turbine#f1"]
    monkeypatch.setattr(meaning, "is_installed", lambda: False)
    with Index.open(folder) as without_the_extra:
        assert without_the_extra.default_mode == "lexical"
        assert found(without_the_extra, "windmill") == []


def test_an_index_without_vectors_says_what_to_do(tmp_path: Path) -> None:
    with Index.open(write_index(tmp_path / "index", DOCUMENTS), text_encoder=FakeTextEncoder()) as index:
        assert index.default_mode == "lexical"
        with pytest.raises(UsageError, match="--text-vectors"):
            index.search("traffic", mode="semantic")


def test_vectors_of_another_encoder_are_never_compared(folder: Path) -> None:
    with Index.open(folder, text_encoder=FakeTextEncoder("other")) as index:
        with pytest.raises(ModelMismatchError, match="build it again with --text-vectors"):
            index.search("traffic", mode="hybrid")
        assert found(index, "blades", mode="lexical") == ["turbine#f1"]


def test_without_the_extra_the_error_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.model.text_encoder.find_spec", lambda name: None)
    with Index.open(folder) as index, pytest.raises(MissingExtraError, match=r"abs-index\[semantic\]"):
        index.search("traffic", mode="semantic")


def test_the_command_says_how_it_searched(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(meaning, "is_installed", lambda: True)
    monkeypatch.setattr(meaning, "load_text_encoder", FakeTextEncoder)

    def run(*arguments: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["abs-index", "search", *arguments, "--index", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert not ended.value.code
        captured = capsys.readouterr()
        return captured.out, captured.err

    out, err = run("windmill", "-k", "1")
    assert ("turbine#f1" in out, err) == (True, "mode: hybrid\n")
    assert run("windmill", "--mode", "semantic", "-k", "1")[1] == "mode: semantic\n"
    assert run("windmill", "--mode", "lexical") == ("", "no figure matches\n")
    assert run("--mode", "hybrid")[1] == ""
