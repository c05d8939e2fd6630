"""The index that is to be enriched: one, open, that takes updates and keeps whole documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abs_index.enriching.elements import Json
from abs_index.errors import AliasError, MappingError, PushError, UsageError
from abs_index.indexing.elasticsearch.connection import blocked, error_reason
from abs_index.indexing.elasticsearch.patience import Patience

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_BLOCKS = {
    "index.blocks.read_only_allow_delete": "index read-only-allow-delete, flood-stage",
    "index.blocks.read_only": "index read-only",
    "index.blocks.write": "index write",
    "index.blocks.metadata": "index metadata",
}


@dataclass(frozen=True, slots=True)
class TargetIndex:
    """An index: `name` is what the user calls it, perhaps an alias; `index` its own name.

    `uuid` tells it from another index that gets its name. `hides_vectors` where the server leaves vectors out of
    documents that it returns, unless told not to.
    """

    name: str
    index: str
    uuid: str
    mapping: Json
    hides_vectors: bool


def open_target(client: Elasticsearch, patience: Patience, name: str, *, writing: bool) -> TargetIndex:
    """The index that `name` means.

    Raises UsageError (no name of one index), AliasError (nothing there, several, closed), MappingError (documents are
    not kept whole, so that an update would lose a part of them), PushError (read-only, where `writing`).
    """
    if not name or set(name) & set('*?,<>/\\ "|#') or name.startswith(("_", "-", "+")):
        raise UsageError(f"--name {name!r}: the name of one index or alias")
    settings, mappings = patience.call(lambda: _describe(client, name))
    if len(mappings) != 1:
        raise AliasError(f"alias {name!r} is at several indices ({', '.join(sorted(mappings))}); name one of them")
    ((index, content),) = mappings.items()
    values = settings[index].get("defaults", {}) | settings[index]["settings"]
    _check_settings(index, values, writing=writing)
    _check_source(index, content["mappings"], values)
    hides = values.get("index.mapping.exclude_source_vectors") == "true"
    return TargetIndex(name, index, str(values.get("index.uuid")), content["mappings"], hides)


def _describe(client: Elasticsearch, name: str) -> tuple[Json, Json]:
    """Settings and mappings of all indices behind a name."""
    from elasticsearch import BadRequestError, NotFoundError

    try:
        settings = client.indices.get_settings(index=name, include_defaults=True, flat_settings=True).body
        return settings, client.indices.get_mapping(index=name).body
    except NotFoundError as error:
        raise AliasError(f"no index or alias {name!r} on this cluster") from error
    except BadRequestError as error:
        raise AliasError(f"{name!r} cannot be used: {error_reason(error)}") from error


def _check_settings(index: str, values: dict[str, Any], *, writing: bool) -> None:
    if values.get("index.verified_before_close") == "true":
        raise AliasError(f"index {index!r} is closed; open it first")
    for setting, reason in _BLOCKS.items():
        if writing and values.get(setting) == "true":
            raise PushError(f"index {index!r}: {blocked(reason)}")


def _check_source(index: str, mapping: Json, values: dict[str, Any]) -> None:
    source = mapping.get("_source", {})
    mode = str(source.get("mode") or values.get("index.mapping.source.mode") or "stored").lower()
    if source.get("enabled") is False or mode == "disabled":
        raise MappingError(f"index {index!r} does not keep its documents (_source disabled), so they cannot be updated")
    if source.get("includes") or source.get("excludes"):
        raise MappingError(
            f"index {index!r} keeps only parts of its documents (_source includes or excludes): an update would lose "
            "the rest from the index"
        )
    if mode == "synthetic":
        raise MappingError(
            f"index {index!r} does not keep its documents as they came (synthetic _source), so an update could not "
            "leave the rest as it was"
        )


def add_fields(client: Elasticsearch, patience: Patience, target: TargetIndex, properties: Json) -> None:
    """Adds fields to the mapping. Raises MappingError (the server's reason), PushError (read-only)."""
    from elasticsearch import BadRequestError

    def put() -> None:
        try:
            client.indices.put_mapping(index=target.index, properties=properties)
        except BadRequestError as error:
            raise MappingError(f"index {target.index!r}: fields cannot be added: {error_reason(error)}") from error

    patience.call(put)
