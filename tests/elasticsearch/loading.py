"""An index folder on the server, behind an alias that goes away again: what searching is tested on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elasticsearch import Elasticsearch

from abs_index.indexing.elasticsearch.aliases import Vectors
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.recipe import ElasticsearchSettings


def load(
    client: Elasticsearch,
    name: str,
    folder: Path,
    vectors: Vectors = "both",
    quantisation: str = "flat",
    shards: int = 1,
    similarity: str = "cosine",
) -> str:
    """Pushes the published state of the index in `folder` to the alias `name`; returns the index's own name."""
    given = {"quantisation": quantisation, "shards": shards, "similarity": similarity}
    settings = ElasticsearchSettings.model_validate(given)
    return push(folder, client, PushOptions(name, vectors, settings=settings, patience=60)).index


@contextmanager
def loaded(client: Elasticsearch, folder: Path, quantisation: str = "flat") -> Iterator[str]:
    """A new alias for the index in `folder`; it goes with all that it stands for."""
    from tests.elasticsearch.conftest import clean

    name = f"test-{uuid.uuid4().hex[:12]}"
    try:
        load(client, name, folder, quantisation=quantisation)
        yield name
    finally:
        clean(client, name)
