"""`abs-index es up` and `es down` as a person uses them, in processes of their own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from abs_index.indexing.elasticsearch.connection import connect
from abs_index.server.node import left_running
from abs_index.server.ports import free_ports, require_free

ES = [sys.executable, "-m", "abs_index.cli.main", "es"]


pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of our own, and nothing left running in it."""
    with TemporaryDirectory(prefix="abs-index-state-") as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("XDG_STATE_HOME", name)
        yield Path(name) / "abs-index" / "elasticsearch"
        subprocess.run([*ES, "down"], check=True)


def es(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ES, *arguments], capture_output=True, text=True, check=False)


def test_server_with_security_from_start_to_end(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    up = es("up", "--secure", "--port", str(port), "--heap", "256m")
    assert up.returncode == 0, up.stderr
    assert up.stderr.startswith("starting Elasticsearch 9.5.0")
    ready, export, push = up.stdout.splitlines()
    url = f"https://127.0.0.1:{port}"
    assert ready == f"Elasticsearch 9.5.0 at {url} is ready"
    assert push == f"abs-index push INDEX --elasticsearch {url}"

    variable, _, config = export.removeprefix("export ").partition("=")
    assert Path(config).stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(variable, config)
    assert connect(url).cluster.health()["status"] == "green"

    again = es("up", "--port", str(port))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"error: Elasticsearch 9.5.0 at {url} runs already: `abs-index es down` stops it\n"

    down = es("down", "--json")
    assert json.loads(down.stdout) == {"version": "9.5.0", "urls": [url], "config": config}
    require_free(port)
    assert not state.exists()
    assert es("down").stderr == "no Elasticsearch of `es up` is here\n"


def started(state: Path) -> subprocess.Popen[bytes]:
    """`es up` at the moment when its node begins to run."""
    (port,) = free_ports(1)
    up = subprocess.Popen([*ES, "up", "--port", str(port), "--heap", "256m"], stderr=subprocess.DEVNULL)
    while not left_running(state):
        assert up.poll() is None
        time.sleep(0.1)
    return up


def test_interrupted_start_leaves_nothing_running(state: Path) -> None:
    up = started(state)
    running = left_running(state)
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 130
    assert not any(process.alive() for process in running)


@pytest.mark.parametrize("then", [lambda: es("down"), lambda: es("up", "--heap", "much")])
def test_killed_start_is_cleared_away_by_the_next_command(state: Path, then: Callable[[], object]) -> None:
    up = started(state)
    running = left_running(state)
    up.kill()
    up.wait()
    then()
    assert not any(process.alive() for process in running)


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = es("up", "--port", str(port))
    assert (up.returncode, up.stdout) == (2, "")
    assert up.stderr.splitlines()[-1].startswith(f"error: port {port} cannot be used")
    assert up.stderr.endswith("choose another one with --port\n")


def test_without_java_and_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    up = es("up", "--port", str(free_ports(1)[0]))
    assert up.returncode == 1
    assert up.stderr.splitlines()[-1].startswith("error: Elasticsearch 9.5.0 ")
    assert "install" in up.stderr
