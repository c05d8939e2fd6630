"""A server of one or more nodes on this machine, started and stopped as a whole or node by node."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from abs_index.errors import ElasticsearchError, UsageError
from abs_index.server.account import server_account
from abs_index.server.certificates import Identity, new_identity, secure_settings
from abs_index.server.distribution import DEFAULT_VERSION, Distribution, Product
from abs_index.server.http import Access, get_json
from abs_index.server.node import Node
from abs_index.server.ports import LOOPBACK, free_ports, require_free
from abs_index.server.process import Process
from abs_index.server.program import install

DEADLINE = 300.0
"""Seconds until a server must be ready. It takes 10 to 30; a busy machine takes longer."""

HEAP = re.compile(r"[1-9]\d*[mg]", re.IGNORECASE)

Status = Literal["green", "yellow", "red"]


@dataclass
class Cluster:
    """A running server. `processes[i]` is the process of `nodes[i]`, alive or not.

    with Cluster.start(folder) as cluster:
        print(cluster.url)
    """

    nodes: list[Node]
    processes: list[Process]
    access: Access

    @classmethod
    def start(
        cls,
        folder: Path,
        version: str = DEFAULT_VERSION,
        *,
        nodes: int = 1,
        secure: bool = False,
        heap: str = "512m",
        port: int | None = None,
        settings: Mapping[str, object] | None = None,
        java_options: Sequence[str] = (),
        product: Product = Product.ELASTICSEARCH,
    ) -> Self:
        """Starts a new server and returns when all its nodes are there and it is green.

        `folder` is where it keeps settings, data and logs; created where it is missing. Node `i` listens on
        `port + i`, or on a free port. `settings` and `java_options` are added to those of every node. `secure` gives
        it TLS and users.

        Raises ElasticsearchError where the server cannot be had or does not start, UsageError where a port is taken or
        `heap` is not a size.
        """
        if not HEAP.fullmatch(heap):
            raise UsageError(f"'{heap}' is not a size of memory, such as 512m or 2g")
        ports = [port + number for number in range(nodes)] if port else free_ports(nodes)
        for one in ports:
            require_free(one)
        program = install(Distribution(version, product))
        account = server_account()
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        account.require_way_to(program.home / "bin")
        account.require_way_to(folder / "node-1")
        made = [
            Node(program, account, folder / f"node-{number}", *pair, heap, tuple(java_options))
            for number, pair in enumerate(zip(ports, free_ports(nodes), strict=True), 1)
        ]
        identity, access = new_identity(folder / "ca.crt") if secure else (None, Access())
        _prepare(made, identity, access, settings or {})
        cluster = cls(made, [node.start() for node in made], access)
        try:
            cluster.wait()
        except BaseException:  # also when it is interrupted: nothing may be left running
            cluster.stop()
            raise
        return cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def version(self) -> str:
        """Version of the server."""
        return self.nodes[0].program.distribution.version

    @property
    def urls(self) -> list[str]:
        """Addresses of all nodes, running or not."""
        return [f"{self.access.scheme}://{LOOPBACK}:{node.port}" for node in self.nodes]

    @property
    def url(self) -> str:
        """Address of the first node."""
        return self.urls[0]

    @property
    def password(self) -> str:
        """Password of the user `elastic`; empty without security."""
        return self.access.password

    @property
    def ca_file(self) -> Path | None:
        """PEM file of the authority that signed the certificates; None without security."""
        return self.access.ca_file

    @property
    def ca_fingerprint(self) -> str:
        """SHA-256 of the authority's certificate in hexadecimal; empty without security."""
        return self.access.ca_fingerprint

    def kill(self, node: int = 0) -> None:
        """Ends one node as a crash would."""
        self.processes[node].kill()

    def start_node(self, node: int = 0) -> None:
        """Starts a node that was killed, with its old data, and waits until it is back."""
        self.processes[node] = self.nodes[node].start()
        self.wait()

    def restart(self, node: int = 0) -> None:
        """Ends one node in good order, starts it again, and waits until it is back."""
        self.processes[node].terminate(patience=30)
        self.start_node(node)

    def stop(self) -> None:
        """Ends all nodes. Their data stay in their folders."""
        for process in self.processes:
            process.kill()

    def wait(self, status: Status = "green", *, nodes: int | None = None, seconds: float = DEADLINE) -> None:
        """Waits until `nodes` nodes (left out: those that run) are together, all that run answer, and the health is at
        least `status`.

        Raises ElasticsearchError where a node that ran when this began ends, or the time is over.
        """
        watched = [number for number, process in enumerate(self.processes) if process.alive()]
        self._require_alive(watched)
        wanted = f"wait_for_status={status}&wait_for_nodes={nodes or len(watched)}&timeout=2s"
        end = time.monotonic() + seconds
        if self.access.user:  # the server makes this index by itself a moment later, and lets nobody in meanwhile
            self._wait_for(f"/_cluster/health/.security?wait_for_active_shards=1&{wanted}", watched, end)
        self._wait_for(f"/_cluster/health?{wanted}", watched, end)

    def _wait_for(self, path: str, watched: list[int], end: float) -> None:
        left = list(watched)  # a node joins the others a moment before it answers by HTTP
        while True:
            self._require_alive(watched)
            health = get_json(self.urls[left[0]] + path, self.access, timeout=10)
            if health and not health["timed_out"]:
                left.pop(0)
                if not left:
                    return
                continue
            if time.monotonic() > end:
                found = f"{health['number_of_nodes']} nodes, {health['status']}" if health else "no answer"
                raise ElasticsearchError(f"{self._title} is not ready in time ({found}): see {self.nodes[0].log}")
            time.sleep(0.2)

    def _require_alive(self, watched: list[int]) -> None:
        ended = [self.nodes[number] for number in watched if not self.processes[number].alive()]
        if ended or not watched:
            node = ended[0] if ended else self.nodes[0]
            raise ElasticsearchError(f"{node.name} of {self._title} ended: {node.last_words()} (see {node.log})")

    @property
    def _title(self) -> str:
        return str(self.nodes[0].program.distribution)


def _prepare(nodes: list[Node], identity: Identity | None, access: Access, settings: Mapping[str, object]) -> None:
    """Writes the folders of nodes that are to find each other."""
    shared: dict[str, object] = {"cluster.name": "abs-index"}
    if len(nodes) == 1:
        shared["discovery.type"] = "single-node"
    else:
        shared["discovery.seed_hosts"] = [node.transport for node in nodes]
        shared["cluster.initial_master_nodes"] = [node.name for node in nodes]
    if identity:
        shared |= secure_settings()
    elif nodes[0].program.distribution.product is Product.ELASTICSEARCH:
        shared["xpack.security.enabled"] = False
    for node in nodes:
        node.prepare({**shared, **settings}, identity)
    if identity:
        nodes[0].set_password(access.password)
        keystore = nodes[0].folder / "config" / "elasticsearch.keystore"
        for node in nodes[1:]:
            copy = node.folder / "config" / keystore.name
            copy.write_bytes(keystore.read_bytes())
            copy.chmod(0o600)
            node.account.own(copy)
