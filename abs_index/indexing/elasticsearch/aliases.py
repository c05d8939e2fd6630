"""Names on a cluster: the alias that users search, the indices behind it, and what each says of itself.

    figures                                the alias: always at one whole index
    figures-abs-20250131120000-3fa9        an index; made by one push, its mapping's `_meta` says from what
    abs-index-figures                      the index template for `figures-abs-*`
    abs-index-figures-settings, -fields, -vectors    the component templates that it is composed of

An index without our `_meta` is not ours and is never changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from abs_index.errors import AliasError, UsageError
from abs_index.indexing.elasticsearch.connection import error_reason, server_errors

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

SCHEMA: Final = 1
"""Version of the fields. Raised whenever one changes its name, type or meaning."""

Vectors = Literal["elasticsearch", "faiss", "both"]
"""Where the vectors are: with the documents, in the folder of the index, or in both."""

_META = "abs_index"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,199}")
_MARK = "-abs-"


_RESERVED: Final = {"schema_version": SCHEMA, "reserved": True}


class IndexMeta(BaseModel):
    """What an index says of itself, in the `_meta` of its mapping.

    `table` is the identity of the table that was pushed, "" as long as `complete` is false; `pairs` counts documents.
    `text_encoder` is the fingerprint of the encoder whose vectors of texts the table has, "" where it has none.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    model: str
    model_fingerprint: str
    pair_dim: int
    image_dim: int
    text_encoder: str = ""
    vectors: Vectors
    similarity: str
    quantisation: str
    analyzer: str
    shards: int = 1
    table: str = ""
    complete: bool = False
    pairs: int = 0


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index of ours: its own name, what it says of itself, and where that was asked for, its aliases."""

    index: str
    meta: IndexMeta
    aliases: frozenset[str] = frozenset()


def check_name(name: str) -> str:
    """`name`, where it can be an alias of ours. Raises UsageError."""
    if not _NAME.fullmatch(name) or _MARK in name:
        raise UsageError(
            f"{name!r} cannot be a name on the cluster: small letters, digits, '-', '_' and '.', 200 at most, a letter "
            f"or digit first, without '{_MARK}'"
        )
    return name


def new_index(name: str) -> str:
    """A name for a new index behind the alias `name`. Names sort by time: the last digits are parts of a second."""
    now = datetime.now(UTC)
    return f"{name}{_MARK}{now:%Y%m%d%H%M%S}-{now.microsecond * 2**16 // 10**6:04x}"


def pattern(name: str) -> str:
    """What all indices behind the alias `name` match."""
    return f"{name}{_MARK}*"


def template_name(name: str, part: str = "") -> str:
    """Name of the index template for the alias `name`, or of one of its component templates."""
    return f"abs-index-{name}-{part}" if part else f"abs-index-{name}"


def live_index(client: Elasticsearch, name: str) -> LiveIndex:
    """The index that the alias `name` is at.

    Raises AliasError where nothing has this name, where it is at several indices or at one that is not ours, and where
    the index has another schema version.
    """
    found = find_index(client, name)
    if found is None:
        raise AliasError(
            f"no alias {name!r} on this cluster; `abs-index push INDEX --elasticsearch URL --name {name}` makes it"
        )
    return found


def find_index(client: Elasticsearch, name: str) -> LiveIndex | None:
    """As `live_index`, but None where nothing has this name."""
    from elasticsearch import NotFoundError

    check = _NAME.fullmatch(name)  # a pattern or a list would name several things
    if not check:
        raise UsageError(f"{name!r} is no name of an alias or index")
    with server_errors(client):
        try:
            mappings = client.indices.get_mapping(index=name).body
        except NotFoundError:
            return None
    if len(mappings) != 1:
        raise AliasError(f"alias {name!r} is at several indices ({', '.join(sorted(mappings))}); it must be at one")
    (index, content), *_ = mappings.items()
    if _meta(content) == _RESERVED:
        return None
    what = f"index {index!r}" if index == name else f"alias {name!r}, index {index!r},"
    return LiveIndex(index, _parse(_meta(content), what))


def _meta(content: dict[str, Any]) -> Any:
    return content.get("mappings", {}).get("_meta", {}).get(_META)


def _parse(found: Any, what: str) -> IndexMeta:
    if not isinstance(found, dict):
        raise AliasError(f"{what} was not made by abs-index; choose another name")
    version = found.get("schema_version")
    if version != SCHEMA:
        raise AliasError(
            f"{what} has schema version {version}, this abs-index knows {SCHEMA}; push to another name, or remove it"
        )
    try:
        return IndexMeta.model_validate(found)
    except ValidationError as error:
        raise AliasError(f"{what} says incomplete things of itself (_meta); push to another name") from error


def own_indices(client: Elasticsearch, name: str) -> list[LiveIndex]:
    """All indices that were made for the alias `name`, of this schema version, the oldest first, with their aliases."""
    ours = re.compile(re.escape(name + _MARK) + r"\d{14}-[0-9a-f]{4}")
    with server_errors(client):
        there = client.indices.get(index=pattern(name), expand_wildcards="open", features=["aliases", "mappings"]).body
    found = []
    for index, content in sorted(there.items()):
        meta = _meta(content)
        if ours.fullmatch(index) and isinstance(meta, dict) and meta.get("schema_version") == SCHEMA:
            found.append(LiveIndex(index, _parse(meta, f"index {index!r}"), frozenset(content["aliases"])))
    return found


def write_meta(client: Elasticsearch, index: str, meta: IndexMeta) -> None:
    """Makes an index say `meta` of itself."""
    with server_errors(client):
        client.indices.put_mapping(index=index, meta=as_mapping(meta)["_meta"])


def as_mapping(meta: IndexMeta) -> dict[str, Any]:
    """The part of a mapping that holds `meta`."""
    return {"_meta": {_META: meta.model_dump()}}


def flip(client: Elasticsearch, name: str, old: str | None, new: str) -> None:
    """Moves the alias from the index `old` to `new`, in one step: searches see the one or the other.

    Of several pushes at once, one wins; for the others this raises AliasError. May be repeated where the answer was
    lost.
    """
    from elasticsearch import BadRequestError, NotFoundError

    with server_errors(client):
        try:
            if old is None:
                _reserve(client, name)
                first: dict[str, Any] = {"remove_index": {"index": name}}
            else:
                first = {"remove": {"index": old, "alias": name, "must_exist": True}}
            client.indices.update_aliases(actions=[first, {"add": {"index": new, "alias": name}}])
        except (NotFoundError, BadRequestError) as error:
            now = find_index(client, name)
            if now is not None and now.index == new:
                return  # by an earlier attempt
            raise AliasError(
                f"alias {name!r} was changed by another push at the same time ({error_reason(error)}); run the command "
                "again"
            ) from error


def _reserve(client: Elasticsearch, name: str) -> None:
    """Makes an empty index with the name of the alias to be.

    To replace it by the alias is the one step that only one of several first pushes can do.
    """
    from elasticsearch import BadRequestError

    try:
        client.indices.create(
            index=name,
            settings={"number_of_shards": 1, "number_of_replicas": 0},
            mappings={"dynamic": "strict", "_meta": {_META: _RESERVED}},
            wait_for_active_shards=0,
        )
    except BadRequestError as error:
        # Left by a push that was stopped just here, if it says so; anything else must not be removed.
        if error.message != "resource_already_exists_exception" or find_index(client, name) is not None:
            raise
