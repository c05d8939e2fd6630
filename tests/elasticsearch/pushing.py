"""What the tests of pushing share: tables that change, and the comparison of a table with what a server holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from abs_index.indexing.elasticsearch.documents import Documents, versions
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.indexing.table import Table
from tests.search.tables import DocumentRow, FigureRow, PairRow, append, write_index

__all__ = ["assert_same", "change", "documents", "on_server", "write_index"]


def documents(count: int, first: int = 0, texts: int = 2, words: str = "") -> list[DocumentRow]:
    """Documents of two figures each, with `texts` pairs a figure."""
    return [
        DocumentRow(
            f"d{number}",
            [
                FigureRow(f"f{at}", [PairRow(f"text {number} {at} {turn} {words}") for turn in range(texts)])
                for at in range(2)
            ],
            title=f"Study {number}",
            year=2000 + number % 20,
            keywords=["one", "two"],
        )
        for number in range(first, first + count)
    ]


def change(folder: Path, remove: Sequence[str] = (), add: Sequence[DocumentRow] = ()) -> None:
    """A further build: documents go, and others come."""
    table = Table.open(folder)
    table.delete_documents(remove)
    append(table, add)
    table.mark_published()


def on_server(client: Elasticsearch, index: str) -> dict[str, dict[str, Any]]:
    """Every document of an index by its id, vectors included. Up to 10,000."""
    found = client.search(index=index, size=10_000, fields=["embedding.pair", "embedding.image"], track_total_hits=True)
    hits = found["hits"]["hits"]
    assert found["hits"]["total"]["value"] == len(hits)
    documents = {}
    for hit in hits:
        document = {key: value for key, value in hit["_source"].items() if key != "embedding"}
        documents[hit["_id"]] = document | hit.get("fields", {})
    assert len(documents) == len(hits)
    return documents


def in_table(folder: Path, *, vectors: bool) -> dict[str, dict[str, Any]]:
    """Every document that should be there, in the same form."""
    table = Table.open_published(folder)
    documents = {}
    fingerprints = {name: version.fingerprint for name, version in versions(table).items()}
    for each in Documents(table, fingerprints, vectors=vectors):
        document = json.loads(each.body)
        embedding = document.pop("embedding", {})
        documents[each.id] = document | {f"embedding.{key}": vector for key, vector in embedding.items()}
    return documents


def assert_same(client: Elasticsearch, name: str, folder: Path, *, vectors: bool = True) -> None:
    """The alias holds every pair of the table once, with the same values, and nothing else."""
    found, wanted = on_server(client, name), in_table(folder, vectors=vectors)
    assert found.keys() == wanted.keys()
    for key, document in wanted.items():
        assert found[key].keys() == document.keys()
        for field, value in document.items():
            if field.startswith("embedding."):
                np.testing.assert_allclose(found[key][field], value, atol=1e-6)
            else:
                assert found[key][field] == value, (key, field)


class Stopped(Exception):
    """What ends a push in tests."""


def interrupted_push(folder: Path, client: Elasticsearch, options: PushOptions) -> None:
    """A push that ends in the middle, as Ctrl-C ends it."""

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        push(folder, client, replace(options, chunk_bytes=5000, workers=1), progress=stop)
