"""The folders are the architecture: README's drawing, the layers that are checked, and the package agree."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "abs_index"
STAGES = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_drawing_in_the_readme_names_every_stage() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## How it is built")[2]
    drawing = section.split("```")[1]
    assert set(re.findall(r"(\w+)/", drawing)) == set(STAGES)


def test_every_stage_has_its_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    layers = {name.strip().removeprefix("abs_index.") for layer in contract["layers"] for name in layer.split("|")}
    plain = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert layers == {*STAGES, *plain}


@pytest.mark.parametrize("module", MODULES)
def test_module_says_what_it_is_and_stays_readable(module: str) -> None:
    source = (PACKAGE / module).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "a module starts with what it is for"
    assert source.count("\n") <= 500, "a module this long holds more than one idea"
