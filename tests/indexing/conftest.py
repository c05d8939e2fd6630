from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import FakeModel


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"
