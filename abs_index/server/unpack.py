"""Unpacks the zip of a server. A zip is not trusted: its members stay in the folder, and its size has a limit."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from abs_index.errors import ElasticsearchError

LIMIT = 2_000_000_000
"""Bytes that a distribution may have unpacked; real ones have a quarter of that."""


def unpack(archive: Path, folder: Path) -> None:
    """Writes the members of a zip below `folder`, executable where the zip says so.

    Raises ElasticsearchError where the zip is damaged, too large, or has a member that would leave the folder.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            _check(archive, source.infolist())
            for member in source.infolist():
                _write(source, member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ElasticsearchError(
            f"{archive.name} is damaged ({error}): delete its folder in Maven's repository, usually "
            "~/.m2/repository, and try again"
        ) from error


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise ElasticsearchError(f"{archive.name} is refused: its member {member.filename!r} leaves the folder")
    if sum(member.file_size for member in members) > LIMIT:
        raise ElasticsearchError(f"{archive.name} is refused: it has more than {LIMIT // 10**9} GB unpacked")


def _write(source: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(member) as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    if member.external_attr >> 16 & stat.S_IXUSR:
        target.chmod(0o755)
