"""No figure is published without its command: the table *Numbers* of the README and the matrix hold the same."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from abs_index.training.reproduction_matrix import Figure, Run, load_matrix
from tests.conftest import SHARED

ROOT = Path(__file__).parents[1]
MATRIX = load_matrix()
EDIT = "edit README.md or pipelines/reproduce.toml, which says how"


@dataclass(frozen=True)
class Row:
    """A row of the table. `numbers` are those of the result, as written; `command` is what its cell stands for."""

    what: str
    command: tuple[str, ...]
    numbers: tuple[str, ...]


def rows() -> list[Row]:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Numbers\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    found: list[Row] = []
    for what, command, _, result in (line for line in cells[2:] if len(line) == 4 and line[0] != "what"):
        if set(what) != {"-"}:
            before = found[-1].command if found else ()
            found.append(Row(what, said_command(command, before), said_numbers(result)))
    return found


def said_command(cell: str, before: tuple[str, ...]) -> tuple[str, ...]:
    """The command that a cell says: whole, or "the same" as in the row before, perhaps with other options."""
    (code,) = re.findall(r"`([^`]+)`", cell) or [""]
    said = tuple(shlex.split(code))
    if not cell.startswith("the same"):
        return said
    values = {name: value for name, value in pairwise(said) if name.startswith("-")}
    return tuple(values.get(option, part) for option, part in zip(("", *before), before, strict=False))


def said_numbers(cell: str) -> tuple[str, ...]:
    """Numbers outside of code: `1,284` and `0.733`, but not the 2 of `p2`."""
    without_code = re.sub(r"`[^`]*`", "", cell)
    return tuple(re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)", without_code))


def matches(number: str, expected: float) -> bool:
    """Whether a number as written is a value, rounded as the writing is."""
    digits = len(number.partition(".")[2])
    return abs(float(number.replace(",", "")) - expected) <= 0.5 * 10**-digits + 1e-9


def without_json(command: tuple[str, ...]) -> tuple[str, ...]:
    """A command as it is compared: on the data beside the repository, for people or for machines."""
    return tuple(part.replace("{data}", "../shared") for part in command if part != "--json")


def by_row() -> dict[str, list[tuple[Run, Figure]]]:
    found = defaultdict(list)
    for run in MATRIX.runs:
        for figure in run.figures:
            found[figure.row].append((run, figure))
    return found


ROWS = rows()


def test_the_table_is_found() -> None:
    assert len(ROWS) > 10
    assert len({row.what for row in ROWS}) == len(ROWS), "first cells name the rows"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_every_row_is_in_the_matrix(row: Row) -> None:
    figures = by_row().get(row.what)
    assert figures, f"no figure of the matrix has row = {row.what!r}; {EDIT}"
    commands = sorted({shlex.join(without_json(run.command)) for run, _ in figures})
    said = shlex.join(without_json(row.command))
    assert said in commands, f"row {row.what!r} says {said!r}, the matrix {commands}; {EDIT}"
    for number in row.numbers:
        assert any(matches(number, figure.expected) for _, figure in figures), (
            f"row {row.what!r} publishes {number}, which no figure of the matrix with this row expects: "
            f"{ {figure.name: figure.expected for _, figure in figures} }; {EDIT}"
        )


@pytest.mark.parametrize("figure", MATRIX.figures(), ids=lambda figure: figure.name)
def test_every_figure_of_the_matrix_is_published(figure: Figure) -> None:
    row = next((row for row in ROWS if row.what == figure.row), None)
    assert row, f"{figure.name}: the README has no row {figure.row!r}; {EDIT}"
    assert any(matches(number, figure.expected) for number in row.numbers), (
        f"{figure.name}: expected is {figure.expected:g}, but row {row.what!r} publishes {row.numbers}; {EDIT}"
    )


def test_cells_are_read_as_they_are_meant() -> None:
    first = said_command("`a b --draw active --agreed`", ())
    assert said_command("the same with `--draw random`", first) == ("a", "b", "--draw", "random", "--agreed")
    assert said_command("the same run", first) == first
    assert said_numbers("`x2` 0.64: 1,284 images/s of 88 (94 %), p50") == ("0.64", "1,284", "88", "94")
    assert matches("0.84", 0.836)
    assert not matches("0.836", 0.84)


def test_figures_that_are_quick_are_as_published() -> None:
    """What CI measures of the matrix."""
    quick = MATRIX.select((), quick=True)
    assert 0 < sum(run.seconds for run in quick) < 30
    command = [sys.executable, "-m", "abs_index.cli.main", "reproduce", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(run.stdout or "[]")
    assert len(found) == sum(len(run.figures) for run in quick), run.stderr
    different = [one for one in found if one["verdict"] not in ("ok", "not run")]
    assert (run.returncode, different) == (0, [])
    not_run = [one for one in found if one["verdict"] == "not run"]
    assert not not_run or not SHARED.is_dir(), not_run
    assert len(not_run) < len(found)
