"""Every block of docs/elasticsearch.md is run, on the sample corpus and a real server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from elasticsearch import Elasticsearch
from PIL import Image

from abs_index.cli import main
from abs_index.indexing.build import build_index
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.credentials import VARIABLES, Credentials
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.model import load
from abs_index.resources import shipped
from abs_index.search.index import Index
from abs_index.server.cluster import Cluster
from tests.elasticsearch.conftest import clean
from tests.fakes import FakeModel

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
URL = "http://localhost:9200"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def lines() -> list[str]:
    """All commands of the page, in their order."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


class Place:
    """The folder where the page's commands run, and what its URL and name are here."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        self.folder, self.url, self.name = folder, url, name

    def here(self, text: str) -> str:
        """Code of the page for this server and a name that nobody else uses."""
        text = text.replace(URL, self.url).replace("/figures/_", f"/{self.name}/_")
        text = text.replace("--name figures", f"--name {self.name}")
        return re.sub(r'(index=|:\d+", )"figures"', rf'\g<1>"{self.name}"', text)


@pytest.fixture(scope="module")
def place(
    sample_corpus: Path, cluster: Any, client: Elasticsearch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("docs")
    build_index([sample_corpus], folder / "figures", FakeModel())
    Image.new("RGB", (60, 40), "steelblue").save(folder / "sketch.png")
    place = Place(folder, cluster.url, f"test-docs-{folder.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(patch, shlex.split(place.here(next(line for line in lines() if "push" in line))))
    yield place
    clean(client, place.name)


@pytest.fixture(autouse=True)
def _there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(load, "load_model", lambda *given, **options: FakeModel())


def run(patch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    patch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert not ended.value.code


@pytest.mark.parametrize("line", [line for line in lines() if re.match(r"abs-index (search|similar)", line)])
def test_commands_find_something(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    run(monkeypatch, shlex.split(place.here(line)))
    printed = capsys.readouterr()
    assert "#" in printed.out
    assert printed.err == ""


def test_other_commands_exist() -> None:
    others = [shlex.split(line) for line in lines() if not re.match(r"abs-index (search|similar|push)|curl", line)]
    assert others == [["pip", "install", "abs-index[elasticsearch]"], ["abs-index", "es", "up"]]
    group = typer.main.get_command(main.app)
    es = group.get_command(typer.Context(group), "es")
    assert es.get_command(typer.Context(es), "up")


@pytest.mark.parametrize("line", [line for line in lines() if line.startswith("curl")])
def test_curl_finds_something(place: Place, line: str) -> None:
    printed = subprocess.run(shlex.split(place.here(line)), capture_output=True, check=True).stdout
    found = json.loads(printed)["hits"]["hits"]
    assert found
    assert {hit["_source"]["abs"] for hit in found} == {"image_more_abstract"}


@pytest.mark.parametrize("block", [block for block in blocks("http") if "/_search" in block])
def test_plain_requests_find_something(place: Place, client: Elasticsearch, block: str) -> None:
    first, _, body = place.here(block).partition("\n")
    method, path = first.split()
    headers = {"accept": "application/json", "content-type": "application/json"}
    answer = client.perform_request(method, path, headers=headers, body=json.loads(body) if body.strip() else None)
    assert answer["hits"]["hits"]
    for facet in answer.body.get("aggregations", {}).values():
        assert facet["buckets"]


def test_the_rights_of_the_key_suffice_for_every_search(place: Place, secure_cluster: Cluster) -> None:
    (block,) = (block for block in blocks("http") if "/_security/" in block)
    first, _, body = block.partition("\n")
    admin = Credentials(user="elastic", password=secure_cluster.password, ca_fingerprint=secure_cluster.ca_fingerprint)
    client = connect(secure_cluster.url, credentials=admin)
    try:
        push(place.folder / "figures", client, PushOptions("figures", "both"))
        headers = {"accept": "application/json", "content-type": "application/json"}
        made = client.perform_request(*first.split(), headers=headers, body=json.loads(body))
        reader = Credentials(api_key=made["encoded"], ca_fingerprint=secure_cluster.ca_fingerprint)
        for vectors_from in ({}, {"folder": place.folder / "figures"}):
            with Index.connect(
                secure_cluster.url, credentials=reader, es_filter={"exists": {"field": "abs"}}, **vectors_from
            ) as index:
                (first_hit, *_) = index.search("turbine* OR wave")
                assert index.figure(first_hit.id).pairs
                assert index.similar(first_hit.id, abs="equal")
                assert index.search("wave", figure=first_hit.id)
    finally:
        clean(client, "figures")
        client.close()


def test_python_blocks_run(place: Place) -> None:
    made: list[dict[str, Any]] = []
    for number, block in enumerate(blocks("python"), 1):
        names: dict[str, Any] = {}
        exec(compile(place.here(block), f"docs/elasticsearch.md, Python {number}", "exec"), names)
        if "client" in names:
            names["client"].close()
        made.append(names)
    ours, neighbours, counted, faiss = made
    assert ours["hits"]
    assert ours["alike"]
    assert ours["pictured"]
    assert ours["figure"].pairs
    assert sum(ours["counts"].kind.values()) == ours["counts"].pairs > 0
    found = neighbours["neighbours"]["hits"]["hits"]
    assert found
    assert {hit["_source"]["abs"] for hit in found} == {"text_more_abstract"}
    assert counted["counted"]["aggregations"]["abs"]["buckets"]
    assert faiss["alike"]
    assert {hit.abs for hit in faiss["alike"]} == {"equal"}
    assert all(hit.path.startswith("articles/") for hit in faiss["alike"])


def test_the_table_has_every_field() -> None:
    table = PAGE[PAGE.index("## Fields") : PAGE.index("## Vectors")]
    told = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    assert told == set(fields("fields")) | set(fields("vectors"))


def fields(part: str) -> Iterator[str]:
    """Names of all fields of a shipped template, with those inside others."""
    content = json.loads((shipped("mappings") / f"{part}.json").read_text("utf-8"))

    def inside(properties: dict[str, Any], prefix: str) -> Iterator[str]:
        for name, field in properties.items():
            if "properties" in field:
                yield from inside(field["properties"], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"
                yield from (f"{prefix}{name}.{part}" for part in field.get("fields", ()))

    return inside(content["template"]["mappings"]["properties"], "")


def test_credentials_are_those_that_are_read() -> None:
    table = PAGE[PAGE.index("## Credentials") : PAGE.index("```toml")]
    assert set(re.findall(r"`(ABS_INDEX_ES_[A-Z_]+)`", table)) == {*VARIABLES.values(), "ABS_INDEX_ES_CONFIG"}
    (example,) = blocks("toml")
    ((_, keys),) = tomllib.loads(example).items()
    assert set(keys) <= set(VARIABLES)
