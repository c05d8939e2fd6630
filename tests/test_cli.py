"""The program as a whole: help, exit codes, one line an error, a fast start."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from abs_index.cli import console
from abs_index.cli import main as program
from abs_index.cli.progress import shown
from abs_index.errors import AbsIndexError, QueryError, UsageError
from tests.commands import named_commands

COMMANDS = named_commands(typer.main.get_command(program.app))

HEAVY = (
    "torch",
    "timm",
    "faiss",
    "lance",
    "openvino",
    "tantivy",
    "pyarrow",
    "numpy",
    "PIL",
    "lxml",
    "rich",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "abs-index " + name in command.help, "an example of the command is part of its help"
    for parameter in command.params:
        assert parameter.help, f"{name} {parameter.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_list_of_commands_shows_whole_sentences(name: str) -> None:
    assert COMMANDS[name].short_help.endswith(".")
    *group, _ = name.split()
    assert COMMANDS[name].short_help in CliRunner().invoke(program.app, [*group, "--help"], terminal_width=200).output


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["es", "up", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from abs_index.cli.main import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}
    assert loaded.intersection(HEAVY) == set()


def test_version() -> None:
    assert CliRunner().invoke(program.app, ["--version"]).output.startswith("abs-index 0.")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """A command `fail` that raises the error put into the list."""
    errors: list[BaseException] = []

    def fail() -> None:
        raise errors[0]

    program.app.command()(fail)
    monkeypatch.setattr(sys, "argv", ["abs-index", "fail"])
    monkeypatch.delenv(program.DEBUG, raising=False)
    yield errors
    program.app.registered_commands.pop()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (AbsIndexError("the corpus is empty"), 1, "error: the corpus is empty\n"),
        (
            UsageError("no recipe 'x': choose from default, paper"),
            2,
            "error: no recipe 'x': choose from default, paper\n",
        ),
        (QueryError("a quote is not closed\nat character 7"), 1, "error: a quote is not closed at character 7\n"),
    ],
)
def test_errors_are_one_line(
    failing: list[BaseException], error: Exception, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(error)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == code
    assert capsys.readouterr() == ("", message)


def test_unforeseen_error_is_one_line_and_asks_for_a_report(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(ZeroDivisionError("division by zero"))
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: unexpected ZeroDivisionError: division by zero (please report it")
    assert error.count("\n") == 1


def test_debug_shows_where_an_error_happened(failing: list[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    failing.append(AbsIndexError("the corpus is empty"))
    monkeypatch.setenv(program.DEBUG, "1")
    with pytest.raises(AbsIndexError):
        program.main()


def test_interrupt_ends_with_130(failing: list[BaseException]) -> None:
    failing.append(KeyboardInterrupt())
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("es", "Missing command (see `abs-index es --help`)"),
        ("es dwon", "No such command 'dwon'. Did you mean 'down'? (see `abs-index es --help`)"),
        ("smaple", "No such command 'smaple'. Did you mean 'sample'? (see `abs-index --help`)"),
        ("build", "Missing argument 'CORPUS' (see `abs-index build --help`)"),
        ("search x --index y -k 0", "greater than or equal to 1 (see `abs-index search --help`)"),
        ("search x --index y --kinds photo", "No such option: --kinds"),
        ("build x --index y --device tpu", "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_wrong_usage_is_one_line_and_ends_with_2(
    line: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["abs-index", *line.split()])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert message in err


def test_no_command_shows_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["abs-index"])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    assert "Start with `abs-index demo`." in capsys.readouterr().out


def test_closed_pipe_is_quiet() -> None:
    command = [sys.executable, "-m", "abs_index.cli.main", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_json_takes_values_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Hit:
        path: Path
        title: str

    console.write_json([Hit(Path("a/b.png"), "Größe")])
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == [{"path": "a/b.png", "title": "Größe"}]
    with pytest.raises(TypeError):
        console.write_json(object())


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter((0.0, 1.0, 40.0, 41.0))
    monkeypatch.setattr("abs_index.cli.progress.time.monotonic", lambda: next(now))
    with shown(console.stderr(), "embedding", "images") as advance:
        for done in (1, 400, 410):
            advance(done, 800)
    assert capsys.readouterr().err == "embedding: 400 of 800 images, 10.0 images/s, 40 s left\n"


def test_a_terminal_shows_one_bar_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    terminals: list[Console] = []

    def terminal() -> Console:
        terminals.append(Console(file=StringIO(), force_terminal=True, width=100))
        return terminals[-1]

    monkeypatch.setattr(console, "stderr", terminal)
    with console.two_bars(("building", "documents"), ("making vectors of texts", "texts")) as (read, meant):
        read(3, 3)
        assert len(terminals) == 1
        for done in (0, 512, 600):
            meant(done, 600)
    first, second = (one.file.getvalue() for one in terminals)  # type: ignore[attr-defined]
    assert "building" in first
    assert "3/3" in first
    assert first.endswith("\x1b[2K"), "the first bar is wiped away before the second comes"
    assert "making vectors of texts" in second
    assert "600/600" in second
    assert "texts/s" in second


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("embedding", quiet=True) as advance:
        advance(1, None)
    assert capsys.readouterr() == ("", "")
