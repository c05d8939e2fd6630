"""The commands `search`, `similar` and `show` against a real server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.cli import main
from tests.elasticsearch.loading import loaded
from tests.search.tables import DOCUMENTS, write_index

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("search") / "index", DOCUMENTS)


@pytest.fixture(scope="module")
def pushed(client: Elasticsearch, folder: Path) -> Iterator[str]:
    with loaded(client, folder) as name:
        yield name


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["abs-index", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "ring AND abs:image_more_abstract"),
        ("search", "stop waves", "--abs", "text_more_abstract", "--year", "2010..2020", "-k", "1"),
        ("search", "nothing-like-this"),
        ("search", 'traffic "waves'),
        ("similar", "traffic#f1", "--journal", 'Drugs in R&D: "Special" \\ Issue', "--abs", "equal"),
        ("similar", "f1"),
        ("show", "traffic#f1"),
    ],
)
def test_output_is_that_of_the_embedded_index(
    run: Run, cluster: Any, pushed: str, folder: Path, arguments: tuple[str, ...]
) -> None:
    place = ("--elasticsearch", cluster.url, "--name", pushed)
    code, out, err = run(*arguments, "--index", str(folder), "--json")
    mine = run(*arguments, *place, "--json")
    assert (mine[0], mine[2]) == (code, err)
    if out:
        assert without_scores(json.loads(mine[1])) == without_scores(json.loads(out))
    code, out, _ = run(*arguments, *place)
    assert bool(out) == (code == 0 and "nothing" not in arguments[1])


def without_scores(found: Any) -> Any:
    hits = found if isinstance(found, list) else [found]
    return [{name: value for name, value in hit.items() if name != "score"} for hit in hits]


def test_filters_that_only_the_server_knows(run: Run, cluster: Any, pushed: str, folder: Path) -> None:
    place = ("--elasticsearch", cluster.url, "--name", pushed, "--json", "--es-filter", '{"prefix": {"pair": "old"}}')
    for vectors in ([], ["--vectors", "elasticsearch"], ["--vectors", "faiss", "--index", str(folder)]):
        code, out, err = run("similar", "traffic#f1", *place, *vectors)
        assert (code, [hit["id"] for hit in json.loads(out)], err) == (0, ["old#f9"], "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give the folder of an index"),
        (["--es-filter", "{}", "--index", "x"], 2, "give --elasticsearch URL too"),
        (["--vectors", "faiss"], 2, "give --elasticsearch URL too"),
        (["URL", "--es-filter", "{"], 2, "no JSON"),
        (["URL", "--es-filter", "[1]"], 2, "give an object"),
        (["URL", "--es-filter", '{"x": {}}'], 2, "does not understand it"),
        (["URL", "--vectors", "faiss"], 2, "need the folder"),
        (["URL", "--vectors", "faiss", "--index", "/missing"], 1, "does not exist"),
        (["URL", "--vectors", "elasticsearch", "--index", "x"], 2, "a folder is for vectors from FAISS"),
        (["URL", "--name", "no-such-alias"], 1, "no alias 'no-such-alias'"),
        (["--elasticsearch", "http://127.0.0.1:9"], 1, "cannot be reached"),
    ],
)
def test_what_is_wrong_is_one_line(
    run: Run, cluster: Any, pushed: str, arguments: list[str], code: int, message: str
) -> None:
    place = ["--elasticsearch", cluster.url, "--name", pushed]
    given = [word for each in arguments for word in (place if each == "URL" else [each])]
    found, out, err = run("search", "gel", *given)
    assert (found, out) == (code, "")
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
