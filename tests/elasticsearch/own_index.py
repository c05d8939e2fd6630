"""An index as users have them, with figures somewhere in its documents: what tests of enriching share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from abs_index.enriching.enrich import EnrichOptions
from abs_index.enriching.labelling import LabelSettings
from tests.fakes import write_image

Json = dict[str, Any]

LABELS = {"abs", "abs_prob", "kind", "kind_prob", "cmi", "abs_source"}
KEYWORD, TEXT = {"type": "keyword"}, {"type": "text", "analyzer": "standard"}
FIGURE = {"properties": {"path": KEYWORD, "caption": TEXT, "n": {"type": "long"}}}
TITLE = {"title": TEXT, "year": {"type": "integer"}}


def write_images(folder: Path) -> Path:
    """Pictures 0.png to 7.png, others of these names in `sub`, and a broken one; returns `folder`."""
    (folder / "sub").mkdir()
    for number in range(8):
        write_image(folder / f"{number}.png", (number * 30, 250 - number * 30, 90))
        write_image(folder / "sub" / f"{number}.png", (number * 30, number * 20, 200))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    return folder


def make_index(
    client: Elasticsearch,
    name: str,
    properties: Json,
    documents: list[Json],
    *,
    dynamic: Any = "strict",
    shards: int = 1,
    mappings: Json | None = None,
    settings: Json | None = None,
) -> None:
    """Makes an index with a mapping and documents, whose ids count from 0."""
    client.indices.create(
        index=name,
        mappings={"dynamic": dynamic, "properties": properties, **(mappings or {})},
        settings={"number_of_shards": shards, "number_of_replicas": 0, **(settings or {})},
    )
    lines: list[Json] = []
    for number, document in enumerate(documents):
        lines += [{"index": {"_id": str(number)}}, document]
    if lines:
        assert not client.bulk(index=name, operations=lines)["errors"]
    client.indices.refresh(index=name)


def options(
    images: Path | None, image: str = "figure.path", text: str = "figure.caption", **more: Any
) -> EnrichOptions:
    labels = LabelSettings(
        vectors=more.pop("vectors", False), batch_size=more.pop("batch_size", 4), reader=more.pop("reader", None)
    )
    return EnrichOptions(image, text, image_root=images, labels=labels, **more)


def state(client: Elasticsearch, name: str) -> dict[str, Json]:
    """All documents with everything in them, and their versions."""
    client.indices.refresh(index=name)
    hits = client.search(index=name, size=1000, version=True, source={"includes": ["*"], "exclude_vectors": False})[
        "hits"
    ]["hits"]
    return {
        hit["_id"]: {"version": hit["_version"], "source": hit["_source"], "routing": hit.get("_routing")}
        for hit in hits
    }


def figure(number: int, **more: Any) -> Json:
    return {"path": f"{number}.png", "caption": f"Picture {number} of a turbine.", "n": number, **more}
