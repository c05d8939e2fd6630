"""Nodes of the tests' own server can be killed and started again; one that does not start says why in one line."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from elasticsearch import ConnectionError as NoConnection
from elasticsearch import Elasticsearch

from abs_index.errors import ElasticsearchError
from abs_index.server.cluster import Cluster

WHY = r"^node-1 of Elasticsearch \S+ ended: .*no\.such\.setting.* \(see .*/server\.log\)$"


@pytest.mark.usefixtures("program")
def test_node_that_cannot_start_says_why() -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        start = time.monotonic()
        with pytest.raises(ElasticsearchError, match=WHY):
            Cluster.start(Path(name), heap="256m", settings={"no.such.setting": 1})
        assert time.monotonic() - start < 100, "it does not wait for a node that is gone"


def test_documents_survive_a_killed_node(three_nodes: Cluster) -> None:
    with Elasticsearch(three_nodes.urls[1:], max_retries=0) as client:
        settings = {"number_of_shards": 3, "number_of_replicas": 1}
        client.indices.create(index="survives", settings=settings, wait_for_active_shards="all")
        for number in range(20):
            client.index(index="survives", id=str(number), document={"number": number})

        three_nodes.kill(0)
        with pytest.raises(NoConnection), Elasticsearch(three_nodes.urls[0], max_retries=0) as dead:
            dead.cluster.health()
        three_nodes.wait("yellow", nodes=2)
        client.indices.refresh(index="survives")
        assert client.count(index="survives")["count"] == 20

        three_nodes.start_node(0)
        health = client.cluster.health()
        assert (health["number_of_nodes"], health["status"]) == (3, "green")
        client.indices.delete(index="survives")


def test_restart_keeps_documents_and_address(restartable: Cluster) -> None:
    with Elasticsearch(restartable.url, max_retries=0) as client:
        settings = {"number_of_replicas": 0}
        client.indices.create(index="kept", settings=settings)
        client.index(index="kept", id="1", document={"a": 1})
        before = restartable.processes[0].pid
        restartable.restart()
        assert restartable.processes[0].pid != before
        assert client.get(index="kept", id="1")["_source"] == {"a": 1}
        client.indices.delete(index="kept")
