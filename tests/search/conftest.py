from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.indexing.structures import Structures
from abs_index.search.index import Index
from tests.fakes import FakeModel
from tests.search.tables import DOCUMENTS, write_index


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index; tests do not change it."""
    return write_index(tmp_path_factory.mktemp("search") / "index", DOCUMENTS)


@pytest.fixture(scope="session")
def structures(folder: Path) -> Iterator[Structures]:
    opened = Structures.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with Index.open(folder, model=FakeModel()) as opened:
        yield opened
