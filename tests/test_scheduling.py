"""Files that run together or first are there, so that renaming one does not end that without a word."""

from __future__ import annotations

from pathlib import Path

from tests.scheduling import FIRST, TOGETHER, turn, unit

ROOT = Path(__file__).parents[1]


def test_files_are_there() -> None:
    assert [name for name in (*FIRST, *TOGETHER, *TOGETHER.values()) if not (ROOT / name).is_file()] == []


def test_files_that_belong_together_have_one_turn() -> None:
    for file, other in TOGETHER.items():
        assert unit(file) == unit(other) == other
        assert turn(f"{file}::test_a") == turn(f"{other}::test_b[::]") < turn("tests/test_scheduling.py::test_c")
