"""One node: its folder, its settings, its process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from abs_index.errors import ElasticsearchError
from abs_index.server.account import Account
from abs_index.server.certificates import Identity
from abs_index.server.ports import LOOPBACK
from abs_index.server.process import Process, spawn
from abs_index.server.program import Program

# Written into the folder that the server is unpacked in, or as large as its memory: neither is wanted here.
UNWANTED_JAVA_OPTIONS = ("-Xlog:gc", "-XX:ErrorFile", "-XX:+HeapDump", "-XX:HeapDumpPath")

PROCESS = "process"
"""File in the folder of a node with the number of its process."""


def _mark(folder: Path) -> str:
    """What the command line of a node's process holds, and that of no other."""
    return f"path.logs={folder / 'logs'}"


def left_running(folder: Path) -> list[Process]:
    """The processes of nodes in the folder of a cluster that somebody started before and did not stop."""
    files = sorted(folder.glob(f"node-*/{PROCESS}"))
    processes = [Process(int(file.read_text(encoding="ascii") or 0), _mark(file.parent)) for file in files]
    return [process for process in processes if process.alive()]


@dataclass(frozen=True)
class Node:
    """A node of a server, running or not. Everything it writes is in `folder`."""

    program: Program
    account: Account
    folder: Path
    port: int
    transport_port: int
    heap: str
    java_options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the cluster calls it."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """Everything the node said since it was started last."""
        return self.folder / "server.log"

    @property
    def transport(self) -> str:
        """Where the other nodes find it."""
        return f"{LOOPBACK}:{self.transport_port}"

    def prepare(self, settings: Mapping[str, object], identity: Identity | None) -> None:
        """Writes settings, Java options and certificate of a new node."""
        product = self.program.distribution.product
        for name in ("config", "data", "logs", "tmp"):
            (self.folder / name).mkdir(parents=True)
        config, shipped = self.folder / "config", self.program.home / "config"
        shutil.copy(shipped / "log4j2.properties", config)
        options = (shipped / "jvm.options").read_text(encoding="utf-8").splitlines(keepends=True)
        wanted = [line for line in options if not any(unwanted in line for unwanted in UNWANTED_JAVA_OPTIONS)]
        (config / "jvm.options").write_text("".join(wanted), encoding="utf-8")
        lines = (f"{key}: {json.dumps(value)}\n" for key, value in {**self._settings(), **settings}.items())
        (config / f"{product}.yml").write_text("".join(lines), encoding="utf-8")
        if identity:
            identity.write(config)
        self.account.give(self.folder)

    def _settings(self) -> dict[str, object]:
        return {
            "node.name": self.name,
            "network.host": LOOPBACK,
            "http.port": self.port,
            "transport.port": self.transport_port,
            "path.data": str(self.folder / "data"),
            # The disk of a machine for trying out is often fuller than servers like; they would take no documents.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }

    def set_password(self, password: str) -> None:
        """Puts the first password of the administrator into the node's keystore.

        Raises ElasticsearchError where the keystore cannot be written.
        """
        tool = str(self.program.home / "bin" / "elasticsearch-keystore")
        for arguments, given in ((["create"], ""), (["add", "--stdin", "bootstrap.password"], password)):
            run = subprocess.run(  # noqa: S603 (a program that we unpacked)
                [tool, *arguments],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                env=self._environment(),
                user=self.account.user,
                group=self.account.group,
                extra_groups=self.account.groups,
                cwd="/",
            )
            if run.returncode:
                said = (run.stderr or run.stdout).strip().splitlines() or ["it said nothing"]
                raise ElasticsearchError(f"the keystore of {self.folder} cannot be written: {said[-1]}")

    def start(self) -> Process:
        """Starts the node in the background; it answers some 10 to 30 seconds later."""
        program = str(self.program.home / "bin" / self.program.distribution.product)
        mark = _mark(self.folder)
        process = spawn([program, f"-E{mark}"], mark, self._environment(), self.log, self.account)
        (self.folder / PROCESS).write_text(str(process.pid), encoding="ascii")
        return process

    def _environment(self) -> dict[str, str]:
        """Nothing of the user's own environment but the path: other variables would change how the server runs."""
        java = str(self.program.java.home)
        prefix = "ES" if self.program.distribution.product == "elasticsearch" else "OPENSEARCH"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "tmp"),
            "LC_ALL": "C.UTF-8",
            "JAVA_HOME": java,
            f"{prefix}_JAVA_HOME": java,
            f"{prefix}_PATH_CONF": str(self.folder / "config"),
            f"{prefix}_TMPDIR": str(self.folder / "tmp"),
            f"{prefix}_JAVA_OPTS": " ".join((f"-Xms{self.heap}", f"-Xmx{self.heap}", *self.java_options)),
        }

    def last_words(self) -> str:
        """The line of the log that says best why a node ended."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        telling = [line for line in lines if line.strip() and not line.startswith(("\t", "    "))]
        errors = [line for line in telling if "ERROR]" in line or "Exception" in line or "rror:" in line]
        return (errors or telling or ["it said nothing"])[0].strip()[:300]
