"""Whom a connection lets through, and what is said of the others: in one line, before anything is done."""

from __future__ import annotations

import json
import logging
import socket
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import AccessError, ElasticsearchError, UnreachableError, WrongServerError
from abs_index.indexing.elasticsearch.connection import client_version, connect
from abs_index.indexing.elasticsearch.credentials import Credentials
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.server.cluster import Cluster
from tests.elasticsearch.conftest import started
from tests.elasticsearch.pushing import assert_same, documents, on_server, write_index

SECRET = "T0pSecret"


@pytest.fixture
def admin(secure_cluster: Cluster) -> Iterator[Elasticsearch]:
    with connect(secure_cluster.url, credentials=trusted(secure_cluster)) as client:
        yield client


def trusted(cluster: Cluster, user: str | None = "elastic", **others: str) -> Credentials:
    password = cluster.password if user else None
    return Credentials(user=user, password=password, ca_certs=cluster.ca_file, **others)


@pytest.mark.clients
def test_no_credentials_where_there_is_no_security(client: Elasticsearch) -> None:
    with connect(_url(client)) as connected:
        assert connected.count(index="_all")


def _url(client: Elasticsearch) -> str:
    return next(iter(client.transport.node_pool.all())).base_url


@pytest.mark.clients
def test_user_api_key_and_fingerprint(secure_cluster: Cluster, admin: Elasticsearch) -> None:
    key = admin.security.create_api_key(name="test")
    fingerprint = secure_cluster.ca_fingerprint
    for credentials in (
        Credentials(api_key=key["encoded"], ca_certs=secure_cluster.ca_file),
        Credentials(api_key=f"{key['id']}:{key['api_key']}", ca_fingerprint=fingerprint),
        Credentials(user="elastic", password=secure_cluster.password, ca_fingerprint=fingerprint.upper()),
    ):
        with connect(secure_cluster.url, credentials=credentials) as client:
            assert client.count(index="_all")


@pytest.mark.clients
def test_what_a_push_needs_of_rights(secure_cluster: Cluster, admin: Elasticsearch, tmp_path: Path) -> None:
    """As documented: `monitor` and `manage_index_templates` of the cluster, `all` of the indices of one name."""
    rights = {
        "cluster": ["monitor", "manage_index_templates"],
        "indices": [{"names": ["mine", "mine-abs-*"], "privileges": ["all"]}],
    }
    key = admin.security.create_api_key(name="push", role_descriptors={"push": rights})
    credentials = Credentials(api_key=key["encoded"], ca_certs=secure_cluster.ca_file)
    folder = write_index(tmp_path / "index", documents(3))
    with connect(secure_cluster.url, credentials=credentials) as client:
        push(folder, client, PushOptions("mine"))
        push(folder, client, PushOptions("mine", vectors="faiss"))
        assert_same(client, "mine", folder, vectors=False)
        with pytest.raises(AccessError, match=r"rights do not suffice .*unauthorized"):
            push(folder, client, PushOptions("yours"))


@pytest.mark.clients
def test_who_may_only_search_can_connect(secure_cluster: Cluster, admin: Elasticsearch) -> None:
    admin.index(index="only", id="1", document={"a": 1}, refresh=True)
    rights = {"cluster": [], "indices": [{"names": ["only"], "privileges": ["read"]}]}
    key = admin.security.create_api_key(name="read", role_descriptors={"read": rights})
    with connect(
        secure_cluster.url, credentials=Credentials(api_key=key["encoded"], ca_certs=secure_cluster.ca_file)
    ) as client:
        assert on_server(client, "only").keys() == {"1"}


@pytest.mark.clients
@pytest.mark.parametrize(
    "credentials",
    [
        {"user": "elastic", "password": SECRET},
        {"api_key": f"id:{SECRET}"},
        {"api_key": SECRET},
        {},
    ],
)
def test_wrong_credentials(
    secure_cluster: Cluster, credentials: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AccessError, match=r"credentials are missing or wrong; set ABS_INDEX_ES_API_KEY") as caught:
        connect(secure_cluster.url, credentials=Credentials(**credentials, ca_certs=secure_cluster.ca_file))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("trust", "message"),
    [
        ({}, r"certificate is not trusted \(.*\); set ABS_INDEX_ES_CA_CERTS or ABS_INDEX_ES_CA_FINGERPRINT"),
        ({"ca_fingerprint": "ab" * 32}, "certificate is not the one of ABS_INDEX_ES_CA_FINGERPRINT"),
    ],
)
@pytest.mark.clients
def test_certificates_that_are_not_trusted(secure_cluster: Cluster, trust: dict[str, str], message: str) -> None:
    with pytest.raises(AccessError, match=message):
        connect(secure_cluster.url, credentials=Credentials(user="elastic", password=SECRET, **trust))


def test_a_file_that_holds_no_certificates(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(AccessError, match="holds no certificates"):
        connect("https://127.0.0.1:9200", credentials=Credentials(ca_certs=path))


def test_tls_where_there_is_none_and_the_other_way(client: Elasticsearch, secure_cluster: Cluster) -> None:
    with pytest.raises(UnreachableError, match="does not speak TLS there; is it http://"):
        connect(_url(client).replace("http:", "https:"))
    with pytest.raises(ElasticsearchError, match=r"cannot be reached|https"):
        connect(secure_cluster.url.replace("https:", "http:"))


# servers that are none of ours


def test_other_versions_and_products_are_what_they_say(old_server: Cluster, opensearch: Cluster) -> None:
    for server, version in ((old_server, "7.17.29"), (opensearch, "2.19.0")):
        with urllib.request.urlopen(f"{server.url}/_nodes/_local?filter_path=nodes.*.version") as answer:
            (node,) = json.load(answer)["nodes"].values()
        assert node["version"] == version


def test_elasticsearch_7(old_server: Cluster) -> None:
    with pytest.raises(WrongServerError, match=r"Elasticsearch 7\.17\.29; abs-index needs 8\.19 or a later 8, or 9"):
        connect(old_server.url)


def test_opensearch(opensearch: Cluster) -> None:
    with pytest.raises(WrongServerError, match="is not Elasticsearch"):
        connect(opensearch.url)


def test_a_client_too_new_for_its_server() -> None:
    with started("8.19.8", heap="256m") as eight:
        if client_version()[0] == 8:
            connect(eight.url).close()
            return
        too_new = r"too new for Elasticsearch 8\.19\.8; pip install 'elasticsearch>=8\.19,<9'"
        with pytest.raises(WrongServerError, match=too_new):
            connect(eight.url)


@contextmanager
def answering(status: int, content: bytes, kind: str, **headers: str) -> Iterator[str]:
    """Something that answers every request in the same way; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for key, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "content", "kind", "error"),
    [
        (200, b"<html>welcome</html>", "text/html", WrongServerError),
        (200, b"{not JSON", "application/json", WrongServerError),
        (200, json.dumps({"version": {"number": "9.0.0"}}).encode(), "application/json", WrongServerError),
        (404, b"<html>nothing here</html>", "text/html", ElasticsearchError),
        (301, b"", "text/html", ElasticsearchError),
        (502, b"<html>bad gateway</html>", "text/html", UnreachableError),
        (401, b"", "text/plain", AccessError),
    ],
)
def test_something_else_answers(status: int, content: bytes, kind: str, error: type[Exception]) -> None:
    with (
        answering(status, content, kind, Location="http://192.0.2.1/") as url,
        pytest.raises(error, match=url) as caught,
    ):
        connect(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["8.18.9", "10.0.0", "7.10.2", "nonsense"])
def test_versions_that_are_not_known(version: str) -> None:
    """As these servers say it of themselves; real ones of 7 and 8.19 are asked above."""
    content = json.dumps({"version": {"number": version}}).encode()
    product = {"X-Elastic-Product": "Elasticsearch"}
    with (
        answering(200, content, "application/json", **product) as url,
        pytest.raises(WrongServerError, match=rf"Elasticsearch {version}; abs-index needs 8\.19"),
    ):
        connect(url)


def test_something_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="no answer in time"):
            connect(url, timeout=0.3)


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        connect("https://nowhere.invalid:9200")
