"""Enriching while others write, when it is killed, when the server is in trouble: nothing is lost or overwritten."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from abs_index.enriching import enrich as enriching
from abs_index.enriching.enrich import enrich
from abs_index.errors import AliasError, PushError
from abs_index.model.base import ImageFeatures
from tests.elasticsearch.own_index import FIGURE, TEXT, Json, figure, make_index, options, state, write_images
from tests.fakes import FakeModel
from tests.indexing.child import Child


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


class MeddlingModel(FakeModel):
    """Does something to the cluster while it is at work the first time: after documents were read, before a write."""

    def __init__(self, meddle: Callable[[], Any]) -> None:
        super().__init__()
        self._meddle: Callable[[], Any] | None = meddle

    def encode_images(self, pixels: np.ndarray) -> ImageFeatures:
        if self._meddle is not None:
            meddle, self._meddle = self._meddle, None
            meddle()
        return super().encode_images(pixels)


def figures(count: int) -> list[Json]:
    """Documents of which many share an image, but no two a text."""
    return [{"figure": figure(number % 8, caption=f"Wave {number}.")} for number in range(count)]


@pytest.mark.clients
def test_what_others_write_meanwhile_is_kept(client: Elasticsearch, name: str, images: Path) -> None:
    make_index(client, name, {"figure": FIGURE, "year": {"type": "integer"}}, figures(4))

    def meddle() -> None:
        client.update(index=name, id="0", doc={"year": 1999})
        client.update(index=name, id="1", doc={"figure": {"caption": "A text that is new."}})
        client.delete(index=name, id="2")

    model = MeddlingModel(meddle)
    summary = enrich(client, name, model, options(images))
    found = state(client, name)
    assert found.keys() == {"0", "1", "3"}
    assert (found["0"]["source"]["year"], found["1"]["source"]["figure"]["caption"]) == (1999, "A text that is new.")
    assert all("abs" in document["source"]["figure"] for document in found.values())
    assert (summary.documents, summary.labelled, summary.conflicts) == (4, 3, 2)
    assert summary.rejects == {"document deleted meanwhile": 1}
    assert (model.images_seen, model.pairs_seen) == (5, 5), "only the new text is predicted again"
    again = enrich(client, name, FakeModel(), options(images))
    assert (again.unchanged, again.written) == (3, 0), "the labels are those of the texts that are there"


def test_arrays_that_others_write_meanwhile_are_not_put_back(client: Elasticsearch, name: str, images: Path) -> None:
    make_index(client, name, {"figure": {"type": "nested", **FIGURE}}, [{"figure": [figure(0), figure(1)]}])
    others = [figure(1), figure(2), figure(3, n=99)]
    model = MeddlingModel(lambda: client.update(index=name, id="0", doc={"figure": others}))
    summary = enrich(client, name, model, options(images))
    found = state(client, name)["0"]["source"]["figure"]
    assert [item["n"] for item in found] == [1, 2, 99]
    assert all("abs" in item for item in found)
    assert summary.labelled == 3


def test_alternative_text_that_changes_meanwhile_is_the_one_that_is_told(
    client: Elasticsearch, name: str, images: Path
) -> None:
    document = {"figure": figure(0), "said": {"alt": "A map."}}
    make_index(client, name, {"figure": FIGURE, "said": {"properties": {"alt": TEXT}}}, [document, document])
    model = MeddlingModel(lambda: client.update(index=name, id="1", doc={"said": {"alt": "A plan."}}))
    given = options(images, alt_field="said.alt")
    summary = enrich(client, name, model, given)
    assert (summary.labelled, summary.conflicts, model.pairs_seen) == (2, 1, 2)
    again = enrich(client, name, FakeModel(), given)
    assert (again.unchanged, again.written) == (2, 0)


def test_document_that_never_rests_is_left_alone(
    client: Elasticsearch, name: str, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(client, name, {"figure": FIGURE}, figures(2))
    read_again = enriching.read_again
    turns = iter(range(1000))

    def meddle() -> None:
        client.update(index=name, id="1", doc={"figure": {"n": 1000 + next(turns)}})

    def read_and_meddle(*arguments: Any) -> Any:
        documents = read_again(*arguments)
        meddle()
        return documents

    monkeypatch.setattr(enriching, "read_again", read_and_meddle)
    summary = enrich(client, name, MeddlingModel(meddle), options(images))
    assert (summary.labelled, summary.rejects) == (1, {"document changed again and again meanwhile": 1})
    assert "abs" not in state(client, name)["1"]["source"]["figure"]


def arguments(client_url: str, name: str, images: Path, *more: str) -> list[str]:
    return [
        "enrich", "--elasticsearch", client_url, "--name", name, "--image-root", str(images),
        "--image-field", "figure.path", "--text-field", "figure.caption", "--batch-size", "4", "--json", *more,
    ]  # fmt: skip


def labelled(client: Elasticsearch, name: str) -> int:
    client.indices.refresh(index=name)
    return int(client.count(index=name, query={"exists": {"field": "figure.abs"}})["count"])


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_run_that_was_stopped_goes_on(
    client: Elasticsearch, cluster: Any, name: str, images: Path, tmp_path: Path, end: signal.Signals
) -> None:
    make_index(client, name, {"figure": FIGURE}, figures(60))
    stopped = Child(tmp_path, *arguments(cluster.url, name, images), delay=0.2)
    while not labelled(client, name):
        assert stopped.process.is_alive(), stopped.err
        time.sleep(0.05)
    assert stopped.process.pid is not None
    os.kill(stopped.process.pid, end)
    code = stopped.wait()
    if end is signal.SIGINT:
        assert (code, stopped.err) == (130, "interrupted; run the same command again to go on\n")
    done = labelled(client, name)
    assert 0 < done < 60
    rest = Child(tmp_path, *arguments(cluster.url, name, images))
    assert rest.wait() == 0, rest.err
    summary = json.loads(rest.out)
    assert (summary["labelled"], summary["unchanged"]) == (60 - done, done)
    assert {document["version"] for document in state(client, name).values()} == {2}, "each was written once"


@pytest.mark.parametrize("dry_run", [False, True])
def test_reading_begins_again_where_the_server_forgets_the_search(
    client: Elasticsearch, name: str, images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dry_run: bool
) -> None:
    documents = figures(70)
    documents[0]["figure"]["path"] = "missing.png"
    make_index(client, name, {"figure": FIGURE}, documents)
    points: list[str] = []
    open_point = client.open_point_in_time

    def remember(**given: Any) -> Any:
        answer = open_point(**given)
        points.append(answer["id"])
        return answer

    monkeypatch.setattr(client, "open_point_in_time", remember)
    model = MeddlingModel(lambda: client.close_point_in_time(id=points[0]))
    summary = enrich(client, name, model, options(images, rejects=tmp_path / "rejects.jsonl", dry_run=dry_run))
    assert len(points) == 2
    assert sum(summary.labels.values()) == 69
    assert (summary.documents, summary.figures, summary.labelled, summary.unchanged) == (70, 70, 69, 0)
    assert dry_run or labelled(client, name) == 69
    (reject,) = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert json.loads(reject) == {
        "document": "0", "place": "figure", "image": "missing.png",
        "reason": "image file missing", "detail": "missing.png",
    }  # fmt: skip


def test_update_that_the_server_refuses_for_good_is_a_dead_letter(
    client: Elasticsearch, name: str, images: Path, tmp_path: Path
) -> None:
    letters = tmp_path / "dead.jsonl"
    array = {"figure": [figure(1), figure(2)]}
    make_index(client, name, {"figure": {"type": "nested", **FIGURE}}, [{"figure": [figure(0)]}, array])
    client.indices.put_settings(index=name, settings={"index.mapping.nested_objects.limit": 1})
    summary = enrich(client, name, FakeModel(), options(images, dead_letters=letters))
    assert (summary.labelled, summary.refused, summary.rejects) == (1, 1, {"update refused": 2})
    (letter,) = map(json.loads, letters.read_text().splitlines())
    assert (letter["id"], letter["status"]) == ("1", 400)
    assert "nested" in letter["reason"]
    assert [item["path"] for item in letter["document"]["figure"]] == ["1.png", "2.png"]
    assert state(client, name)["1"]["source"] == array


def test_index_that_becomes_read_only_ends_the_run(client: Elasticsearch, name: str, images: Path) -> None:
    make_index(client, name, {"figure": FIGURE}, figures(12))
    setting = "index.blocks.read_only_allow_delete"
    with pytest.raises(PushError, match="the disk of the cluster is too full"):
        enrich(
            client,
            name,
            MeddlingModel(lambda: client.indices.put_settings(index=name, settings={setting: True})),
            options(images),
        )
    with pytest.raises(PushError, match="the disk of the cluster is too full"):
        enrich(client, name, FakeModel(), options(images))
    assert enrich(client, name, FakeModel(), options(images, dry_run=True)).labelled == 12
    client.indices.put_settings(index=name, settings={setting: None})
    assert enrich(client, name, FakeModel(), options(images)).labelled == 12


@pytest.mark.parametrize("what", ["close", "delete"])
def test_index_that_goes_away_ends_the_run(client: Elasticsearch, name: str, images: Path, what: str) -> None:
    make_index(client, name, {"figure": FIGURE}, figures(4))
    enrich(client, name, FakeModel("before", 3), options(images))
    with pytest.raises(AliasError, match="the index was closed, removed or replaced meanwhile"):
        enrich(client, name, MeddlingModel(lambda: getattr(client.indices, what)(index=name)), options(images))


def test_texts_of_ten_megabytes(client: Elasticsearch, name: str, images: Path) -> None:
    text = " ".join(f"{'w' * 999}{number}" for number in range(10_000))
    make_index(client, name, {"figure": FIGURE}, [{"figure": [figure(n, caption=text), figure(n)]} for n in range(2)])
    before = state(client, name)
    summary = enrich(client, name, FakeModel(), options(images))
    assert (summary.labelled, summary.written) == (4, 2)
    found = state(client, name)
    assert found["0"]["source"]["figure"][0]["caption"] == before["0"]["source"]["figure"][0]["caption"]
