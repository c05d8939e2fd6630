"""The main job as users run it: the shipped model, the sample corpus, processes of their own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from abs_index.indexing.table import Table
from tests.indexing.helpers import content_of

WATCHED = """
import sys
from abs_index.cli.main import main
reported = {"os.fork", "os.forkpty", "socket.connect", "socket.getaddrinfo"}
sys.addaudithook(lambda event, _: event in reported and sys.stderr.write(f"watched: {event}\\n"))
main()
"""
KILLS = 4


@dataclass(frozen=True)
class Demonstration:
    folder: Path
    home: Path
    said: dict[str, str]
    """Standard output of each command, by its command line."""
    err: str


def surroundings(home: Path) -> dict[str, str]:
    """Those of somebody who is not in CI, where some libraries behave."""
    return {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(home)}


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-c", WATCHED, "demo", "--folder", str(folder)]
    run = subprocess.run(command, env=surroundings(home), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    parts = [part.partition("\n") for part in run.stdout.split("\n$ abs-index ")[1:]]
    return Demonstration(folder, home, {command: said for command, _, said in parts}, run.stderr)


def test_every_search_of_the_demo_shows_figures(demonstration: Demonstration) -> None:
    searches = [command for command in demonstration.said if command.split()[0] in {"search", "similar"}]
    assert len(searches) >= 4
    for command in searches:
        found = [line for line in demonstration.said[command].splitlines() if line[:1].strip() and "#" in line]
        assert found, f"{command} finds nothing"


def test_demo_shows_a_figure_that_is_abstract_beside_one_text_and_not_beside_another(
    demonstration: Demonstration,
) -> None:
    (shown,) = (said for command, said in demonstration.said.items() if command.startswith("show"))
    lines = shown.splitlines()
    best = [lines[at + 1].split()[1] for at, line in enumerate(lines) if line.startswith(("caption", "mention"))]
    assert len(best) >= 3
    assert len(set(best)) >= 2


def test_nothing_is_sent_anywhere_and_no_process_is_forked(demonstration: Demonstration) -> None:
    assert "watched:" not in demonstration.err
    assert "Warning" not in demonstration.err
    assert "fork" not in demonstration.err
    assert list(demonstration.home.iterdir()) == []


def test_killed_builds_end_in_the_same_index(demonstration: Demonstration, tmp_path: Path) -> None:
    expected = content_of(Table.open_published(demonstration.folder / "index"))
    corpus = str(demonstration.folder / "corpus")
    command = [sys.executable, "-m", "abs_index.cli.main", "build", corpus, "--device", "cpu", "--quiet"]
    begin = time.monotonic()
    subprocess.run([*command, "--index", str(tmp_path / "whole")], env=surroundings(tmp_path), check=True)
    seconds = time.monotonic() - begin
    moments = random.Random(11)
    index = tmp_path / "killed"
    for part in range(KILLS):
        with subprocess.Popen([*command, "--index", str(index)], env=surroundings(tmp_path)) as process:
            try:
                process.wait((part + moments.random()) / KILLS * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
    subprocess.run([*command, "--index", str(index)], env=surroundings(tmp_path), check=True)
    content_of(Table.open_published(index)).assert_same(expected)
