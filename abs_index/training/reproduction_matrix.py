"""The reproduction matrix: every published figure with the command that gives it, what is expected, and how closely.

`pipelines/reproduce.toml` says of itself how it is edited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from abs_index.errors import UsageError
from abs_index.resources import shipped
from abs_index.sections import Section, read_sections

PROGRAMS = ("abs-index", "python")
"""What a command may start with, beside a script of the repository; both run in the Python that we run in."""

_ROUNDING = 1e-9


class Tolerance(Section):
    """How far a measured value may be from the expected one. At least one key is given; all that are given hold."""

    within: float | None = Field(default=None, ge=0)
    """Largest distance."""
    within_elsewhere: float | None = Field(default=None, ge=0)
    """The same on hardware of another class than that of the expected value; left out, as `within`."""
    at_least: float | None = Field(default=None, gt=0)
    """Lowest share of the expected value."""
    at_most: float | None = Field(default=None, gt=0)
    """Highest share of the expected value."""

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.within is None and self.at_least is None and self.at_most is None:
            raise ValueError("within, at_least or at_most is needed")
        return self

    def limits(self, expected: float, *, elsewhere: bool) -> tuple[float, float]:
        """The lowest and the highest value allowed. `elsewhere`: what is measured on another class of hardware."""
        within = self.within_elsewhere if elsewhere and self.within_elsewhere is not None else self.within
        lowest = [expected - within] if within is not None else []
        highest = [expected + within] if within is not None else []
        lowest += [self.at_least * expected] if self.at_least else []
        highest += [self.at_most * expected] if self.at_most else []
        return max(lowest, default=-inf), min(highest, default=inf)

    def allows(self, measured: float, expected: float, *, elsewhere: bool = False) -> bool:
        """Whether a measured value is close enough."""
        lowest, highest = self.limits(expected, elsewhere=elsewhere)
        return lowest - _ROUNDING <= measured <= highest + _ROUNDING

    def describe(self, expected: float, *, elsewhere: bool = False) -> str:
        """What is allowed, in words: `0.731 to 0.735`, `at least 28`."""
        lowest, highest = self.limits(expected, elsewhere=elsewhere)
        if highest == inf:
            return f"at least {lowest:.4g}"
        return f"at most {highest:.4g}" if lowest == -inf else f"{lowest:.4g} to {highest:.4g}"


class Figure(Section):
    """One published number."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    row: str = Field(min_length=1)
    """First cell of the row of the README in which it stands."""
    path: str = Field(min_length=1)
    """Where it is in the JSON that the command prints: keys and positions, with `/` between."""
    over: str | None = None
    """The path of what it is divided by."""
    times: float = 1.0
    """What it is multiplied by to be in `unit`."""
    expected: float
    unit: str = ""
    tolerance: str
    """Name of a tolerance of the matrix."""


class Run(Section):
    """One command, and the figures that it gives."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; no shell. `{data}` stands for the folder of corpora and labels, `{temp}` for an empty
    folder that goes away afterwards. The last line that it prints on standard output is JSON."""
    data: str
    """What is measured, in words."""
    hardware: str
    """What the expected values were measured on, in words."""
    seconds: float = Field(gt=0)
    """How long it takes there."""
    quick: bool = False
    """Whether it is run at every change."""
    extras: tuple[str, ...] = ()
    """Optional parts of the installation that it needs."""
    programs: tuple[str, ...] = ()
    """Other programs that it needs."""
    figures: tuple[Figure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_program(self) -> Self:
        program = self.command[0]
        if program not in PROGRAMS and not program.startswith("scripts/"):
            raise ValueError(f"command starts with {program!r}; it may be {', '.join(PROGRAMS)} or one of scripts/")
        return self


class Matrix(Section):
    """All runs. Names of runs and of figures are not the same; a figure is found by either."""

    measured_on: str
    """Class of the hardware that gave the expected values, as `reproduce.hardware_class` says it."""
    tolerances: dict[str, Tolerance]
    runs: tuple[Run, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = Counter([run.name for run in self.runs] + [figure.name for figure in self.figures()])
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"the name {twice[0]!r} is given twice")
        unknown = [figure for figure in self.figures() if figure.tolerance not in self.tolerances]
        if unknown:
            known = ", ".join(self.tolerances)
            raise ValueError(f"{unknown[0].name}: no tolerance {unknown[0].tolerance!r}; there are: {known}")
        return self

    def figures(self) -> list[Figure]:
        """The figures of all runs."""
        return [figure for run in self.runs for figure in run.figures]

    def select(self, names: Sequence[str], *, quick: bool = False) -> tuple[Run, ...]:
        """The runs with the figures asked for: by names of runs or figures, all where there are no names.

        `quick` keeps the quick runs only. Raises UsageError for a name that does not exist.
        """
        known = [name for run in self.runs for name in (run.name, *(figure.name for figure in run.figures))]
        for name in names:
            if name not in known:
                runs = ", ".join(run.name for run in self.runs)
                raise UsageError(f"no published figure {name!r}; runs are: {runs} (--list shows their figures)")
        chosen = []
        for run in self.runs:
            whole = not names or run.name in names
            figures = tuple(figure for figure in run.figures if whole or figure.name in names)
            if figures and (run.quick or not quick):
                chosen.append(run.model_copy(update={"figures": figures}))
        return tuple(chosen)


def load_matrix(path: Path | None = None) -> Matrix:
    """The matrix in a TOML file; left out, the one that ships. Raises RecipeError where it does not validate."""
    return read_sections(Matrix, path or shipped("pipelines") / "reproduce.toml")
