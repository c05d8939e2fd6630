"""What a push does to whole indices. Each step may be repeated after its answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from abs_index.errors import PushError
from abs_index.indexing.elasticsearch.aliases import IndexMeta, as_mapping
from abs_index.indexing.elasticsearch.patience import Patience

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_LOADING = {"refresh_interval": "-1"}
"""Settings of an index that is loaded and not searched yet."""

_SECONDS_FOR_COPIES = 30

_NO_BLOCK = {"blocks.write": None}

Settings = dict[str, Any]


def create(client: Elasticsearch, index: str, meta: IndexMeta, patience: Patience) -> None:
    """Makes a new, empty index by the template for its name."""
    patience.call(
        lambda: _unless_there(
            lambda: client.indices.create(index=index, settings={"index": _LOADING}, mappings=as_mapping(meta))
        )
    )


def clone(client: Elasticsearch, source: str, target: str, copies: Settings, patience: Patience) -> None:
    """Makes `target` a copy of `source`, which shares its files; `source` takes no documents for that moment.

    `copies` are the settings for replicas: these are not taken over from `source`.
    """
    patience.call(lambda: client.indices.add_block(index=source, block="write"))
    settings = {"index": {**_LOADING, **copies, "blocks.write": None}}
    try:
        patience.call(
            lambda: _unless_there(lambda: client.indices.clone(index=source, target=target, settings=settings))
        )
    finally:
        patience.call(lambda: client.indices.put_settings(index=source, settings={"index": _NO_BLOCK}))


def wait_for_copies(client: Elasticsearch, index: str, patience: Patience) -> None:
    """Waits for all copies of a new index, half a minute at most: what only one node has taken goes with that node.

    Raises PushError where there is no place even for one copy, as where all disks are too full.
    """
    waiting = client.options(ignore_status=408, request_timeout=60)
    health = patience.call(
        lambda: waiting.cluster.health(index=index, wait_for_status="green", timeout=f"{_SECONDS_FOR_COPIES}s")
    )
    if health["status"] == "red":
        raise PushError(
            f"the cluster finds no place for index {index!r} ({_why_no_place(client, index, patience)}); make room or "
            "add a node, then run the same command again"
        )


def _why_no_place(client: Elasticsearch, index: str, patience: Patience) -> str:
    told = patience.call(lambda: client.cluster.allocation_explain(index=index, shard=0, primary=True))
    for node in told.get("node_allocation_decisions", ()):
        for decider in node.get("deciders", ()):
            return str(decider["explanation"])[:300]
    return str(told.get("allocate_explanation") or "its shards have no node")


def is_whole(client: Elasticsearch, index: str, patience: Patience) -> bool:
    """Whether the cluster has every shard of an index."""
    return bool(patience.call(lambda: client.cluster.health(index=index))["status"] != "red")


def _unless_there(request: Callable[[], Any]) -> None:
    from elasticsearch import BadRequestError

    try:
        request()
    except BadRequestError as error:
        # The name was drawn by chance: it was this very request that made it, and its answer was lost.
        if error.message != "resource_already_exists_exception":
            raise


def make_searchable(client: Elasticsearch, index: str, copies: Settings, patience: Patience) -> None:
    """Ends the loading of an index, with the settings `copies` for replicas."""
    settings = {"index": {**dict.fromkeys(_LOADING), **_NO_BLOCK, **copies}}
    patience.call(lambda: client.indices.put_settings(index=index, settings=settings))


def refresh(client: Elasticsearch, index: str, patience: Patience) -> None:
    """Makes everything that was written visible."""
    patience.call(lambda: client.indices.refresh(index=index), _has_all_shards)


def count(client: Elasticsearch, index: str, patience: Patience) -> int:
    """How many documents there are, as of the last refresh."""
    return int(patience.call(lambda: client.count(index=index), _has_all_shards)["count"])


def _has_all_shards(answer: Any) -> bool:
    """Whether all shards took part: an answer for a part of an index would be wrong without saying so."""
    return not answer["_shards"]["failed"]


def delete(client: Elasticsearch, index: str, patience: Patience) -> None:
    """Removes an index for good."""
    patience.call(lambda: client.indices.delete(index=index, ignore_unavailable=True))
