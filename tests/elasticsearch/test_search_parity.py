"""One corpus, searched embedded and on a real server: the same figures, as far as scores of two engines allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.search.index import Index
from tests.elasticsearch.loading import loaded
from tests.elasticsearch.parity import SEARCHES, compare, corpus
from tests.fakes import FakeModel
from tests.search.tables import write_index

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("parity") / "index", corpus())


@pytest.fixture(scope="module", params=["flat", "int8_hnsw"])
def indexes(
    request: pytest.FixtureRequest, cluster: Any, client: Elasticsearch, folder: Path
) -> Iterator[tuple[Index, Index]]:
    """The index embedded and on the server, with the vectors of the parameter."""
    model = FakeModel()
    with (
        loaded(client, folder, request.param) as name,
        Index.open(folder, model=model) as embedded,
        Index.connect(cluster.url, name, model=model) as connected,
    ):
        yield embedded, connected


@pytest.mark.parametrize(("kind", "least"), [("words", 0.9), ("images", 0.98), ("pairs", 0.98), ("fused", 0.9)])
def test_both_find_the_same_figures(indexes: tuple[Index, Index], kind: str, least: float) -> None:
    mean, different = compare(*indexes, SEARCHES[kind])
    assert mean >= least, different
