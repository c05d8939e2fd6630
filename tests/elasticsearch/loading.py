"""A table as an index on the server, in one request: what searching is tested on, without the ways of a push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from abs_index.indexing.elasticsearch.aliases import IndexMeta, Vectors, as_mapping, new_index
from abs_index.indexing.elasticsearch.documents import Documents
from abs_index.indexing.elasticsearch.templates import Layout, templates
from abs_index.indexing.table import Table
from abs_index.recipe import ElasticsearchSettings


def load(
    client: Elasticsearch,
    name: str,
    folder: Path,
    vectors: Vectors = "both",
    quantisation: str = "flat",
    shards: int = 1,
) -> str:
    """Puts the published state of the index in `folder` behind the alias `name`; returns the index's own name."""
    table = Table.open_published(folder)
    layout = _layout(table, vectors, quantisation, shards)
    mappings: dict[str, Any] = {"dynamic": "strict", "properties": {}}
    for body in templates(name, layout).components.values():
        mappings["properties"] |= body["template"].get("mappings", {}).get("properties", {})
    documents = list(Documents(table, table.fingerprints(), vectors=layout.sends_vectors))
    meta = IndexMeta(
        model=table.model_name,
        model_fingerprint=table.model_fingerprint,
        pair_dim=layout.pair_dim,
        image_dim=layout.image_dim,
        vectors=vectors,
        similarity="cosine",
        quantisation=quantisation,
        analyzer="english",
        table=table.identity,
        complete=True,
        pairs=len(documents),
    )
    index = new_index(name)
    client.indices.create(
        index=index,
        mappings=mappings | as_mapping(meta),
        settings={"number_of_shards": shards, "number_of_replicas": 0},
        aliases={name: {}},
    )
    lines: list[Any] = [line for each in documents for line in ({"index": {"_id": each.id}}, each.body)]
    for start in range(0, len(lines), 2000):
        answer = client.bulk(index=index, operations=lines[start : start + 2000])
        assert not answer["errors"], answer
    client.indices.refresh(index=index)
    return index


def _layout(table: Table, vectors: Vectors, quantisation: str, shards: int) -> Layout:
    def dim(column: str) -> int:
        return int(table.schema.field(column).type.list_size)

    settings = ElasticsearchSettings(quantisation=quantisation, shards=shards)  # type: ignore[arg-type]
    return Layout(dim("pair_embedding"), dim("image_embedding"), vectors=vectors, settings=settings)
