"""The commands that read an index: `search`, `similar`, `show`, `export`, `rejects`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from abs_index.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path):
    """Runs a command as the program does; gives exit code, standard output and standard error."""

    def run(command: str, *arguments: str, index: Path = folder) -> tuple[int, str, str]:
        place = {"export": [str(index)], "predict": []}.get(command, ["--index", str(index)])
        monkeypatch.setattr(sys, "argv", ["abs-index", command, *arguments, *place])
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_search_prints_what_a_reader_needs(run) -> None:
    code, out, err = run("search", "ring AND abs:image_more_abstract")
    assert (code, err) == (0, "")
    for expected in ("traffic#f1", "Figure 1", "Why traffic jams (2015)", "image_more_abstract 0.90", "ring road"):
        assert expected in out
    assert "images/f1.png" in out


def test_search_gives_json_with_filters(run) -> None:
    code, out, _ = run(
        "search", "traffic", "--abs", "image_more_abstract", "--min-prob", "0.6", "--role", "caption", "--kind", "plot",
        "--source", "one", "--year", "2010..2020", "--journal", "L'Eau (Paris)", "-k", "5", "--json",
    )  # fmt: skip
    assert code == 0
    (hit,) = json.loads(out)
    assert (hit["id"], hit["figure"], hit["abs"]) == ("traffic#f1", "f1", "image_more_abstract")
    assert hit["snippet"].startswith("Waves")


def test_facets_count_what_is_found_beside_the_hits(run) -> None:
    code, out, err = run("search", "traffic", "--facets", "-k", "1")
    assert (code, err) == (0, "")
    assert [line.strip() for line in out.splitlines()[-8:-1]] == [
        "4 pairs match",
        "abs     image_more_abstract (2), text_more_abstract (2)",
        "kind    photo (2), plot (2)",
        "role    caption (3), mention (1)",
        "source  one (3), two (1)",
        "year    2021 (1), 2015 (3)",
        "cmi     0..0.25 (1), 0.5..0.75 (2), 0.75..1 (1)",
    ]
    code, out, _ = run("search", "--facets", "--min-cmi", "0.5", "--max-cmi", "0.7", "--json")
    found = json.loads(out)
    assert [hit["id"] for hit in found["hits"]] == ["turbine#f1", "traffic#f2"]
    assert (found["facets"]["pairs"], found["facets"]["year"]) == (2, {"2021": 1, "2015": 1})


def test_words_in_pictures_are_shown(run) -> None:
    assert "in the picture: Density (veh/km) Detectors 1 2 3" in run("search", "ring")[1]
    _, out, _ = run("show", "traffic#f1")
    assert "in the picture: Density" in out
    assert ("cmi 0.10" in out, "cmi 0.90" in out) == (True, True)


def test_nothing_found_is_no_error(run) -> None:
    assert run("search", "nothing-like-this") == (0, "", "no figure matches\n")
    assert run("search", "nothing-like-this", "--facets")[1].strip() == "0 pairs match"
    assert run("search", "nothing-like-this", "--json") == (0, "[]\n", "")


def test_a_query_that_does_not_parse_shows_where(run) -> None:
    code, out, err = run("search", 'traffic "waves')
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        '  traffic "waves',
        "          ^",
        "error: query: the quotation mark is not closed (character 9)",
    ]


@pytest.mark.parametrize("query", ["\x00", "[red]x[/]", "\\", "(((", "a\nb AND", "\udcff"])
def test_odd_queries_are_never_a_traceback(run, query: str) -> None:
    code, _, err = run("search", query)
    assert code in (0, 1)
    assert "Traceback" not in err
    assert "unexpected" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x", "--abs", "foo"], "valid are image_more_abstract"),
        (["search", "x", "--year", "soon"], "neither a year nor a range"),
        (["search", "x", "--journal", ""], "the value is empty"),
        (["search", "x", "--min-cmi", "0.9", "--max-cmi", "0.1"], "min_cmi: 0.9 is more than max_cmi, 0.1"),
        (["similar", "f1"], "name one of: traffic#f1, turbine#f1"),
        (["similar"], "either a figure of the index or an image"),
        (["similar", "--image", "/missing.png"], "cannot be read"),
        (["show", "nothing"], "there is no figure 'nothing'"),
    ],
)
def test_wrong_use_is_one_line(run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err


def test_an_image_that_is_none_fails_alike_in_every_command(run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    said = [
        run("similar", "--image", str(tmp_path / "a.png")),
        run("predict", str(tmp_path / "a.png"), "--text", "x", "--model", "fast"),
    ]
    line = f"error: {tmp_path / 'a.png'}: image format not supported: not a known kind of picture\n"
    assert said == [(1, "", line)] * 2


def test_similar_prints_other_figures(run) -> None:
    code, out, _ = run("similar", "traffic#f1", "-k", "2", "--json")
    assert code == 0
    assert len(json.loads(out)) == 2
    assert "traffic#f1" not in out


def test_show_prints_all_pairs_side_by_side(run) -> None:
    code, out, _ = run("show", "traffic#f1")
    assert code == 0
    for expected in ("traffic#f1", "L'Eau (Paris)", "image_more_abstract", "text_more_abstract", "0.90", "Results"):
        assert expected in out
    code, out, _ = run("show", "traffic#f1", "--json")
    assert [pair["abs"] for pair in json.loads(out)["pairs"]] == ["image_more_abstract", "text_more_abstract"]
    assert "no texts" in run("show", "turbine#bare")[1]


def test_export_to_a_file(run, tmp_path: Path) -> None:
    path = tmp_path / "figures.jsonl"
    code, out, err = run("export", "--what", "figures", "--output", str(path))
    assert (code, out) == (0, "")
    assert err == f"5 figures written to {path}\n"
    assert len(path.read_text().splitlines()) == 5


def test_export_to_a_reader_that_stops(folder: Path) -> None:
    command = [sys.executable, "-m", "abs_index.cli.main", "export", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_rejects_are_listed(run, tmp_path: Path) -> None:
    from tests.search.tables import DocumentRow, write_index

    index = write_index(tmp_path / "i", [DocumentRow("a", rejects=[("image damaged", "byte 7 of [x] " * 20)])])
    code, out, _ = run("rejects", index=index)
    assert code == 0
    assert "image damaged" in out
    assert "byte 7 of [x] " * 19 in out  # one line each, where there is no terminal
    code, out, _ = run("rejects", "--json", index=index)
    assert json.loads(out)[0]["path"] == "a.xml"
    assert run("rejects") == (0, "", "nothing was refused\n")


@pytest.mark.parametrize("command", [["search", "x"], ["similar", "a#b"], ["show", "a#b"], ["export"], ["rejects"]])
def test_a_folder_that_is_no_index_is_one_line(run, tmp_path: Path, command: list[str]) -> None:
    code, out, err = run(*command, index=tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {tmp_path}: holds no index")
    assert len(err.splitlines()) == 1
