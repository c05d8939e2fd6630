"""Inputs on which other programs have failed, built with a tiny model and pushed: our own, and `../shared/cases`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from abs_index.indexing.build import build_index
from abs_index.indexing.elasticsearch.documents import Documents
from abs_index.indexing.elasticsearch.push import PushOptions, PushReport, push
from abs_index.indexing.table import Table
from abs_index.model.base import ModelInfo
from tests.elasticsearch.pushing import assert_same, on_server, write_index
from tests.fakes import FakeArticle, FakeFigure, FakeModel, write_article, write_image
from tests.search.tables import DocumentRow, FigureRow, PairRow

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"

shared = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here; it is no part of the project")


def case(number: int) -> Path:
    (folder,) = CASES.glob(f"{number}-*")
    return folder / "input"


def build_and_push(client: Elasticsearch, name: str, corpus: Path, folder: Path) -> PushReport:
    build_index([corpus], folder, FakeModel())
    report = push(folder, client, PushOptions(name, patience=20))
    assert_same(client, name, folder)
    return report


def figures(client: Elasticsearch, name: str, **query: object) -> set[str]:
    hits = client.search(index=name, size=100, source=["path", "figure"], **query)["hits"]["hits"]  # type: ignore[arg-type]
    return {f"{Path(hit['_source']['path']).stem}:{hit['_source']['figure']}" for hit in hits}


# ids


def assert_good_ids(client: Elasticsearch, name: str, expected: int) -> None:
    found = on_server(client, name)
    assert len(found) == expected
    assert all(len(key.encode()) <= 512 for key in found)
    assert {document["pair"] for document in found.values()} == set(found)


def test_very_long_ids_stay_apart(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    ids = ["ü" * 700 + last for last in "abc"]
    deep = tmp_path / "corpus" / ("folder" * 30) / ("x" * 200)
    write_article(
        deep, FakeArticle("10.1/" + "ö" * 900, [FakeFigure(each, image=f"{at}.png") for at, each in enumerate(ids)])
    )
    for at in range(3):  # the ids are too long for names of files
        write_image(deep / f"{at}.png", (40 * at, 90, 10))
    report = build_and_push(client, name, tmp_path / "corpus", tmp_path / "index")
    assert (report.sent, report.refused) == (3, 0)
    assert_good_ids(client, name, 3)
    first = set(on_server(client, name))
    again = tmp_path / "again"
    build_index([tmp_path / "corpus"], again, FakeModel())
    table = Table.open_published(again)
    assert {each.id for each in Documents(table, {}, vectors=False)} == first


@shared
def test_case_59(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    report = build_and_push(client, name, case(59), tmp_path / "index")
    assert report.refused == 0
    found = on_server(client, name)
    assert len({document["key"] for document in found.values()}) == 2
    assert_good_ids(client, name, len(found))


# vectors


def push_vectors(client: Elasticsearch, name: str, vectors: np.ndarray, folder: Path) -> PushReport:
    rows = [PairRow(f"row {at}", vector=list(vector)) for at, vector in enumerate(vectors)]
    info = ModelInfo("rows", "f" * 32, 8, 16, vectors.shape[1])
    write_index(folder, [DocumentRow("d", [FigureRow("f", rows)])], info)
    table = Table.open(folder)
    for each in Documents(table, {}, vectors=True):
        json.loads(each.body, parse_constant=_no_json)
    return push(folder, client, PushOptions(name, patience=20))


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@shared
def test_case_61(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    vectors = np.load(case(61) / "vectors.npy")
    report = push_vectors(client, name, vectors, tmp_path / "index")
    assert (report.sent, report.refused, report.vectors_left_out) == (6, 0, 3)
    found = on_server(client, name)
    assert [at for at in range(6) if "embedding.pair" in found[f"d-f-{at}"]] == [0, 4, 5]
    knn = {"field": "embedding.pair", "query_vector": vectors[0].tolist(), "k": 6, "num_candidates": 6}
    hits = client.search(index=name, knn=knn)["hits"]["hits"]
    assert hits[0]["_id"] == "d-f-0"
    assert len(hits) == 3


def test_subnormal_and_huge_vectors(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    vectors = np.full((4, 5), 1.0, dtype=np.float32) * np.array([1e-45, 3e38, 1.0, 0.0], dtype=np.float32)[:, None]
    report = push_vectors(client, name, vectors, tmp_path / "index")
    assert (report.sent, report.refused, report.vectors_left_out) == (4, 0, 1)
    found = on_server(client, name)
    for at in range(3):
        assert np.linalg.norm(found[f"d-f-{at}"]["embedding.pair"]) == pytest.approx(1, abs=1e-6)


# texts


def test_long_captions_and_unbroken_words(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    caption = "Überblick " * 5000 + "y" * 70_000 + " quokka"
    article = FakeArticle("10.1/long", [FakeFigure("f1", caption, ("z" * 90_000 + " numbat",))], title="t" * 40_000)
    write_article(tmp_path / "corpus", article)
    report = build_and_push(client, name, tmp_path / "corpus", tmp_path / "index")
    assert (report.sent, report.refused) == (2, 0)
    assert figures(client, name, q="text:quokka") == figures(client, name, q="text:numbat") == {"article:f1"}
    assert figures(client, name, q="caption:quokka") == {"article:f1"}


@shared
def test_case_62(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    report = build_and_push(client, name, case(62), tmp_path / "index")
    assert report.refused == 0
    assert figures(client, name, q="text:zebra") == {"article:f1"}


# few or no figures, and odd values


@shared
def test_case_64(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    report = build_and_push(client, name, case(64) / "three", tmp_path / "three")
    assert len({document["key"] for document in on_server(client, name).values()}) == 3
    assert report.refused == 0
    report = build_and_push(client, f"{name}-none", case(64) / "none", tmp_path / "none")
    assert report.pairs == 0
    knn = {"field": "embedding.image", "query_vector": [1.0] * 16, "k": 10, "num_candidates": 10}
    assert client.search(index=f"{name}-none", knn=knn)["hits"]["hits"] == []


ODD = ('A "quoted" \\ name: (R&D) [x] *', "L'Été; <b>", "a/b||c && !d", "  spaced  out", "nul\u0001", "😀 名前")


def test_odd_values_are_found_whole(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    rows = [DocumentRow(f"d{at}", [FigureRow("f", [PairRow("text")])], container=value) for at, value in enumerate(ODD)]
    folder = write_index(tmp_path / "index", rows)
    push(folder, client, PushOptions(name, patience=20))
    assert_same(client, name, folder)
    for at, value in enumerate(ODD):
        assert figures(client, name, query={"term": {"container": value}}) == {f"d{at}:f"}
        assert figures(client, name, query={"term": {"container": value[:3]}}) == set()


@shared
def test_case_66(client: Elasticsearch, name: str, tmp_path: Path) -> None:
    build_and_push(client, name, case(66), tmp_path / "index")
    for container, expected in (
        ('Drugs in R&D: "Special" \\ Issue', {"a:f1"}), ("L'Eau (Paris)", {"b:f1"}), ("Casebook", set()), ("", set()),
    ):  # fmt: skip
        assert figures(client, name, query={"term": {"container": container}}) == expected
    assert figures(client, name, query={"term": {"year": 2021}}) == {"a:f1", "b:f1", "c:f1"}
