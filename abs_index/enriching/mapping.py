"""The mapping of a user's index: whether the fields are there, and which are to be added for labels.

Only fields that are missing are added, below objects that stay what they are; a field that is there with another type
is an error before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from abs_index.enriching.elements import FIGURE_TEXT, SOURCE, Fields, Json, Path
from abs_index.errors import MappingError
from abs_index.labels import ABS
from abs_index.model.base import ModelInfo

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Additions:
    """Fields to add: `names` in full, and `properties` as the body of a request for it."""

    names: tuple[str, ...]
    properties: Json


def label_fields(info: ModelInfo, *, vectors: bool, words: bool = False) -> dict[str, Json]:
    """Names of the fields of labels and their definitions."""
    fields: dict[str, Json] = {"abs": {"type": "keyword"}}
    fields |= {f"abs_prob.{label}": {"type": "float"} for label in ABS}
    fields |= {"kind": {"type": "keyword"}, "kind_prob": {"type": "float"}, "cmi": {"type": "float"}}
    fields[SOURCE] = {"type": "keyword"}
    if words:
        fields[FIGURE_TEXT] = {"type": "text"}
    if vectors:
        fields["embedding_pair"] = _vector(info.pair_dim)
        fields["embedding_image"] = _vector(info.image_dim)
    return fields


def _vector(dim: int) -> Json:
    return {"type": "dense_vector", "dims": dim, "index": True, "similarity": "cosine"}


def split(name: str, option: str) -> Path:
    """The path that a name of a field means. Raises MappingError for one that no field can have."""
    path = tuple(name.split("."))
    if not all(path):
        raise MappingError(f"{option} {name!r}: not the name of a field")
    return path


def resolve_fields(
    mapping: Json, image: str, text: str, target: str, *, where: str, alt: str = "", caption: str = ""
) -> Fields:
    """Where the fields that a user names are, with aliases of fields followed; "" for `alt` and `caption` names none.

    Raises MappingError for one that is not there (with those that are), that is no plain value, or for a text and an
    image that stand in different nested arrays.
    """
    image_path = _resolve(mapping, image, "--image-field", where)
    if target and "." in target:
        raise MappingError(f"--target-field {target!r}: one name without dots; it stands beside the image field")
    nested = _nested(mapping, image_path)

    def beside(name: str, option: str) -> Path:
        path = _resolve(mapping, name, option, where)
        if _nested(mapping, path) - nested:
            raise MappingError(
                f"{option} {name} stands in another nested array than --image-field {image}: which text belongs to "
                "which image?"
            )
        return path

    return Fields(
        image_path,
        beside(text, "--text-field"),
        target,
        frozenset(path for path in nested if not _copied(find(mapping, path))),
        alt=beside(alt, "--alt-field") if alt else (),
        caption=beside(caption, "--caption-field") if caption else (),
    )


def find(node: Json, path: Path) -> Json | None:
    """The mapping of a field or object, below `node`; None where there is none."""
    if not path:
        return node
    properties = node.get("properties", {})
    for count in range(1, len(path) + 1):
        child = properties.get(".".join(path[:count]))
        if child is not None and (found := find(child, path[count:])) is not None:
            return found
    return None


def leaves(node: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and types of all fields below `node`."""
    for name, child in node.get("properties", {}).items():
        if "properties" in child:
            yield from leaves(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child.get("type", "object")


def known_fields(mapping: Json) -> str:
    """The names of the fields of an index, for messages; texts and keywords before others."""
    named = sorted(leaves(mapping), key=lambda leaf: (leaf[1] not in ("keyword", "text", "wildcard"), leaf[0]))
    shown = ", ".join(name for name, _ in named[:_SHOWN])
    return f"{shown} and {len(named) - _SHOWN} more" if len(named) > _SHOWN else shown or "no fields"


def plan_additions(mapping: Json, fields: Fields, wanted: dict[str, Json]) -> Additions:
    """Which of the `wanted` fields are missing.

    Raises MappingError where one is there with another type, or where an object stands in the way.
    """
    missing: dict[Path, Json] = {}
    for name, definition in wanted.items():
        path = (*fields.parent, *name.split("."))
        _check_way(mapping, path)
        found = find(mapping, path)
        if found is None:
            missing[path] = definition
        else:
            _check_type(".".join(path), found, definition)
    body: Json = {}
    for path, definition in missing.items():
        _insert(body, mapping, path, definition)
    return Additions(tuple(".".join(path) for path in missing), body.get("properties", {}))


def _resolve(mapping: Json, name: str, option: str, where: str) -> Path:
    path = split(name, option)
    found = find(mapping, path)
    if found is None:
        if not _may_be_unmapped(mapping, path):
            raise MappingError(f"{where}: no field {name} ({option}); it has: {known_fields(mapping)}")
        return path
    if found.get("type") == "alias":
        return split(found["path"], option)
    if "properties" in found or found.get("type") in ("object", "nested", "flattened"):
        inside = ", ".join(f"{name}.{leaf}" for leaf, _ in leaves(found)) or "none known"
        raise MappingError(f"{where}: {name} ({option}) is an object; name a field in it: {inside}")
    return path


def _may_be_unmapped(node: Json, path: Path, dynamic: Any = True) -> bool:
    """Whether documents can hold a field that the mapping does not know, because an object takes anything."""
    dynamic = node.get("dynamic", dynamic)
    if node.get("enabled") is False:
        return True
    child = node.get("properties", {}).get(path[0])
    if child is None or len(path) == 1:
        return str(dynamic).lower() == "false"
    return _may_be_unmapped(child, path[1:], dynamic)


def _nested(mapping: Json, path: Path) -> set[Path]:
    prefixes = [path[:count] for count in range(1, len(path))]
    return {prefix for prefix in prefixes if (find(mapping, prefix) or {}).get("type") == "nested"}


def _copied(node: Json | None) -> bool:
    """Whether fields of a nested object are indexed above it too, where there may be no two vectors."""
    return bool(node and (node.get("include_in_root") or node.get("include_in_parent")))


def _check_way(mapping: Json, path: Path) -> None:
    for count in range(len(path)):
        node = find(mapping, path[:count])
        name = ".".join(path[:count]) or "the document"
        if node is None:
            continue
        if node.get("enabled") is False:
            raise MappingError(f"object {name} is not indexed (enabled: false), so labels in it could not be searched")
        if node.get("type", "object") not in ("object", "nested"):
            raise MappingError(
                f"field {name} is of type {node['type']}, but labels need an object there; see --target-field"
            )


def _check_type(name: str, found: Json, definition: Json) -> None:
    needed = definition["type"]
    there = found.get("type", "object")
    if there != needed:
        raise MappingError(f"field {name} is there with type {there}, but {needed} is needed; see --target-field")
    if found.get("dims", definition.get("dims")) != definition.get("dims"):
        raise MappingError(
            f"field {name} is there with {found['dims']} dimensions, but this model gives {definition['dims']}; "
            "see --target-field"
        )


def _insert(out: Json, node: Json, path: Path, definition: Json) -> None:
    properties = out.setdefault("properties", {})
    flat = str(node.get("subobjects", True)).lower() == "false"
    if flat or len(path) == 1:
        properties[".".join(path)] = definition
        return
    child = node.get("properties", {}).get(path[0], {})
    # What the object is (nested, dynamic …) is said again, so that it stays so.
    entry = properties.setdefault(path[0], {key: value for key, value in child.items() if key != "properties"})
    _insert(entry, child, path[1:], definition)
