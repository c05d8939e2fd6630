"""Sections of TOML files: strict objects that are read with errors of one line, and written again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from abs_index.errors import RecipeError


class Section(BaseModel):
    """Base of all sections: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


Whole = TypeVar("Whole", bound=Section)
"""What a whole file holds."""


def read_sections(kind: type[Whole], path: Path) -> Whole:
    """What a TOML file holds. Raises RecipeError where it cannot be read or does not validate."""
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: not UTF-8 text") from None
    return parse_sections(kind, content, str(path))


def parse_sections(kind: type[Whole], content: str, where: str) -> Whole:
    """What a TOML text holds; `where` names it in errors. Raises RecipeError."""
    try:
        values = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML: {error}") from None
    try:
        return kind.model_validate(_lists_as_tuples(values))
    except ValidationError as error:
        raise RecipeError(f"{where}: {_describe(kind, error)}") from None


def format_sections(whole: Section, *, without: Iterable[str] = ()) -> str:
    """An object as TOML with every value in it, but for the sections in `without`; `parse_sections` gives the same
    object again. A list of sections cannot be written.
    """
    values = whole.model_dump(mode="json", exclude_none=True, exclude=set(without))
    return "\n".join(_format_section(values, "")) + "\n"


def _format_section(values: dict[str, Any], name: str) -> list[str]:
    lines = ["", f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            lines += _format_section(value, f"{name}.{key}" if name else key)
    return lines


def _lists_as_tuples(value: Any) -> Any:
    """TOML knows arrays only, and strict validation takes no list for a tuple."""
    if isinstance(value, dict):
        return {key: _lists_as_tuples(item) for key, item in value.items()}
    return tuple(_lists_as_tuples(item) for item in value) if isinstance(value, list) else value


def _describe(kind: type[Section], error: ValidationError) -> str:
    """All faults on one line: key, what is wrong, and the known keys where one is unknown."""
    faults = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"key {key!r} is unknown; known here: {', '.join(_known_keys(kind, fault['loc']))}")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            faults.append(f"key {key!r}: {message}" if key else message)
    return "; ".join(faults)


def _known_keys(section: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location[:-1]:
        if part not in section.model_fields:
            continue  # a position in a list of sections, or a name among named ones
        annotation = section.model_fields[str(part)].annotation
        for kind in (annotation, *get_args(annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                section = kind
    return sorted(section.model_fields)
