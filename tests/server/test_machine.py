"""What a server takes from the machine: ports, folders, an account, a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from abs_index.errors import ElasticsearchError, UsageError
from abs_index.server.account import Account
from abs_index.server.cluster import Cluster
from abs_index.server.folders import cache_folder, state_folder
from abs_index.server.ports import free_ports, require_free
from abs_index.server.process import Process, spawn
from abs_index.server.trial import start_trial, stop_trial


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        require_free(port)


def test_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"port {port} cannot be used \(.*in use.*\): choose another one with --port"
        ):
            Cluster.start(tmp_path / "server", port=port)
    assert not (tmp_path / "server").exists()


def test_port_beyond_the_last() -> None:
    with pytest.raises(UsageError, match="port 65536 cannot be used"):
        require_free(65536)


@pytest.mark.parametrize("heap", ["512", "0m", "1g -XX:+Evil", "much", ""])
def test_what_is_no_heap(tmp_path: Path, heap: str) -> None:
    with pytest.raises(UsageError, match="is not a size of memory, such as 512m or 2g"):
        Cluster.start(tmp_path, heap=heap)


@pytest.mark.parametrize("version", ["7.17.29", "8.18.3"])
def test_versions_that_we_do_not_work_with_are_not_started(version: str) -> None:
    with pytest.raises(UsageError, match=rf"works with Elasticsearch 8.19 and newer, not with {version}"):
        start_trial(version=version)


def test_state_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ElasticsearchError, match=r"the server cannot be kept in .*Not a directory"):
        start_trial()


def test_only_one_command_changes_the_server_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "abs-index").mkdir()
    with (
        FileLock(tmp_path / "abs-index" / "elasticsearch.lock"),
        pytest.raises(ElasticsearchError, match="another `abs-index es` is starting or stopping the server"),
    ):
        stop_trial()


def test_folders_are_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    assert (cache_folder(), state_folder()) == (tmp_path / "c" / "abs-index", tmp_path / "s" / "abs-index")


def test_folders_of_users_and_of_the_administrator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (cache_folder(), state_folder()) == (tmp_path / ".cache/abs-index", tmp_path / ".local/state/abs-index")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (cache_folder(), state_folder()) == (Path("/var/cache/abs-index"), Path("/var/lib/abs-index"))


def test_closed_folder_is_named_before_a_server_fails_in_it(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    tmp_path.chmod(0o700)
    with pytest.raises(ElasticsearchError, match=r"nobody, which may not enter \S+; choose another place"):
        Account(65534, 65534).require_way_to(tmp_path / "open" / "node-1")
    Account().require_way_to(tmp_path / "open" / "node-1")  # as ourselves we may


PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("up", flush=True)
time.sleep(60)
"""


def running(tmp_path: Path) -> Process:
    """A process with a child, as a server is one."""
    process = spawn([sys.executable, "-c", PARENT, "our mark"], "our mark", os.environ, tmp_path / "log", Account())
    while "up" not in (tmp_path / "log").read_text():
        assert process.alive()
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("gently", [True, False])
def test_process_ends_with_its_children(tmp_path: Path, gently: bool) -> None:
    process = running(tmp_path)
    if gently:
        process.terminate(patience=5)
    else:
        process.kill()
    assert not process.alive()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    process.kill()  # once more does no harm


def test_stranger_with_the_number_of_our_process_is_left_alone(tmp_path: Path) -> None:
    process = running(tmp_path)
    script = "import sys; from abs_index.server.process import Process; Process(int(sys.argv[1]), sys.argv[2]).kill()"

    def kill_from_elsewhere(mark: str) -> None:
        elsewhere = subprocess.Popen([sys.executable, "-c", script, str(process.pid), mark])
        while elsewhere.poll() is None:
            process.alive()  # buries it when it is dead, as the system does with processes whose parent is gone
            time.sleep(0.05)
        assert elsewhere.returncode == 0

    kill_from_elsewhere("another mark")
    assert process.alive()
    kill_from_elsewhere("our mark")
    assert not process.alive()
