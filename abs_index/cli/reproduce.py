"""Command `reproduce`: measures the published figures again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abs_index.training.reproduce import Outcome, Places
    from abs_index.training.reproduction_matrix import Figure, Matrix, Run


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Runs or figures, as --list names them; left out, all.", metavar="[NAME]..."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only show what there is, and run nothing.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Only those that take seconds.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder with corpora/ and labels/; left out, the folder `shared` beside the repository.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A figure that cannot be run here is an error too.")] = False,
    json: JsonOption = False,
) -> None:
    """Measure the figures that the README publishes again, and compare.

    Every figure has its command, its expected value and its tolerance in `pipelines/reproduce.toml`. Commands run one
    after the other, in the repository. Figures whose data, packages or programs are not here are "not run". The exit
    code is 1 where a figure misses its tolerance or its command fails.

    Example:

        abs-index reproduce --list
        abs-index reproduce accuracy-active search-latency
        abs-index reproduce --quick --strict --data /data/figures --json
    """
    from abs_index.training.reproduce import Places
    from abs_index.training.reproduce import reproduce as measure
    from abs_index.training.reproduction_matrix import load_matrix

    matrix = load_matrix()
    runs = matrix.select(names or (), quick=quick)
    places = Places.of(data)
    if listed:
        _list(matrix, runs, places, json=json)
        return
    with console.resumable("figures measured so far are lost"):
        outcomes = list(measure(matrix, runs, places, lambda run: _tell(run, places)))
    if json:
        console.write_json(outcomes)
    else:
        for line in _table(outcomes):
            console.write(line)
    bad = {"missed", "failed", *(["not run"] if strict else [])}
    if any(outcome.verdict in bad for outcome in outcomes):
        raise typer.Exit(1)


def _tell(run: Run, places: Places) -> None:
    console.stderr().print(f"{_command(run, places)}  (about {run.seconds:g} s)", markup=False)


def _command(run: Run, places: Places) -> str:
    """As one types it in the folder that it runs in."""
    import shlex

    return shlex.join(part.replace("{data}", str(places.data)).replace("{temp}", "DIR") for part in run.command)


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    rows = [("figure", "expected", "measured", "unit", "allowed", "verdict", "")]
    for one in outcomes:
        measured = "" if one.measured is None else f"{one.measured:.4g}"
        rows.append((one.name, f"{one.expected:g}", measured, one.unit, one.allowed, one.verdict, one.reason))
    return console.aligned(rows)


def _allowed(matrix: Matrix, figure: Figure) -> str:
    return matrix.tolerances[figure.tolerance].describe(figure.expected)


def _list(matrix: Matrix, runs: Sequence[Run], places: Places, *, json: bool) -> None:
    from abs_index.training.reproduce import what_is_missing

    if json:
        console.write_json([run.model_dump() | {"missing": what_is_missing(run, places)} for run in runs])
        return
    for run in runs:
        missing = what_is_missing(run, places)
        console.write(f"{run.name}: {_command(run, places)}")
        console.write(f"  {run.data}; {run.hardware}; about {run.seconds:g} s{', quick' if run.quick else ''}")
        if missing:
            console.write(f"  cannot be run here: {missing}")
        rows = [
            (f"  {figure.name}", f"{figure.expected:g}", figure.unit, _allowed(matrix, figure))
            for figure in run.figures
        ]
        for line in console.aligned(rows):
            console.write(line)
        console.write("")
