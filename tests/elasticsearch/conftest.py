"""Real servers for tests, each started when the first test asks for it, and stopped at the end of the session.

No package here: a folder `elasticsearch` with an `__init__.py` would hide the client of that name.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import MissingProgramError
from abs_index.server.cluster import Cluster
from abs_index.server.distribution import DEFAULT_VERSION, Distribution, Product
from abs_index.server.program import install

VERSION = os.environ.get("ABS_INDEX_TEST_ES", DEFAULT_VERSION)
"""Version of the server to test with."""

RUNNING = os.environ.get("ABS_INDEX_TEST_ES_URL", "")
"""A server that runs already, without security: `cluster` and `client` then start none."""


QUICK = "-XX:TieredStopAtLevel=1"
"""Java option that halves the work of a start, at the cost of what follows: tests start servers and ask little."""


@dataclass(frozen=True)
class Server:
    """What tests know of the server that they share."""

    url: str
    version: str


def installed(version: str = VERSION, product: Product = Product.ELASTICSEARCH) -> None:
    """Skips the test where Java or Maven is not installed."""
    try:
        install(Distribution(version, product))
    except MissingProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def program() -> None:
    """Asked for by tests that start a server by themselves."""
    installed()


@contextmanager
def started(version: str = VERSION, product: Product = Product.ELASTICSEARCH, **options: Any) -> Iterator[Cluster]:
    """A server in a folder of its own, which goes with it. Skips the test where Java or Maven is not installed."""
    installed(version, product)
    # pytest's own folders are closed to the account that servers run under where we are root
    with tempfile.TemporaryDirectory(prefix="abs-index-server-") as name:
        Path(name).chmod(0o755)
        with Cluster.start(Path(name), version, product=product, java_options=[QUICK], **options) as cluster:
            yield cluster


@pytest.fixture(scope="session")
def _one_node() -> Iterator[Cluster]:
    with started(heap="1g") as cluster:  # a text of 10 MB is too much for less
        yield cluster


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Server:
    """The server that tests share: one node, no security. Never stop it; `restartable` is for that."""
    if not RUNNING:
        one_node = request.getfixturevalue("_one_node")
        return Server(one_node.url, one_node.version)
    with Elasticsearch(RUNNING) as running:
        nodes = running.nodes.info(node_id="_local")["nodes"].values()
    return Server(RUNNING, next(iter(nodes))["version"])


@pytest.fixture
def restartable(_one_node: Cluster) -> Iterator[Cluster]:
    """One node without security that a test may kill and restart. It may be the one of `cluster`: leave data alone."""
    yield _one_node
    _revive(_one_node)


@pytest.fixture(scope="session")
def secure_cluster() -> Iterator[Cluster]:
    """One node with TLS and users; `.password`, `.ca_file` and `.ca_fingerprint` say how to get in."""
    with started(secure=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _three_nodes() -> Iterator[Cluster]:
    with started(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def three_nodes(_three_nodes: Cluster) -> Cluster:
    """Three nodes without security that a test may kill: they are started again for the next one."""
    _revive(_three_nodes)
    return _three_nodes


def _revive(cluster: Cluster) -> None:
    for number, process in enumerate(cluster.processes):
        if not process.alive():
            cluster.start_node(number)


@pytest.fixture(scope="module")
def old_server() -> Iterator[Cluster]:
    """Elasticsearch 7, which is too old."""
    with started("7.17.29", heap="256m") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def opensearch() -> Iterator[Cluster]:
    """OpenSearch, which is another product."""
    with started("2.19.0", Product.OPENSEARCH, heap="256m") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def client(cluster: Server) -> Iterator[Elasticsearch]:
    """The official client, speaking to `cluster`, without retries of its own."""
    with Elasticsearch(cluster.url, max_retries=0, request_timeout=60) as client:
        yield client


@pytest.fixture
def name(client: Elasticsearch) -> Iterator[str]:
    """A name for an alias or an index that nobody else uses. Whatever on `cluster` starts with it goes afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    clean(client, name)


def clean(client: Elasticsearch, name: str) -> None:
    """Deletes the indices and templates whose names start with `name` or `abs-index-<name>`."""
    for index in client.indices.get(index=f"{name}*", expand_wildcards="all", features="aliases"):
        client.indices.delete(index=index)
    missing_is_fine = client.options(ignore_status=404)
    missing_is_fine.indices.delete_index_template(name=f"abs-index-{name}*")
    missing_is_fine.cluster.delete_component_template(name=f"abs-index-{name}*")
