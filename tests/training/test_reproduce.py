"""Published figures are measured again: what is run, what is compared, and what is said where something is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from abs_index.cli.main import main
from abs_index.errors import RecipeError, UsageError
from abs_index.recipe import recipe_names
from abs_index.training import reproduce as reproducing
from abs_index.training import reproduction_matrix
from abs_index.training.reproduce import Places, reproduce
from abs_index.training.reproduction_matrix import Tolerance, load_matrix

HEAD = """
measured_on = "here"
[tolerances.score]
within = 0.002
within_elsewhere = 0.05
[tolerances.rate]
at_least = 0.5
"""


def run(name: str, code: str, figures: str, more: str = "") -> str:
    """A run of a Python program that is given here."""
    return f"""
[[runs]]
name = "{name}"
command = ["python", "-c", {json.dumps(code)}]
data = "none"
hardware = "any"
seconds = 1
{more}
figures = [{figures}]
"""


def figure(name: str, expected: float, path: str = "score", tolerance: str = "score", more: str = "") -> str:
    return f'{{ name = "{name}", row = "r", path = "{path}", expected = {expected}, tolerance = "{tolerance}"{more} }}'


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, tmp_path / "shared")


@pytest.fixture(autouse=True)
def _same_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproducing, "hardware_class", lambda: "here")


def write(folder: Path, *runs: str) -> Path:
    path = folder / "reproduce.toml"
    path.write_text(HEAD + "".join(runs), encoding="utf-8")
    return path


def outcomes(folder: Path, places: Places, *runs: str) -> dict[str, Any]:
    matrix = load_matrix(write(folder, *runs))
    return {outcome.name: outcome for outcome in reproduce(matrix, matrix.runs, places)}


PRINTS = 'print(\'some words\'); print(\'{"score": 0.7345, "rates": [10, {"a b, c": 4}], "no": null}\')'


def test_figures_are_read_from_the_last_line_and_compared(tmp_path: Path, places: Places) -> None:
    found = outcomes(
        tmp_path,
        places,
        run(
            "one",
            PRINTS,
            ", ".join(
                [
                    figure("near", 0.733),
                    figure("far", 0.730),
                    figure("percent", 73.4, more=", times = 100, unit = '%'", tolerance="rate"),
                    figure("fast-enough", 7.9, "rates/1/a b, c", "rate"),
                    figure("too-slow", 8.1, "rates/1/a b, c", "rate"),
                    figure("ratio", 2.5, "rates/0", "score", ', over = "rates/1/a b, c"'),
                    figure("absent", 1, "rates/7"),
                    figure("empty", 1, "no"),
                ]
            ),
        ),
    )
    assert {name: one.verdict for name, one in found.items()} == {
        "near": "ok",
        "far": "missed",
        "percent": "ok",
        "fast-enough": "ok",
        "too-slow": "missed",
        "ratio": "ok",
        "absent": "failed",
        "empty": "failed",
    }
    assert (found["far"].measured, found["far"].allowed) == (0.7345, "0.728 to 0.732")
    assert found["percent"].measured == pytest.approx(73.45)
    assert found["absent"].reason == "there is no 'rates/7' in what it printed"
    assert found["empty"].reason == "'no' is no number, but null"


def test_other_hardware_has_a_tolerance_of_its_own(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproducing, "hardware_class", lambda: "elsewhere")
    found = outcomes(tmp_path, places, run("one", PRINTS, f"{figure('near', 0.7)}, {figure('far', 0.6)}"))
    assert (found["near"].verdict, found["near"].allowed) == ("ok", "0.65 to 0.75")
    assert found["far"].verdict == "missed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('{}'); sys.exit('error: no such thing')", "exit code 1: error: no such thing"),
        ("import sys; sys.exit(3)", "exit code 3: it said nothing"),
        ("print('a table')", "it printed no JSON, but: a table"),
        ("", "it printed no JSON, but: "),
        ("print('[]')", "there is no 'score' in what it printed"),
        ("print('{\"score\": true}')", "'score' is no number, but true"),
    ],
)
def test_a_command_that_gives_no_number_fails_alone(tmp_path: Path, places: Places, code: str, reason: str) -> None:
    found = outcomes(tmp_path, places, run("bad", code, figure("a", 1)), run("good", PRINTS, figure("b", 0.734)))
    assert (found["a"].verdict, found["a"].reason, found["a"].measured) == ("failed", reason, None)
    assert found["b"].verdict == "ok"


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproducing, "_patience", lambda run: 0.5)
    found = outcomes(tmp_path, places, run("slow", "import time; time.sleep(60)", figure("a", 1)))
    assert found["a"].verdict == "failed"
    assert found["a"].reason.startswith("not done after ")


@pytest.mark.parametrize(
    ("command", "more", "reason"),
    [
        (
            '["abs-index", "stats", "{data}/corpora"]',
            "",
            "no {data}/corpora: --data says where corpora/ and labels/ are",
        ),
        ('["python", "benchmarks/none.py"]', "", "no benchmarks/none.py here: run it in a checkout of the repository"),
        ('["scripts/none"]', "", "no scripts/none here: run it in a checkout of the repository"),
        ('["python"]', 'extras = ["none"]', "the extra [none] is not installed: pip install 'abs-index[none]'"),
        ('["python"]', 'programs = ["no-such-program"]', "the program no-such-program is not installed"),
    ],
)
def test_what_is_missing_is_not_run_and_said(
    tmp_path: Path, places: Places, command: str, more: str, reason: str
) -> None:
    text = run("one", "", figure("a", 1), more).replace('["python", "-c", ""]', command)
    (outcome,) = outcomes(tmp_path, places, text).values()
    assert (outcome.verdict, outcome.measured) == ("not run", None)
    assert outcome.reason == reason.format(data=places.data)


def test_an_extra_counts_as_installed_when_all_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["numpy>=2.0", "pydantic>=2; extra == 'some'", 'no-such-thing[x]>=1 ; extra == "most"', "rich; extra=='x'"]
    asked += ["pydantic>=2; extra == 'most'"]
    monkeypatch.setattr(reproducing, "requires", lambda name: asked)
    assert reproducing._installed("some")
    assert not reproducing._installed("most")


def test_commands_run_in_the_repository_with_their_data_and_a_folder_to_write_to(
    tmp_path: Path, places: Places
) -> None:
    places.data.mkdir()
    code = (
        "import json, os, sys; data, temp = sys.argv[1:]; open(temp + '/written', 'w').close(); "
        "print(json.dumps({'score': 1, 'is': [float(os.getcwd() == os.path.dirname(data)), len(os.listdir(temp))]}))"
    )
    text = run("one", code, f"{figure('where', 1, 'is/0')}, {figure('written', 1, 'is/1')}")
    found = outcomes(tmp_path, places, text.replace('"]\ndata', '", "{data}", "{temp}"]\ndata'))
    assert [one.verdict for one in found.values()] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[[runs]]", "runs.0"),
        ("nonsense", "not valid TOML"),
        (run("one", "", figure("a", 1, tolerance="none")), "a: no tolerance 'none'; there are: score, rate"),
        (run("one", "", figure("a", 1) + "," + figure("a", 1)), "the name 'a' is given twice"),
        (run("one", "", figure("one", 1)), "the name 'one' is given twice"),
        (run("one", "", ""), "runs.0.figures"),
        (run("one", "", figure("a", 1)).replace('"python"', '"rm"'), "command starts with 'rm'"),
        (run("one", "", figure("a", 1), "quik = true"), "'runs.0.quik' is unknown; known here: command, "),
        ("[tolerances.none]\nfar = 1", "'tolerances.none.far' is unknown; known here: at_least, at_most, within, "),
        ("[tolerances.none]\n", "within, at_least or at_most is needed"),
    ],
)
def test_a_matrix_that_is_wrong_is_said(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(RecipeError, match=r"reproduce\.toml: ") as caught:
        load_matrix(write(tmp_path, wrong))
    assert said in str(caught.value)


def test_runs_are_chosen_by_their_names_or_those_of_their_figures(tmp_path: Path) -> None:
    both = figure("a", 1) + "," + figure("b", 2)
    matrix = load_matrix(write(tmp_path, run("one", "", both, "quick = true"), run("two", "", figure("c", 1))))

    def chosen(*names: str, quick: bool = False) -> list[str]:
        return [each.name for part in matrix.select(names, quick=quick) for each in part.figures]

    assert chosen() == ["a", "b", "c"]
    assert chosen(quick=True) == ["a", "b"]
    assert chosen("one") == ["a", "b"]
    assert chosen("b", "two") == ["b", "c"]
    with pytest.raises(UsageError, match=r"'d'; runs are: one, two"):
        chosen("d")


def test_tolerances_with_one_side_and_with_two() -> None:
    size = Tolerance(at_least=0.9, at_most=1.05)
    assert [size.allows(value, 100) for value in (89.9, 90, 105, 105.1)] == [False, True, True, False]
    assert [limit.describe(100) for limit in (size, Tolerance(at_most=2), Tolerance(within=3))] == [
        "90 to 105",
        "at most 200",
        "97 to 103",
    ]


# the command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `abs-index reproduce` with a matrix of our own: its exit code, standard output and standard error."""
    runs = (
        run("one", PRINTS, f"{figure('near', 0.734)}, {figure('far', 0.5)}", "quick = true"),
        run("two", "", figure("c", 1), 'programs = ["no-such-program"]'),
    )
    path = write(tmp_path, *runs)
    monkeypatch.setattr(reproduction_matrix, "shipped", lambda folder: path.parent)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["abs-index", "reproduce", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_command_prints_a_table_and_fails_where_a_figure_misses(command: Any) -> None:
    code, out, err = command()
    heading, near, far, other = map(str.split, out.splitlines())
    assert (code, heading) == (1, ["figure", "expected", "measured", "unit", "allowed", "verdict"])
    assert near == ["near", "0.734", "0.7345", "0.732", "to", "0.736", "ok"]
    assert far[-1] == "missed"
    assert " ".join(other[-8:]) == "not run the program no-such-program is not installed"
    assert err.count("(about 1 s)") == 1


def test_command_is_content_with_what_can_be_run_here_unless_it_is_strict(command: Any) -> None:
    assert command("near")[0] == 0
    assert command("near", "two")[0] == 0
    assert command("near", "two", "--strict")[0] == 1
    code, out, _ = command("--quick", "--json")
    assert code == 1
    assert [(one["name"], one["verdict"], one["measured"]) for one in json.loads(out)] == [
        ("near", "ok", 0.7345),
        ("far", "missed", 0.7345),
    ]
    assert command("nothing") == (
        2,
        "",
        "error: no published figure 'nothing'; runs are: one, two (--list shows their figures)\n",
    )


def test_command_lists_without_running(command: Any) -> None:
    code, out, err = command("--list")
    assert (code, err) == (0, "")
    assert "cannot be run here: the program no-such-program is not installed" in out
    assert "none; any; about 1 s, quick" in out
    listed = json.loads(command("--list", "--json", "two")[1])
    assert [(one["name"], one["missing"]) for one in listed] == [
        ("two", "the program no-such-program is not installed")
    ]


# the matrix that ships


def test_the_matrix_is_no_recipe() -> None:
    assert "reproduce" not in recipe_names()


def test_classes_of_hardware_are_those_of_the_matrix() -> None:
    architecture, _, arithmetic = load_matrix().measured_on.partition(" ")
    assert (architecture, arithmetic) == ("x86_64", "float32")
