"""The command `enrich`: one clear line for everything that can be wrong, and what it prints and writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.cli import main as program
from abs_index.model import load
from tests.elasticsearch.own_index import FIGURE, KEYWORD, TEXT, figure, make_index, state, write_images
from tests.fakes import FakeModel, ReadingModel


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cluster: Any, name: str, images: Path
) -> Iterator[Run]:
    """Runs the command on the index `name`, with other options where some are given; exit code, output, errors."""

    def run(*more: str, **changed: str | None) -> tuple[int, str, str]:
        given: dict[str, str | None] = {
            "elasticsearch": cluster.url, "name": name, "image_root": str(images),
            "image_field": "figure.path", "text_field": "figure.caption",
        }  # fmt: skip
        line = [
            word
            for option, value in (given | changed).items()
            if value is not None
            for word in (f"--{option.replace('_', '-')}", value)
        ]
        monkeypatch.setattr(sys, "argv", ["abs-index", "enrich", *line, "--quiet", *more])
        with pytest.raises(SystemExit) as end:
            program.main()
        return int(end.value.code or 0), *capsys.readouterr()

    monkeypatch.delenv(program.DEBUG, raising=False)
    yield run


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model of the tests in place of the shipped one."""
    monkeypatch.setattr(load, "load_model", lambda *_, **__: FakeModel())


@pytest.fixture
def make(client: Elasticsearch, name: str) -> Callable[..., None]:
    return partial(make_index, client, name)


def error(result: tuple[int, str, str]) -> str:
    """The one line that a failed run ends with."""
    code, out, err = result
    assert (code, out, err.count("\n")) == (1 if code == 1 else 2, "", 1), err
    assert err.startswith("error: ")
    return err.removeprefix("error: ").rstrip("\n")


def test_shipped_model_labels_an_index(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    make({"figure": {"type": "nested", **FIGURE}}, [{"figure": [figure(0), figure(1)]}, {"figure": []}])
    code, out, _ = run("--json", "--vectors")
    assert code == 0
    summary = json.loads(out)
    assert (summary["labelled"], summary["rejects"], summary["index"]) == (2, {"no image in the document": 1}, name)
    found = state(client, name)["0"]["source"]["figure"][1]
    assert found["abs"] in summary["labels"]
    assert (len(found["embedding_pair"]), len(found["embedding_image"])) == (256, 256)
    code, out, _ = run("--json", "--vectors")
    assert (code, json.loads(out)["unchanged"], json.loads(out)["written"]) == (0, 2, 0)


@pytest.mark.usefixtures("tiny")
def test_summary_is_for_people(make: Any, run: Run) -> None:
    make(
        {"figure": FIGURE},
        [{"figure": figure(0)}, {"figure": figure(1, path="../x.png")}, {"figure": figure(2, path="broken.png")}],
    )
    code, out, err = run("--dry-run")
    assert code == 0
    assert "dry run: nothing was written" in err
    assert "image outside --image-root  1" in " ".join(err.split()).replace("--image-root 1", "--image-root  1")
    assert "fields would be added: figure.abs, figure.abs_prob.image_more_abstract" in err
    header, row = out.splitlines()
    assert header.split() == ["document", "place", "image", "abs", "kind", "text"]
    assert row.split()[:3] == ["0", "figure", "0.png"]
    code, out, err = run()
    assert (code, out) == (0, "")
    assert "1 written" in err


@pytest.mark.usefixtures("tiny")
def test_rejects_are_listed_and_strict_fails_for_them(make: Any, run: Run, tmp_path: Path) -> None:
    paths = ["0.png", "broken.png", "/etc/passwd", "http://example.org/x.png", "gone.png"]
    make({"figure": FIGURE}, [{"figure": figure(0, path=path)} for path in paths])
    code, _, err = run("--strict", "--rejects", str(tmp_path / "rejects.jsonl"))
    assert code == 1
    assert err.endswith("error: 4 figures got no labels (--strict)\n")
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(row["document"], row["image"], row["reason"]) for row in rejects] == [
        ("1", "broken.png", "image damaged"),
        ("2", "/etc/passwd", "image outside --image-root"),
        ("3", "http://example.org/x.png", "host not allowed"),
        ("4", "gone.png", "image file missing"),
    ]


@pytest.mark.usefixtures("tiny")
def test_allowed_host_of_a_private_address_is_still_refused(make: Any, run: Run) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0, path="http://127.0.0.1:9/x.png")}])
    code, out, err = run("--json", "--allow-host", "127.0.0.1:9", image_root=None)
    assert (code, json.loads(out)["rejects"]) == (1, {"address not public": 1})
    assert err == "error: nothing could be done: none of 1 figures (address not public)\n"


@pytest.mark.usefixtures("tiny")
def test_query_restricts_documents(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    make({"figure": FIGURE, "year": {"type": "integer"}}, [{"year": 2000 + n, "figure": figure(n)} for n in range(6)])
    for query, count in (
        ("year:[2004 TO *]", 2),
        ('{"term": {"year": 2000}}', 1),
        ('{"query": {"term": {"year": 1}}}', 0),
    ):
        code, out, _ = run("--json", query=query)
        assert (code, json.loads(out)["documents"]) == (0, count)
    labelled = [key for key, document in state(client, name).items() if "abs" in document["source"]["figure"]]
    assert sorted(labelled) == ["0", "4", "5"]


@pytest.mark.usefixtures("tiny")
def test_alias_with_a_filter_means_what_it_shows(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    make({"figure": FIGURE}, [{"figure": figure(n)} for n in range(4)])
    client.indices.put_alias(index=name, name=f"{name}-some", filter={"term": {"figure.path": "3.png"}})
    code, out, _ = run("--json", name=f"{name}-some")
    assert (code, json.loads(out)["documents"], json.loads(out)["index"]) == (0, 1, name)


def test_alternative_text_and_caption_are_told(
    make: Any, run: Run, client: Elasticsearch, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ReadingModel()
    monkeypatch.setattr(load, "load_model", lambda *_, **__: model)
    properties = {**FIGURE["properties"], "alt": TEXT, "mention": TEXT}
    figures = [figure(0, mention="See both.", alt="A map."), figure(1, mention="See both.")]
    make({"figure": {"type": "nested", "properties": properties}}, [{"figure": figures}])
    code, out, _ = run("--json", alt_field="figure.alt")
    assert (code, json.loads(out)["labelled"]) == (0, 2)
    assert sorted(model.told) == ["", "A map."]
    model.told.clear()
    fields = {"text_field": "figure.mention", "caption_field": "figure.caption", "role": "mention"}
    code, out, _ = run("--json", alt_field="figure.alt", **fields)
    assert (code, json.loads(out)["labelled"]) == (0, 2)
    assert sorted(model.told) == ["A map. Picture 0 of a turbine.", "Picture 1 of a turbine."]


# bad input


@pytest.mark.usefixtures("tiny")
def test_names_that_are_not_one_index(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    assert error(run()) == f"no index or alias '{name}' on this cluster"
    make({"figure": FIGURE}, [{"figure": figure(0)}])
    make_index(client, f"{name}-2", {"figure": FIGURE}, [])
    for index in (name, f"{name}-2"):
        client.indices.put_alias(index=index, name=f"{name}-both")
    assert error(run(name=f"{name}-both")) == (
        f"alias '{name}-both' is at several indices ({name}, {name}-2); name one of them"
    )
    for wrong in (f"{name}*", "_all", f"{name},{name}-2", "", "-x", "a/b"):
        assert "the name of one index or alias" in error(run(name=wrong))
    client.indices.close(index=name)
    assert error(run()) == f"index '{name}' is closed; open it first"


@pytest.mark.usefixtures("tiny")
def test_fields_that_are_not_there(make: Any, run: Run, name: str) -> None:
    raw = {"type": "text", "fields": {"raw": KEYWORD}}
    other = {"type": "nested", "properties": {"text": TEXT}}
    make({"figure": FIGURE, "title": raw, "notes": other, "bag": {"type": "flattened"}}, [{"figure": figure(0)}])
    where = f"index '{name}': "
    known = "figure.caption, figure.path, notes.text, title, bag, figure.n"
    assert error(run(image_field="figure.file")) == f"{where}no field figure.file (--image-field); it has: {known}"
    assert error(run(text_field="title.raw")) == f"{where}no field title.raw (--text-field); it has: {known}"
    assert error(run(image_field="figure")) == (
        f"{where}figure (--image-field) is an object; name a field in it: figure.caption, figure.n, figure.path"
    )
    assert error(run(image_field="figure..path")) == "--image-field 'figure..path': not the name of a field"
    assert "stands in another nested array" in error(run(text_field="notes.text"))
    assert error(run(alt_field="alt")) == f"{where}no field alt (--alt-field); it has: {known}"
    assert "stands in another nested array" in error(run(caption_field="notes.text", role="mention"))
    assert "bag (--image-field) is an object" in error(run(image_field="bag"))


@pytest.mark.usefixtures("tiny")
def test_image_field_that_no_document_has(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    make({"figure": FIGURE}, [{"figure": {"caption": "x"}}, {}])
    assert error(run()) == (
        f"{name}: none of 2 documents has an image in figure.path; it has the fields: "
        "figure.caption, figure.path, figure.n"
    )
    assert "abs" not in client.indices.get_mapping(index=name)[name]["mappings"]["properties"]["figure"]["properties"]


@pytest.mark.usefixtures("tiny")
def test_mappings_that_do_not_fit(make: Any, run: Run, client: Elasticsearch, name: str) -> None:
    make(
        {"figure": {"properties": {**FIGURE["properties"], "abs_prob": KEYWORD, "kind": TEXT}}}, [{"figure": figure(0)}]
    )
    assert error(run()) == (
        "field figure.abs_prob is of type keyword, but labels need an object there; see --target-field"
    )
    assert run(target_field="labels")[0] == 0
    client.indices.delete(index=name)
    make({"figure": {"properties": {**FIGURE["properties"], "kind": TEXT}}}, [{"figure": figure(0)}])
    assert error(run()) == "field figure.kind is there with type text, but keyword is needed; see --target-field"
    assert state(client, name)["0"]["version"] == 1
    client.indices.delete(index=name)
    make({"figure": FIGURE}, [{"figure": figure(0)}], settings={"index.mapping.total_fields.limit": 6})
    assert "fields cannot be added: Limit of total fields [6] has been exceeded" in error(run())
    assert state(client, name)["0"]["version"] == 1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"enabled": False}, "does not keep its documents"),
        ({"excludes": ["figure.n"]}, "an update would lose the rest"),
    ],
)
def test_index_that_does_not_keep_whole_documents(make: Any, run: Run, source: Any, message: str) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0)}], mappings={"_source": source})
    assert message in error(run())


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("block", ["read_only_allow_delete", "read_only", "write"])
def test_read_only_index(make: Any, run: Run, client: Elasticsearch, name: str, block: str) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0)}])
    client.indices.put_settings(index=name, settings={f"index.blocks.{block}": True})
    line = error(run())
    assert "run the same command again" in line
    assert ("the disk of the cluster is too full" in line) is (block == "read_only_allow_delete")
    client.indices.put_settings(index=name, settings={f"index.blocks.{block}": None})


@pytest.mark.usefixtures("tiny")
def test_queries_that_are_none(make: Any, run: Run) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0)}])
    assert error(run(query='{"term": ')).startswith("--query is not valid JSON: ")
    assert "unknown query [trem]" in error(run(query='{"trem": {"x": 1}}'))
    assert error(run(query="figure.path:[")).startswith("--query: ")


@pytest.mark.usefixtures("tiny")
def test_options_that_do_not_fit(make: Any, run: Run, tmp_path: Path) -> None:
    make({"figure": FIGURE}, [{"figure": figure(0)}])
    assert error(run(image_root=None)) == "where are the images? give --image-root, --allow-host, or both"
    assert error(run(image_root=str(tmp_path / "no"))) == f"--image-root {tmp_path}/no: no such folder"
    assert "the name of one host" in error(run(allow_host="https://example.org"))
    assert error(run(caption_field="figure.caption")) == (
        "--caption-field goes with --role mention: with --role caption, --text-field is the caption"
    )
    assert error(run(target_field="a.b")).startswith("--target-field 'a.b': one name without dots")
    assert error(run(rejects=str(tmp_path / "no" / "file"))).endswith("No such file or directory")


@pytest.mark.usefixtures("tiny")
def test_server_that_is_not_there(run: Run) -> None:
    assert "cannot be reached" in error(run(elasticsearch="http://127.0.0.1:1"))
