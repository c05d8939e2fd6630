"""The examples of docs/python.md run, on the sample corpus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from abs_index.indexing.build import build_index
from abs_index.model import load
from tests.fakes import FakeModel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    build_index([sample_corpus], folder / "figures", FakeModel())
    return folder


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(place: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(load, "load_model", lambda *given, **options: FakeModel())
    names: dict[str, Any] = {}
    exec(compile(EXAMPLES[number], f"docs/python.md, example {number + 1}", "exec"), names)
    if "counts" in names:
        assert sum(names["counts"].abs.values()) == names["counts"].pairs > 0
    if "by_words" in names:
        assert names["everything"]
    if "alike" in names:
        assert names["by_picture"]
        assert names["fused"]
