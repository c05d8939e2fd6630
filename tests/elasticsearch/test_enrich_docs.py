"""Every block of docs/enriching.md is run, on a small index of articles and a real server."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.cli import main
from abs_index.enriching.enrich import enrich
from abs_index.enriching.mapping import label_fields
from abs_index.errors import AccessError
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.credentials import Credentials
from abs_index.model import load
from abs_index.server.cluster import Cluster
from tests.elasticsearch.own_index import FIGURE, TITLE, figure, make_index, options, state, write_images
from tests.fakes import FakeModel

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "enriching.md").read_text(encoding="utf-8")
URL = "http://localhost:9200"
MAPPING = {"figures": {"type": "nested", **FIGURE}, **TITLE}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(client: Elasticsearch, cluster: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An index of articles and a folder `images`; gives what puts this server and this index into a block."""
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images")
    make_index(client, name, MAPPING, [{"figures": [figure(2 * n), figure(2 * n + 1)], "year": n} for n in range(4)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "load_model", lambda *_, **__: FakeModel())
    return lambda text: re.sub(r'\barticles\b(?=["/ ])', name, text.replace(URL, cluster.url))


def test_commands_then_queries(here: Any, client: Elasticsearch, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dry, wet = [line for block in blocks("sh") for line in block.splitlines()]
    for line, version in ((dry, 1), (wet, 2)):
        monkeypatch.setattr(sys, "argv", [*shlex.split(here(line)), "--quiet"])
        with pytest.raises(SystemExit) as end:
            main.main()
        assert not end.value.code
        assert {document["version"] for document in state(client, name).values()} == {version}
    label = state(client, name)["0"]["source"]["figures"][0]["abs"]
    search, facet = (block for block in blocks("http") if "/_search" in block)
    hits = ask(client, here(search).replace("image_more_abstract", label))["hits"]["hits"]
    assert hits
    for hit in hits:
        for inner in hit["inner_hits"]["figures"]["hits"]["hits"]:
            assert inner["_source"]["abs"] == label
            assert inner["_source"]["abs_prob"][label] >= 0.6
    counted = ask(client, here(facet))["aggregations"]["figures"]
    assert sum(bucket["doc_count"] for bucket in counted["abs"]["buckets"]) == counted["doc_count"] == 8


def ask(client: Elasticsearch, block: str) -> Any:
    first, _, body = block.partition("\n")
    headers = {"accept": "application/json", "content-type": "application/json"}
    return client.perform_request(*first.split(), headers=headers, body=json.loads(body)).body


def test_python_block_runs(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(here(block), "docs/enriching.md", "exec"), {})
    assert capsys.readouterr().out.startswith("8 {")


def test_the_table_has_every_field() -> None:
    table = PAGE[PAGE.index("| field |") : PAGE.index("With the image at the top")]
    told = set(
        re.findall(
            r"`figures\.([\w.]+)`|`…\.(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
        )
    )
    names = {first or f"abs_prob.{second}" for first, second in told}
    assert names == set(label_fields(FakeModel().info, vectors=True, words=True))


@pytest.fixture
def keys(secure_cluster: Cluster, tmp_path: Path) -> Iterator[Any]:
    """Makes an API key with the rights that the page names, without some of them; gives a client with it."""
    (block,) = (block for block in blocks("http") if "/_security/" in block)
    trust = {"ca_fingerprint": secure_cluster.ca_fingerprint}
    admin = connect(
        secure_cluster.url, credentials=Credentials(user="elastic", password=secure_cluster.password, **trust)
    )
    make_index(admin, "articles", MAPPING, [{"figures": [figure(1)]}])

    def key(without: str = "no right") -> Elasticsearch:
        made = ask(admin, re.sub(f', "{without}"', "", block))
        return connect(secure_cluster.url, credentials=Credentials(api_key=made["encoded"], **trust))

    yield key
    admin.indices.delete(index="articles")
    admin.close()


def test_rights_of_the_key_suffice(keys: Any, tmp_path: Path) -> None:
    given = options(write_images(tmp_path), "figures.path", "figures.caption")
    with keys() as client:
        assert enrich(client, "articles", FakeModel(), given).labelled == 1
    with keys("manage") as client:
        assert enrich(client, "articles", FakeModel("other", 3), given).labelled == 1
    with keys("write") as client, pytest.raises(AccessError, match="the rights do not suffice"):
        enrich(client, "articles", FakeModel("third", 4), given)
