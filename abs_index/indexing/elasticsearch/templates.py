"""Index and component templates: the JSON files in `mappings/`, filled in for one alias, and put on a cluster."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from abs_index.errors import MappingError
from abs_index.indexing import text_vectors
from abs_index.indexing.elasticsearch import aliases
from abs_index.indexing.elasticsearch.aliases import Vectors
from abs_index.indexing.elasticsearch.connection import error_reason, server_errors
from abs_index.recipe import ElasticsearchSettings
from abs_index.resources import shipped

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from abs_index.indexing.table import Table

DEFAULT_ANALYZER: Final = "english"

Json = dict[str, Any]

_OURS: Final = {"abs_index": {"schema_version": aliases.SCHEMA}}


@dataclass(frozen=True, slots=True)
class Layout:
    """All that decides what an index on a cluster looks like, beside the fields.

    `pair_dim`, `image_dim` and `text_dim` are the lengths of the embeddings; the last is None where there are no
    vectors of texts.
    """

    pair_dim: int
    image_dim: int
    vectors: Vectors = "elasticsearch"
    analyzer: str = DEFAULT_ANALYZER
    settings: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    text_dim: int | None = None

    @classmethod
    def of(cls, table: Table, vectors: Vectors, analyzer: str, settings: ElasticsearchSettings) -> Self:
        """The layout for the vectors of a table."""

        def dim(column: str) -> int:
            return int(table.schema.field(column).type.list_size)

        text_dim = dim(text_vectors.COLUMN) if text_vectors.encoder_of(table) else None
        return cls(dim("pair_embedding"), dim("image_embedding"), vectors, analyzer, settings, text_dim)

    @property
    def copies(self) -> Json:
        """The settings of an index that say how many replicas it has."""
        replicas = self.settings.replicas
        if replicas.isdecimal():
            return {"auto_expand_replicas": False, "number_of_replicas": int(replicas)}
        return {"auto_expand_replicas": replicas}

    @property
    def sends_vectors(self) -> bool:
        """Whether vectors are among the fields."""
        return self.vectors != "faiss"


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of one alias as the bodies of requests, by their names on the cluster."""

    components: dict[str, Json]
    name: str
    index: Json

    def as_json(self) -> Json:
        """All of them in the order in which they must be put, by the paths of their requests."""
        parts = {f"_component_template/{name}": body for name, body in self.components.items()}
        return {**parts, f"_index_template/{self.name}": self.index}

    def composed(self) -> Json:
        """Settings and mappings of an index that is made by them."""
        settings: Json = {}
        mappings: Json = {"properties": {}}
        for body in self.components.values():
            settings |= body["template"].get("settings", {})
            part = body["template"].get("mappings", {})
            mappings |= part | {"properties": mappings["properties"] | part.get("properties", {})}
        return {"settings": settings, "mappings": mappings}


def templates(name: str, layout: Layout) -> Templates:
    """The templates for the alias `name`. Needs no server."""
    components = {"settings": _settings(layout), "fields": _fields(layout)}
    if layout.sends_vectors:
        components["vectors"] = _vectors(layout)
    named = {aliases.template_name(name, part): {**body, "_meta": _OURS} for part, body in components.items()}
    own_name = aliases.template_name(name)
    index = _shipped("index") | {
        "index_patterns": [aliases.pattern(name)],
        "composed_of": list(named),
        "template": {"mappings": {"_meta": _mark(own_name)}},
        "_meta": _OURS,
    }
    return Templates(named, own_name, index)


def _shipped(part: str) -> Json:
    content: Json = json.loads((shipped("mappings") / f"{part}.json").read_text("utf-8"))
    return content


def _mark(template: str) -> Json:
    """What tells in the mapping of an index that it was made by this template and no other."""
    return {"abs_index": {"template": template}}


def _settings(layout: Layout) -> Json:
    body = _shipped("settings")
    body["template"]["settings"]["index"] |= {"number_of_shards": layout.settings.shards, **layout.copies}
    return body


def _fields(layout: Layout) -> Json:
    body: Json = _with_analyzer(_shipped("fields"), layout.analyzer)
    return body


def _with_analyzer(part: Any, name: str) -> Any:
    if not isinstance(part, dict):
        return part
    return {key: name if key == "analyzer" else _with_analyzer(value, name) for key, value in part.items()}


def _vectors(layout: Layout) -> Json:
    body = _shipped("vectors")
    fields = body["template"]["mappings"]["properties"]["embedding"]["properties"]
    for key, dim in (("pair", layout.pair_dim), ("image", layout.image_dim), ("text", layout.text_dim)):
        if dim is None:
            del fields[key]
            continue
        fields[key] |= {
            "dims": dim,
            "similarity": layout.settings.similarity,
            "index_options": {"type": layout.settings.quantisation},
        }
    return body


# on a cluster


def check_layout(client: Elasticsearch, wanted: Templates, analyzer: str) -> None:
    """Raises MappingError where the cluster lacks the analyser, or takes the vectors or settings not like this.

    Nothing is created. Asking for the analyser itself would need the right to manage the whole cluster.
    """
    from elasticsearch import BadRequestError

    with server_errors(client):
        try:
            client.indices.simulate_template(
                index_patterns=[f"abs-index-{secrets.token_hex(8)}-*"], priority=1, template=wanted.composed()
            )
        except BadRequestError as error:
            reason = error_reason(error)
            if f"analyzer [{analyzer}]" in reason:
                raise MappingError(
                    f"the cluster has no analyser {analyzer!r}; nothing was created; choose another by --analyzer"
                ) from error
            raise MappingError(f"the server does not accept the layout: {reason}; nothing was created") from error


def put_templates(client: Elasticsearch, wanted: Templates) -> None:
    """Puts the templates on the cluster, over earlier ones of ours.

    Raises MappingError where templates that are not ours have their names, take precedence over them, or where the
    server does not accept them.
    """
    from elasticsearch import BadRequestError

    with server_errors(client):
        for name in wanted.components:
            _check_ours(client.cluster.get_component_template, "component_template", name)
        _check_ours(client.indices.get_index_template, "index_template", wanted.name)
        try:
            for name, body in wanted.components.items():
                client.cluster.put_component_template(name=name, template=body["template"], meta=body["_meta"])
            _put_index_template(client, wanted)
        except BadRequestError as error:
            raise MappingError(f"the server does not accept template {wanted.name!r}: {error_reason(error)}") from error
        _check_precedence(client, wanted)


def _check_ours(get: Callable[..., Any], kind: str, name: str) -> None:
    from elasticsearch import NotFoundError

    try:
        (found,) = get(name=name).body[f"{kind}s"]
    except NotFoundError:
        return
    if "abs_index" not in found[kind].get("_meta", {}):
        raise MappingError(
            f"{kind.replace('_', ' ')} {name!r} is on the cluster already and not of abs-index; remove it, or choose "
            "another name by --name"
        )


def _put_index_template(client: Elasticsearch, wanted: Templates) -> None:
    index = wanted.index
    client.indices.put_index_template(
        name=wanted.name,
        index_patterns=index["index_patterns"],
        priority=index["priority"],
        allow_auto_create=index["allow_auto_create"],
        composed_of=index["composed_of"],
        template=index["template"],
        meta=index["_meta"],
    )


def _check_precedence(client: Elasticsearch, wanted: Templates) -> None:
    probe = wanted.index["index_patterns"][0].replace("*", "00000000000000-0000")
    resolved = client.indices.simulate_index_template(name=probe).body["template"]
    if resolved.get("mappings", {}).get("_meta") != _mark(wanted.name):
        raise MappingError(
            f"another index template takes precedence over {wanted.name!r}; lower its priority below "
            f"{wanted.index['priority']}, or choose another name by --name"
        )
