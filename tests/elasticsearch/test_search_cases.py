"""Inputs on which other programs have failed, searched on a real server: from `../shared/cases`, and others alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import UsageError
from abs_index.indexing.build import build_index
from abs_index.search.index import Index
from tests.elasticsearch.loading import loaded
from tests.fakes import FakeArticle, FakeFigure, FakeModel, write_article, write_image

pytestmark = pytest.mark.clients

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"

shared = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here; it is no part of the project")

Open = Callable[[Path], Any]


def case(number: int) -> Path:
    (folder,) = CASES.glob(f"{number}-*")
    return folder / "input"


@pytest.fixture
def opened(cluster: Any, client: Elasticsearch, tmp_path: Path) -> Open:
    """Builds a corpus, pushes it, and opens what came there."""

    @contextmanager
    def opened(corpus: Path) -> Iterator[Index]:
        folder = tmp_path / "indexes" / corpus.name
        build_index([corpus], folder, FakeModel())
        with loaded(client, folder) as name, Index.connect(cluster.url, name, model=FakeModel()) as index:
            yield index

    return opened


def figures(index: Index, **options: Any) -> list[str]:
    return [f"{Path(hit.path).stem}:{hit.figure}" for hit in index.search(**options)]


# from ../shared/cases


@shared
def test_ids_over_512_bytes(opened: Open) -> None:
    with opened(case(59)) as index:
        hits = index.search("")
        assert len({hit.id for hit in hits}) == 2
        for hit in hits:
            assert index.figure(hit.id).id == hit.id
            assert len(index.similar(hit.id)) == 1


@shared
def test_the_last_word_of_a_very_long_caption_is_found(opened: Open) -> None:
    with opened(case(62)) as index:
        hits = index.search("zebra")
        assert {hit.figure for hit in hits} == {"f1"}
        assert hits[0].highlights


@shared
def test_fewer_figures_than_asked_for(opened: Open) -> None:
    corpus = case(64) / "three"
    with opened(corpus) as index:
        hits = index.search(image=corpus / "r.png", k=10)
        assert len({hit.id for hit in hits}) == len(hits) == 3
        assert str(hits[0].image).endswith("r.png")
        assert all(-1.001 <= hit.score <= 1.001 for hit in hits)
        assert index.search(image=corpus / "r.png", k=10, journal="nowhere") == []
        with pytest.raises(UsageError):
            index.search(image=corpus / "r.png", k=0)
    with opened(case(64) / "none") as index:
        assert index.search(image=corpus / "r.png") == index.search("anything") == index.search("") == []


@shared
def test_filters_with_odd_values(opened: Open) -> None:
    corpus = case(66)
    with opened(corpus) as index:
        assert figures(index, journal='Drugs in R&D: "Special" \\ Issue') == ["a:f1"]
        assert figures(index, journal="L'Eau (Paris)") == ["b:f1"]
        assert sorted(figures(index, year="2021")) == ["a:f1", "b:f1", "c:f1"]
        assert figures(index, journal="Casebook") == []
        assert figures(index, image=corpus / "a.png", k=1, journal="L'Eau (Paris)") == ["b:f1"]
        with pytest.raises(UsageError, match="empty"):
            figures(index, journal="")


# of the same kinds


def test_long_ids_of_letters_that_take_several_bytes(opened: Open, tmp_path: Path) -> None:
    names = ["f" + "ß" * 700 + last for last in "ab"]
    figures = [FakeFigure(name, f"Caption {name[-1]} of gels", image=f"{name[-1]}.png") for name in names]
    write_article(tmp_path / "corpus" / "x", FakeArticle("10.1234/" + "ł" * 300, figures))
    for number, last in enumerate("ab"):
        write_image(tmp_path / "corpus" / "x" / f"{last}.png", (90 * number, 9, 9))
    with opened(tmp_path / "corpus") as index:
        hits = index.search("gels")
        assert sorted(hit.figure for hit in hits) == names
        assert [index.figure(hit.id).figure for hit in hits] == [hit.figure for hit in hits]
        assert index.search(f"figure:{names[1]}")[0].figure == names[1]


def test_a_caption_of_a_megabyte_and_one_endless_word(opened: Open, tmp_path: Path) -> None:
    figures = [
        FakeFigure("f1", "many words " * 100_000 + "okapi", mentions=("x" * 70_000 + " giraffe",)),
        FakeFigure("f2", "an okapi", color=(3, 200, 3)),
    ]
    write_article(tmp_path / "corpus" / "x", FakeArticle("10.1234/long", figures))
    with opened(tmp_path / "corpus") as index:
        assert {hit.figure for hit in index.search("okapi")} == {"f1", "f2"}
        assert [hit.figure for hit in index.search("giraffe")] == ["f1"]


def test_values_of_filters_are_data(opened: Open, tmp_path: Path) -> None:
    names = ("a:b", 'a"b', "a\\", "*", "a AND b", "(a", "ß & ﬁ", "{}", "/re/", "-1", "a", "[1 TO 2]", "\u202eb")
    for number, name in enumerate(names):
        article = FakeArticle(
            f"10.1234/doc{number}", [FakeFigure("f", "Gels", color=(20 * number, 9, 9))], journal=name
        )
        write_article(tmp_path / "corpus" / f"d{number}", article)
    with opened(tmp_path / "corpus") as index:
        journals = {hit.document: hit.journal for hit in index.search("gels", k=50)}
        assert len(set(journals.values())) == len(names)
        for document, journal in journals.items():
            quoted = journal.replace("\\", "\\\\").replace('"', '\\"')
            for found in (
                index.search(journal=journal),
                index.search("gels", journal=[journal]),
                index.search(f'journal:"{quoted}"'),
                index.similar(f"{next(each for each in journals if each != document)}#f", k=1, journal=journal),
            ):
                assert [hit.document for hit in found] == [document]
