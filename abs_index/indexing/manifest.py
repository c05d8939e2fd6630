"""The manifest of a folder of search structures: what they were made from, and a checksum of every file.

A folder is used only if its manifest says that it was made from exactly this table, by this format, and if every file
still has its checksum.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import xxhash
from pydantic import BaseModel, ConfigDict

FORMAT: Final = 2
"""Raised whenever the layout of the structures changes: older ones are then made again."""

_NAME = "manifest.json"


class Manifest(BaseModel):
    """`table_version` and `table_identity` say which table; `files` has size and xxh3-128 of each file, by name.

    `text_encoder` is the fingerprint of the encoder whose vectors of texts are among them, None where there are none.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: int
    table_version: int
    table_identity: str
    pairs: int
    figures: int
    text_encoder: str | None
    vectors_left_out: int
    """Vectors without a direction (all zeros, NaN, infinite), which are in no vector index."""
    files: dict[str, tuple[int, str]]


class NotUsableError(Exception):
    """Raised inside this stage for structures that do not belong, are damaged or missing. Never reaches a user."""


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and hash of every file below `folder`, locks left out, and makes each durable."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, _hash_and_sync(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def write(folder: Path, manifest: Manifest) -> None:
    """Adds the manifest to the folder, durably; its first line is a checksum of itself."""
    content = manifest.model_dump_json()
    path = folder / _NAME
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{_hash(content.encode())}\n{content}\n")
        file.flush()
        os.fsync(file.fileno())
    for directory in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_directory(directory)


def check(folder: Path, version: int, identity: str) -> Manifest:
    """The manifest of a folder whose structures may be used. Raises NotUsableError with the reason."""
    manifest = _read(folder / _NAME)
    if (manifest.format, manifest.table_version, manifest.table_identity) != (FORMAT, version, identity):
        raise NotUsableError("they belong to another version of the table")
    for name, (size, expected) in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise NotUsableError(f"{name} is missing")
        if path.stat().st_size != size or _hash_file(path) != expected:
            raise NotUsableError(f"{name} is damaged")
    return manifest


def sync_directory(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> Manifest:
    try:
        checksum, content, _ = path.read_text(encoding="utf-8").split("\n")
        if _hash(content.encode()) != checksum:
            raise NotUsableError("their manifest is damaged")
        return Manifest.model_validate_json(content)
    except FileNotFoundError:
        raise NotUsableError("there are none") from None
    except (OSError, ValueError) as error:
        raise NotUsableError("their manifest cannot be read") from error


def _hash(content: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(content)


def _hash_file(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _hash_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _hash_file(path)
