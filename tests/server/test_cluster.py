"""Waiting for a cluster, without servers: what each node answers is made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from abs_index.server import cluster
from abs_index.server.cluster import Cluster

READY = {"timed_out": False, "number_of_nodes": 2, "status": "green"}


def test_a_node_that_has_joined_is_not_ready_before_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"http://first": [READY, READY], "http://second": [None, None, READY]}
    asked: list[str] = []

    def get_json(url: str, access: Any, timeout: float) -> Any:
        asked.append(url.partition("/_")[0])
        return answers[asked[-1]].pop(0)

    monkeypatch.setattr(cluster, "get_json", get_json)
    monkeypatch.setattr(cluster.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Cluster, "urls", property(lambda self: list(answers)))
    processes: Any = [SimpleNamespace(alive=lambda: True)] * 2
    nodes: Any = [SimpleNamespace()] * 2
    access: Any = SimpleNamespace(user="")
    Cluster(nodes, processes, access).wait()
    assert asked == ["http://first", *3 * ["http://second"]]
