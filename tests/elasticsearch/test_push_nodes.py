"""Nodes that restart, die or have too much to do while a push runs: real ones, started for these tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import PushError
from abs_index.indexing.elasticsearch import indices
from abs_index.indexing.elasticsearch import push as pushing
from abs_index.indexing.elasticsearch.bulk import largest_request
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.recipe import ElasticsearchSettings
from abs_index.server.cluster import Cluster
from tests.elasticsearch.conftest import clean, started
from tests.elasticsearch.pushing import (
    assert_same,
    change,
    documents,
    interrupted_push,
    on_server,
    write_index,
)
from tests.search.tables import DocumentRow, FigureRow, PairRow


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 400 pairs: some eighty requests of 4 kB."""
    return write_index(tmp_path_factory.mktemp("nodes") / "index", documents(100))


def once(action: Callable[[], object]) -> Callable[[int, int | None], None]:
    """A progress function that does something when the first documents have arrived."""
    waiting = [action]

    def progress(done: int, total: int | None) -> None:
        if waiting:
            waiting.pop()()

    return progress


def test_a_server_that_restarts_while_a_push_runs(restartable: Cluster, index: Path) -> None:
    back = threading.Thread(target=restartable.start_node)

    def crash() -> None:
        restartable.kill()
        back.start()

    options = PushOptions("test-restart", chunk_bytes=4000, patience=180)
    with connect(restartable.url, timeout=10) as client:
        report = push(index, client, options, progress=once(crash))
        back.join()
        assert (report.sent, report.refused) == (400, 0)
        assert_same(client, options.name, index)
        clean(client, options.name)


def test_one_node_of_three_dies_while_a_push_runs(three_nodes: Cluster, tmp_path: Path) -> None:
    """The master dies, or another node where we speak to the master; its shards move to the others."""
    folder = write_index(tmp_path / "index", documents(100))
    settings = ElasticsearchSettings(shards=3)
    options = PushOptions("test-three", chunk_bytes=4000, patience=180, settings=settings)
    with connect(three_nodes.url, timeout=20) as client:
        (master,) = client.cat.master(format="json")
        names = [node.name for node in three_nodes.nodes]
        victim = names.index(master["node"]) or 2
        report = push(folder, client, options, progress=once(lambda: three_nodes.kill(victim)))
        assert (report.sent, report.refused) == (400, 0)
        assert_same(client, options.name, folder)
        health = client.cluster.health(index=options.name)
        assert (health["number_of_nodes"], health["status"] != "red") == (2, True)
        # A copy can be made on several nodes too, and while not all of its own copies are there.
        change(folder, ["d1", "d2"], documents(3, 500))
        second = push(folder, client, options)
        assert (second.sent, second.deleted, second.index != report.index) == (12, 8, True)
        assert_same(client, options.name, folder)
        clean(client, options.name)


def test_what_has_lost_a_shard_is_made_anew(three_nodes: Cluster, tmp_path: Path) -> None:
    """Each node has a shard of which there is no copy: the live index, and one that was left unfinished, lose one."""
    folder = write_index(tmp_path / "index", documents(30))
    settings = ElasticsearchSettings(shards=3, replicas="0")
    live, left = (PushOptions(f"test-lost-{name}", patience=90, settings=settings) for name in ("live", "left"))
    with connect(three_nodes.url, timeout=20) as client:
        before = push(folder, client, live)
        interrupted_push(folder, client, left)
        three_nodes.kill(2)
        client.options(request_timeout=90).cluster.health(wait_for_nodes="2", timeout="60s")
        assert client.cluster.health(index=before.index)["status"] == "red"
        for options in (live, left):
            report = push(folder, client, options)
            assert (report.sent, report.unchanged) == (120, 0)
            assert_same(client, options.name, folder)
            clean(client, options.name)


# a server with little room


@pytest.fixture(scope="module")
def small() -> Iterator[Elasticsearch]:
    """A server that takes requests of 1 MB at most, and hardly any at once."""
    room = {
        "http.max_content_length": "1mb",
        "indexing_pressure.memory.limit": "2mb",
        "thread_pool.write.size": 1,
        "thread_pool.write.queue_size": 1,
        "cluster.info.update.interval": "10s",  # how often it looks at its disks
    }
    with started(settings=room, heap="384m") as cluster, connect(cluster.url, connections=16) as client:
        yield client


def test_a_server_that_takes_a_part_of_what_is_sent(small: Elasticsearch, tmp_path: Path) -> None:
    """Its queue is full again and again: it refuses documents with 429, shard by shard, and takes the others."""
    folder = write_index(tmp_path / "index", documents(500))
    settings = ElasticsearchSettings(shards=8, quantisation="flat")
    options = PushOptions("test-queue", workers=16, chunk_bytes=20_000, patience=60, settings=settings)
    report = push(folder, small, options)
    assert (report.sent, report.refused) == (2000, 0)
    (node,) = small.nodes.stats(metric="thread_pool")["nodes"].values()
    assert node["thread_pool"]["write"]["rejected"] > 0
    assert_same(small, options.name, folder)


def test_requests_are_no_larger_than_the_server_takes(small: Elasticsearch, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", documents(200, words="word " * 1000))
    assert largest_request(small) == 2**20
    assert push(folder, small, PushOptions("test-chunks")).sent == 800
    assert_same(small, "test-chunks", folder)


def test_a_document_that_the_server_never_has_room_for(small: Elasticsearch, tmp_path: Path) -> None:
    """It may be sent, but needs more memory than all writing may have: to wait for that would be to wait for ever."""
    huge = DocumentRow("huge", [FigureRow("f1", [PairRow("word " * 85_000)])])
    folder = write_index(tmp_path / "index", [*documents(15), huge, *documents(15, 20)])
    options = PushOptions("test-no-room", dead_letters=tmp_path / "dead.jsonl", patience=30)
    report = push(folder, small, options)
    assert (report.sent, report.refused) == (120, 1)
    (letter,) = map(orjson.loads, (tmp_path / "dead.jsonl").read_bytes().splitlines())
    assert (letter["id"], "max_primary_bytes" in letter["reason"]) == ("huge-f1-0", True)


@pytest.mark.parametrize("known", [True, False])
def test_a_document_that_is_too_large(
    small: Elasticsearch, tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused alone; also where the server does not tell beforehand how much it takes, as some proxies."""
    if not known:
        monkeypatch.setattr(pushing, "largest_request", lambda client: 100 * 2**20)
    huge = DocumentRow("huge", [FigureRow("f1", [PairRow("word " * 300_000)])])
    folder = write_index(tmp_path / "index", [*documents(15), huge, *documents(15, 20)])
    options = PushOptions(f"test-huge-{known}".lower(), dead_letters=tmp_path / "dead.jsonl", patience=30)
    report = push(folder, small, options)
    assert (report.sent, report.refused) == (120, 1)
    (letter,) = [orjson.loads(line) for line in (tmp_path / "dead.jsonl").read_bytes().splitlines()]
    assert (letter["id"], letter["status"]) == ("huge-f1-0", 413)
    assert "huge-f1-0" not in on_server(small, options.name)


@contextmanager
def full_disk(client: Elasticsearch) -> Iterator[None]:
    """Makes the server think so: it wants more free space than any disk has."""
    names = ("low", "high", "flood_stage")
    disk = "cluster.routing.allocation.disk"
    settings = {f"{disk}.watermark.{name}": "900pb" for name in names} | {f"{disk}.threshold_enabled": True}
    client.cluster.put_settings(persistent=settings)
    yield
    client.cluster.put_settings(persistent=dict.fromkeys(settings))


def test_a_disk_that_is_full(small: Elasticsearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server finds it out by itself: no place for a new index, and no documents any more for one that is there."""
    monkeypatch.setattr(indices, "_SECONDS_FOR_COPIES", 2)
    folder = write_index(tmp_path / "index", documents(5))
    options = PushOptions("test-full", patience=60)
    push(folder, small, options)
    change(folder, add=documents(1, 50))
    with full_disk(small):
        wait_until(lambda: "blocks" in settings_of(small, "test-full"))
        with pytest.raises(PushError, match=r"no place for index .*watermark.*make room"):
            push(folder, small, PushOptions("test-no-place"))
        with pytest.raises(PushError, match=r"disk of the cluster is too full.*free space"):
            push(folder, small, replace(options, in_place=True))
    wait_until(lambda: "blocks" not in settings_of(small, "test-full"))
    assert len(on_server(small, "test-full")) == 20
    for name in ("test-full", "test-no-place"):
        push(folder, small, replace(options, name=name))
        assert_same(small, name, folder)


def settings_of(client: Elasticsearch, name: str) -> dict[str, object]:
    (found,) = client.indices.get_settings(index=name).values()
    index: dict[str, object] = found["settings"]["index"]
    return index


def wait_until(condition: Callable[[], bool]) -> None:
    """The server looks at its disks every ten seconds."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)
