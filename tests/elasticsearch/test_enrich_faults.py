"""Whatever the network does while an index is enriched, each document is written once, and none is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from abs_index.enriching import reading
from abs_index.enriching.enrich import enrich
from abs_index.enriching.labelling import LabelSettings
from abs_index.errors import PushError
from abs_index.indexing.elasticsearch.connection import connect
from tests.elasticsearch.own_index import FIGURE, figure, make_index, options, state, write_images
from tests.elasticsearch.proxy import LATE, Fault, Proxy, in_turn
from tests.fakes import FakeModel


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def faulty(client: Elasticsearch, name: str) -> Callable[..., Proxy]:
    """Makes the index `name` of 30 figures, and a proxy to it."""
    array = [figure(number % 8, caption=f"Wave {number}.") for number in range(6)]
    make_index(client, name, {"figure": {"type": "nested", **FIGURE}}, [{"figure": array[:3]}] * 10)
    url = next(iter(client.transport.node_pool.all())).base_url
    return lambda faults, part="_bulk": Proxy(url, in_turn(faults, part))


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.TOO_LARGE])
def test_updates_that_go_wrong_are_done_once(
    client: Elasticsearch, name: str, images: Path, faulty: Callable[..., Proxy], fault: Fault
) -> None:
    timeout = LATE - 0.5 if fault is Fault.LATE_RESPONSE else 60
    with faulty([None, fault, fault, None, fault]) as proxy, connect(proxy.url, timeout=timeout) as through:
        summary = enrich(through, name, FakeModel(), options(images))
    assert proxy.done == [fault] * 3
    found = state(client, name)
    assert all("abs" in item for document in found.values() for item in document["source"]["figure"])
    assert {document["version"] for document in found.values()} == {2}
    assert (summary.documents, summary.written, summary.labelled, summary.unchanged) == (10, 10, 30, 0)
    assert (summary.rejects, summary.refused) == ({}, 0)


def test_request_that_is_too_large_for_what_stands_between_is_cut_up(
    client: Elasticsearch, name: str, images: Path, faulty: Callable[..., Proxy], tmp_path: Path
) -> None:
    letters = tmp_path / "dead.jsonl"
    with faulty([Fault.TOO_LARGE] * 2) as proxy, connect(proxy.url) as through:
        summary = enrich(through, name, FakeModel(), options(images, batch_size=32, dead_letters=letters))
    assert (summary.labelled, summary.refused, letters.exists()) == (30, 0, False)
    assert {document["version"] for document in state(client, name).values()} == {2}


@pytest.mark.parametrize("part", ["_search", "_pit", "_count", "_mapping", "_settings", "_refresh"])
def test_every_other_request_may_lose_its_answer(
    client: Elasticsearch, name: str, images: Path, faulty: Callable[..., Proxy], part: str
) -> None:
    with faulty([Fault.LOSE_RESPONSE, Fault.BUSY], part) as proxy, connect(proxy.url) as through:
        summary = enrich(through, name, FakeModel(), options(images))
    assert proxy.done
    assert (summary.documents, summary.labelled) == (10, 30)
    assert {document["version"] for document in state(client, name).values()} == {2}


def test_interrupt_does_not_wait_for_a_server_that_is_away(
    client: Elasticsearch, name: str, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(client, name, {"figure": FIGURE}, [{"figure": figure(0)}] * 9)
    # With two workers and batches of four, seven documents are taken before the first prediction, and one waits.
    monkeypatch.setattr(reading, "_PAGE_FIRST", 8)
    given = replace(options(images, patience=1000), labels=LabelSettings(batch_size=4, workers=2))
    proxy = Proxy(
        next(iter(client.transport.node_pool.all())).base_url, in_turn([None, *[Fault.REFUSE] * 1000], "_search")
    )
    interrupted: list[float] = []

    def interrupt(pixels: np.ndarray) -> None:
        while len(proxy.done) < 3:  # until the thread that reads has begun to wait
            time.sleep(0.02)
        interrupted.append(time.monotonic())
        raise KeyboardInterrupt

    model = FakeModel()
    model.encode_images = interrupt  # type: ignore[method-assign, assignment]
    with proxy, connect(proxy.url) as through:
        with pytest.raises(KeyboardInterrupt):
            enrich(through, name, model, given)
        assert time.monotonic() - interrupted[0] < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "reading"]


def test_server_that_stays_away_ends_the_run(name: str, images: Path, faulty: Callable[..., Proxy]) -> None:
    with faulty([None] + [Fault.REFUSE] * 1000) as proxy, connect(proxy.url) as through:
        with pytest.raises(PushError, match=r"no progress for 1 s .*run the same command again to go on"):
            enrich(through, name, FakeModel(), options(images, patience=1.0))
        proxy.choose = lambda method, path: None
        summary = enrich(through, name, FakeModel(), options(images))
    assert summary.unchanged >= 3
    assert summary.unchanged + summary.labelled == 30
