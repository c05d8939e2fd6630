"""A server's program, ready to run: downloaded, unpacked and given its plugin once, then kept in the cache."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from abs_index.errors import ElasticsearchError
from abs_index.server.distribution import Distribution
from abs_index.server.download import download
from abs_index.server.folders import cache_folder
from abs_index.server.java import Java, find_java
from abs_index.server.plugin import install_plugin, plugin_fingerprint
from abs_index.server.unpack import unpack


@dataclass(frozen=True)
class Program:
    """A distribution on disk, and the Java to run it with."""

    distribution: Distribution
    home: Path
    java: Java


def install(distribution: Distribution, cache: Path | None = None) -> Program:
    """The program of a distribution. The first call downloads and unpacks it; it is there as a whole or not at all.

    Raises MissingProgramError where Java or Maven is missing, ElasticsearchError where the download is damaged
    or the cache cannot be written.
    """
    java = find_java(distribution)
    servers = (cache or cache_folder()) / "servers"
    home = servers / f"{distribution.folder}-{plugin_fingerprint()}"
    try:
        if not home.is_dir():
            servers.mkdir(parents=True, exist_ok=True)
            with FileLock(servers / ".lock"):
                if not home.is_dir():
                    _install(distribution, java, home)
    except OSError as error:  # no permission, disk full
        raise ElasticsearchError(f"{distribution} cannot be kept in {servers}: {error}") from error
    return Program(distribution, home, java)


def _install(distribution: Distribution, java: Java, home: Path) -> None:
    for left_behind in home.parent.glob("*.partial"):  # by a process that was killed: whoever holds the lock may
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(dir=home.parent, suffix=".partial", ignore_cleanup_errors=True) as name:
        partial = Path(name)
        unpack(download(distribution, partial), partial)
        unpacked = partial / distribution.folder
        if distribution.takes_plugin:
            install_plugin(distribution, java, unpacked)
        _open(unpacked)
        unpacked.rename(home)


def _open(folder: Path) -> None:
    """Lets every account read the program, whatever the mask of the one that unpacked it."""
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)
