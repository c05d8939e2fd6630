"""Writes the sample corpus: documents as they lie in this package, pictures as they are drawn, one folder packed."""

from __future__ import annotations

import gzip
import tarfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path

from abs_index.errors import UsageError
from abs_index.sample.pictures import picture_files

PACKED = "packages/"
ARCHIVE = PACKED + "coral-reefs.tar.gz"


def write_sample(folder: Path) -> None:
    """Writes ten documents with 43 figures (one of them damaged on purpose) below `folder`.

    Four JATS articles lie in `articles/`, a CNXML book of three modules in `textbook/`, two HTML pages in `lectures/`,
    and one more JATS article in `packages/coral-reefs.tar.gz`. The same version of the program always writes the same
    files. Raises UsageError where `folder` is a file, cannot be written, or holds other things already.
    """
    documents, pictures = _documents(files("abs_index.sample").joinpath("documents")), picture_files()
    try:
        _check(folder, {*documents, *pictures, ARCHIVE})
        contents = documents | {name: draw() for name, draw in pictures.items()}
        packed = {name.removeprefix(PACKED): contents.pop(name) for name in sorted(contents) if name.startswith(PACKED)}
        contents[ARCHIVE] = _packed(packed)
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write the sample corpus to {folder}: {error.strerror or error}") from error


def _check(folder: Path, names: set[str]) -> None:
    """Refuses to mix the sample with files of somebody else."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and path.relative_to(folder).as_posix() not in names:
            raise UsageError(f"{folder} holds other files ({path.name}): name a new or empty folder")


def _documents(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _documents(entry, f"{prefix}{entry.name}/")
        else:
            found[prefix + entry.name] = entry.read_bytes()
    return found


def _packed(contents: dict[str, bytes]) -> bytes:
    """A .tar.gz without times and owners, so that its bytes depend on the contents alone."""
    plain = BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
