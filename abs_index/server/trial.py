"""The server for trying out that `abs-index es up` runs: one a user, remembered between two calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from abs_index.errors import ElasticsearchError, UsageError
from abs_index.server.cluster import Cluster
from abs_index.server.distribution import DEFAULT_VERSION, Distribution
from abs_index.server.folders import state_folder
from abs_index.server.node import left_running

OLDEST = (8, 19)
"""The oldest version that the rest of abs-index works with."""


@dataclass(frozen=True)
class Trial:
    """A server for trying out. `config` is the file with what gets into it, or None where nothing is asked for."""

    version: str
    urls: list[str]
    config: Path | None

    def __str__(self) -> str:
        nodes = f" ({len(self.urls)} nodes)" if len(self.urls) > 1 else ""
        return f"Elasticsearch {self.version}{nodes} at {self.urls[0]}"


def start_trial(
    *,
    nodes: int = 1,
    secure: bool = False,
    version: str = DEFAULT_VERSION,
    port: int = 9200,
    heap: str = "512m",
    tell: Callable[[str], None] = lambda line: None,
) -> Trial:
    """Starts the server and returns when it is ready. `tell` gets a line when nothing speaks against it.

    Raises UsageError where the version is not one that abs-index works with or a port is taken, ElasticsearchError
    where it runs already or does not start.
    """
    if Distribution(version).release < OLDEST:
        raise UsageError(f"abs-index works with Elasticsearch 8.19 and newer, not with {version}")
    with _locked() as folder:
        running = _remembered(folder)
        if running and left_running(folder):
            raise ElasticsearchError(f"{running} runs already: `abs-index es down` stops it")
        tell(f"starting Elasticsearch {version}, which takes some 20 seconds")
        _remove(folder)
        folder.mkdir()
        cluster = Cluster.start(folder, version, nodes=nodes, secure=secure, heap=heap, port=port)
        trial = Trial(version, cluster.urls, _write_config(folder, cluster) if secure else None)
        content = json.dumps(asdict(trial), default=str, indent=1)
        (folder / "trial.json").write_text(content, encoding="utf-8")
        return trial


def stop_trial() -> Trial | None:
    """Stops the server and deletes its data and settings. Returns what was stopped, None where nothing ran."""
    with _locked() as folder:
        trial = _remembered(folder)
        _remove(folder)
        return trial


@contextmanager
def _locked() -> Iterator[Path]:
    """The folder of the server, which only one process changes at a time."""
    state = state_folder()
    try:
        state.mkdir(parents=True, exist_ok=True)
        with FileLock(state / "elasticsearch.lock", timeout=0):
            yield state / "elasticsearch"
    except Timeout as error:
        raise ElasticsearchError("another `abs-index es` is starting or stopping the server: wait for it") from error
    except OSError as error:  # no permission, disk full
        raise ElasticsearchError(f"the server cannot be kept in {state}: {error}") from error


def _remembered(folder: Path) -> Trial | None:
    try:
        kept = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # ValueError: written only in part
        return None
    return Trial(kept["version"], kept["urls"], Path(kept["config"]) if kept["config"] else None)


def _remove(folder: Path) -> None:
    """Deletes the folder, also of a start that was broken off: its nodes may still run."""
    for process in left_running(folder):
        process.kill()
    if folder.exists():
        shutil.rmtree(folder)


def _write_config(folder: Path, cluster: Cluster) -> Path:
    """Credentials in the format that `--elasticsearch` reads (ABS_INDEX_ES_CONFIG), for our eyes only."""
    file = folder / "elasticsearch.toml"
    file.touch(mode=0o600)
    values = {"user": cluster.access.user, "password": cluster.password, "ca_certs": str(cluster.ca_file)}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    file.write_text("\n".join(f'["{url}"]\n{lines}' for url in cluster.urls), encoding="utf-8")
    return file
