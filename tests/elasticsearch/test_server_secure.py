"""With security the server lets nobody in who has no password, key and certificate: as users' clusters do."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from elastic_transport import ConnectionError as NoConnection
from elastic_transport import TlsError
from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from abs_index.server.cluster import Cluster


@pytest.fixture
def administrator(secure_cluster: Cluster) -> Elasticsearch:
    return Elasticsearch(
        secure_cluster.url, basic_auth=("elastic", secure_cluster.password), ca_certs=str(secure_cluster.ca_file)
    )


def test_without_or_with_a_wrong_password(secure_cluster: Cluster) -> None:
    for given in (None, ("elastic", "wrong"), ("nobody", secure_cluster.password)):
        with (
            pytest.raises(AuthenticationException),
            Elasticsearch(secure_cluster.url, basic_auth=given, ca_certs=str(secure_cluster.ca_file)) as client,
        ):
            client.cluster.health()


def test_certificate_is_trusted_only_by_who_knows_the_authority(secure_cluster: Cluster) -> None:
    password = ("elastic", secure_cluster.password)
    with pytest.raises(TlsError), Elasticsearch(secure_cluster.url, basic_auth=password, max_retries=0) as client:
        client.cluster.health()
    fingerprint = secure_cluster.ca_fingerprint
    with Elasticsearch(secure_cluster.url, basic_auth=password, ssl_assert_fingerprint=fingerprint) as client:
        assert client.cluster.health()["number_of_nodes"] == 1
    wrong = "0" * 64
    with (
        pytest.raises(TlsError),
        Elasticsearch(secure_cluster.url, basic_auth=password, ssl_assert_fingerprint=wrong, max_retries=0) as client,
    ):
        client.cluster.health()


def test_plain_http_is_not_answered(secure_cluster: Cluster) -> None:
    plain = secure_cluster.url.replace("https:", "http:")
    with pytest.raises(NoConnection), Elasticsearch(plain, max_retries=0) as client:
        client.cluster.health()


def test_fingerprint_is_that_of_the_authority(secure_cluster: Cluster) -> None:
    assert secure_cluster.ca_file
    pem = Path(secure_cluster.ca_file).read_text()
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == secure_cluster.ca_fingerprint


def test_key_may_do_what_its_role_says(administrator: Elasticsearch, secure_cluster: Cluster) -> None:
    administrator.index(index="keyed", id="1", document={"a": 1}, refresh=True)
    may = {"reader": {"indices": [{"names": ["keyed"], "privileges": ["read"]}]}}
    key = administrator.security.create_api_key(name="reads", role_descriptors=may)["encoded"]
    with Elasticsearch(secure_cluster.url, api_key=key, ca_certs=str(secure_cluster.ca_file)) as reader:
        assert reader.count(index="keyed")["count"] == 1
        with pytest.raises(AuthorizationException):
            reader.index(index="keyed", document={"a": 2})
    administrator.security.invalidate_api_key(name="reads")
    administrator.indices.delete(index="keyed")
    administrator.close()


def test_user_with_a_role(administrator: Elasticsearch, secure_cluster: Cluster) -> None:
    administrator.security.put_role(name="looks", cluster=["monitor"])
    administrator.security.put_user(username="anna", password="long enough", roles=["looks"])
    with Elasticsearch(
        secure_cluster.url, basic_auth=("anna", "long enough"), ca_certs=str(secure_cluster.ca_file)
    ) as anna:
        assert anna.cluster.health()["number_of_nodes"] == 1
        with pytest.raises(AuthorizationException):
            anna.indices.create(index="hers")
    administrator.close()


def test_secrets_are_for_the_server_alone(secure_cluster: Cluster) -> None:
    (node,) = secure_cluster.nodes
    assert (node.folder.stat().st_mode & 0o777) == 0o700
    assert secure_cluster.password not in node.log.read_text(errors="replace")
    assert secure_cluster.password not in repr(secure_cluster)
