"""The server of the tests is the real one, and can do what its users' can."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import elasticsearch
import pytest
from elasticsearch import Elasticsearch

if TYPE_CHECKING:
    from conftest import Server

pytestmark = pytest.mark.clients


def tokens(client: Elasticsearch, analyzer: str, text: str) -> list[str]:
    return [token["token"] for token in client.indices.analyze(analyzer=analyzer, text=text)["tokens"]]


def test_client_is_the_one_asked_for() -> None:
    wanted = os.environ.get("ABS_INDEX_TEST_CLIENT")
    assert wanted is None or elasticsearch.__version__[0] == int(wanted)


def test_version_is_the_one_asked_for(client: Elasticsearch, cluster: Server) -> None:
    (node,) = client.nodes.info(node_id="_local")["nodes"].values()
    assert node["version"] == cluster.version


def test_licence_is_the_free_one(client: Elasticsearch) -> None:
    for _ in range(100):  # a new cluster gives itself one a moment after it is ready
        answer = client.options(ignore_status=404).license.get()
        if "license" in answer:
            break
        time.sleep(0.2)
    assert (answer["license"]["type"], answer["license"]["status"]) == ("basic", "active")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The foxes were not on the river", ["fox", "were", "river"]),
        ("Maxwell's and O’Brien’s equations", ["maxwel", "o’brien", "equat"]),
        ("running generalizations of relational theories", ["run", "gener", "relat", "theori"]),
    ],
)
def test_english_is_lucenes(client: Elasticsearch, text: str, terms: list[str]) -> None:
    assert tokens(client, "english", text) == terms


def test_filtered_neighbours(client: Elasticsearch, name: str) -> None:
    mappings = {"properties": {"kind": {"type": "keyword"}, "vector": {"type": "dense_vector", "dims": 2}}}
    client.indices.create(index=name, mappings=mappings)
    for number, kind in enumerate(("plot", "photo", "plot")):
        client.index(index=name, id=str(number), document={"kind": kind, "vector": [1.0, number]}, refresh=True)
    knn = {
        "field": "vector",
        "query_vector": [0.1, 1],
        "k": 2,
        "num_candidates": 2,
        "filter": {"term": {"kind": "plot"}},
    }
    hits = client.search(index=name, knn=knn)["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["2", "0"]
