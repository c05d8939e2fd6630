"""The commands `push`, `build --elasticsearch` and `es template`, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from abs_index.cli import main as program
from abs_index.indexing.elasticsearch.aliases import find_index, own_indices
from tests.elasticsearch.proxy import Fault, Proxy, in_turn
from tests.elasticsearch.pushing import assert_same, change, documents, on_server, write_index
from tests.search.tables import DocumentRow, FigureRow, PairRow


@pytest.fixture
def url(client: Elasticsearch) -> str:
    return next(iter(client.transport.node_pool.all())).base_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", documents(10))


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the program."""
    monkeypatch.setattr(sys, "argv", ["abs-index", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        program.main()
    streams = capsys.readouterr()
    return int(ended.value.code or 0), streams.out, streams.err


def test_push_twice(
    client: Elasticsearch, url: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = ("push", folder, "--elasticsearch", url, "--name", name)
    code, out, err = run(monkeypatch, capsys, *command)
    assert (code, out) == (0, "")
    assert f"alias        {name}" in err
    assert_same(client, name, folder)
    change(folder, ["d1"])
    code, out, err = run(monkeypatch, capsys, *command, "--json", "--quiet")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert (report["alias"], report["sent"], report["deleted"], report["unchanged"]) == (name, 0, 4, 36)
    assert set(report) >= {"index", "pairs", "refused", "vectors_left_out", "bytes", "seconds", "docs_per_second"}


def test_options_reach_the_push(
    client: Elasticsearch, url: str, name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "mine"\n[elasticsearch]\nquantisation = "flat"\nshards = 2\n')
    code, _, _ = run(
        monkeypatch, capsys, "push", folder, "--elasticsearch", url, "--name", name, "--recipe", recipe,
        "--vectors", "both", "--analyzer", "standard", "--workers", 1, "--chunk-bytes", 1000,
    )  # fmt: skip
    assert code == 0
    live = find_index(client, name)
    assert live is not None
    meta = live.meta
    assert (meta.quantisation, meta.shards, meta.vectors, meta.analyzer) == ("flat", 2, "both", "standard")
    change(folder, ["d1"])
    code, _, err = run(monkeypatch, capsys, "push", folder, "--elasticsearch", url, "--name", name, "--in-place")
    assert (code, err.count("\n")) == (1, 1)
    assert "cannot be changed in place" in err


def test_refused_documents_are_exit_code_1(
    url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = DocumentRow("bad", [FigureRow("f1", [PairRow("text", kind="x" * 40_000)])])
    folder = write_index(tmp_path / "index", [*documents(30), bad])
    letters = tmp_path / "dead.jsonl"
    command = ("push", folder, "--elasticsearch", url, "--name", name, "--json", "-q")
    code, out, err = run(monkeypatch, capsys, *command, "--dead-letters", letters)
    assert (code, json.loads(out)["refused"]) == (1, 1)
    assert err == f"error: 1 documents were refused by the cluster; they are with the reasons in {letters}\n"
    assert json.loads(letters.read_text())["id"] == "bad-f1-0"
    code, _, _ = run(monkeypatch, capsys, *command)
    assert code == 1
    assert (folder / f"dead-letters-{name}.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--elasticsearch", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1: cannot be reached (connection refused)"),
        (["--elasticsearch", "http://192.0.2.1:9200"], 1, "use https://, or allow it by --insecure"),
        (["--elasticsearch", "http://ada:T0pSecret@127.0.0.1:9200"], 1, "do not belong in the URL"),
        (["--elasticsearch", "nonsense"], 2, "'nonsense' is no URL"),
        ([], 2, "--elasticsearch"),
        (["--elasticsearch", "URL", "--name", "Big"], 2, "'Big' cannot be a name"),
        (["--elasticsearch", "URL", "--analyzer", "klingon"], 1, "no analyser 'klingon'"),
        (["--elasticsearch", "URL", "--recipe", "nowhere"], 2, "no recipe 'nowhere'"),
    ],
)
def test_what_goes_wrong_is_one_line(
    url: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    arguments = [url if argument == "URL" else argument for argument in ["--name", name, *arguments]]
    ended, out, err = run(monkeypatch, capsys, "push", folder, *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert message in err
    assert "T0pSecret" not in err


def test_the_folder_must_hold_an_index(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(monkeypatch, capsys, "push", tmp_path / "none", "--elasticsearch", url)
    assert code == 1
    assert "abs-index build" in err


def test_ctrl_c_and_the_same_command_again(client: Elasticsearch, url: str, name: str, tmp_path: Path) -> None:
    """The program runs for itself here; the server is slow to take documents until it was interrupted."""
    folder = write_index(tmp_path / "index", documents(30))
    with Proxy(url, in_turn([None, None, None, *[Fault.BUSY] * 1000])) as proxy:
        command = [
            sys.executable, "-m", "abs_index.cli.main", "push", str(folder), "--elasticsearch", proxy.url,
            "--name", name, "--chunk-bytes", "4000", "-q", "--json",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as pushing:
            deadline = time.monotonic() + 60
            while proxy.done.count(Fault.BUSY) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            pushing.send_signal(signal.SIGINT)
            sent = time.monotonic()
            assert pushing.stderr is not None
            assert pushing.stderr.read() == "interrupted; run the same command again to go on where it was\n"
            assert pushing.wait(30) == 130
            assert time.monotonic() - sent < 20  # although its threads would have been patient for five minutes
        assert find_index(client, name) is None
        proxy.choose = in_turn([])
        again = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(again.stdout)
    assert report["unchanged"] > 0
    assert report["sent"] + report["unchanged"] == 120
    assert_same(client, name, folder)
    assert len(own_indices(client, name)) == 1


def test_without_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "elasticsearch", None)
    code, _, err = run(monkeypatch, capsys, "push", folder, "--elasticsearch", "http://127.0.0.1:9200")
    assert code == 1
    assert "pip install 'abs-index[elasticsearch]'" in err


def test_build_and_push_in_one(
    client: Elasticsearch, url: str, name: str, sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "index"
    command = ("build", sample_corpus, "--index", folder, "--name", name, "--json", "-q", "--elasticsearch")
    code, out, err = run(monkeypatch, capsys, *command, "http://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert "cannot be reached" in err
    assert not folder.exists()  # a server that is not there shows before hours of building
    code, out, _ = run(monkeypatch, capsys, *command, url)
    summary = json.loads(out)
    assert (code, summary["elasticsearch"]["sent"]) == (0, summary["pairs"])
    assert_same(client, name, folder)
    assert len(on_server(client, name)) == summary["pairs"]


def test_template_is_printed_and_can_be_put(
    client: Elasticsearch, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(
        monkeypatch, capsys, "es", "template", "--name", name, "--index", folder, "--analyzer", "simple"
    )
    assert (code, err) == (0, "")
    for path, body in json.loads(out).items():
        client.perform_request(
            "PUT", f"/{path}", headers={"content-type": "application/json", "accept": "application/json"}, body=body
        )
    client.indices.create(index=f"{name}-abs-test")
    mapping = client.indices.get_mapping(index=f"{name}-abs-test")[f"{name}-abs-test"]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["properties"]["text"]["analyzer"] == "simple"
    assert mapping["properties"]["embedding"]["properties"]["pair"]["dims"] == 12


def test_template_by_the_recipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(monkeypatch, capsys, "es", "template")
    fields = json.loads(out)["_component_template/abs-index-figures-vectors"]["template"]["mappings"]["properties"]
    assert fields["embedding"]["properties"]["image"]["dims"] == 256
    _, out, _ = run(monkeypatch, capsys, "es", "template", "--vectors", "faiss")
    assert "_component_template/abs-index-figures-vectors" not in json.loads(out)


def test_secrets_of_the_environment_are_not_in_tracebacks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ABS_INDEX_ES_USER", "ada")
    monkeypatch.setenv("ABS_INDEX_ES_PASSWORD", "T0pSecret")
    command = [sys.executable, "-m", "abs_index.cli.main", "--debug", "push", str(folder), "--elasticsearch"]
    ended = subprocess.run([*command, "http://127.0.0.1:1"], capture_output=True, text=True, check=False)
    assert "Traceback" in ended.stderr
    assert "UnreachableError" in ended.stderr
    assert "T0pSecret" not in ended.stderr
