"""An authority of our own and a certificate for loopback, so that a server for trying out speaks TLS."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from abs_index.errors import MissingExtraError
from abs_index.server.http import Access

ADMINISTRATOR = "elastic"


@dataclass(frozen=True)
class Identity:
    """What a node needs to prove who it is: PEM texts."""

    certificate: str
    key: str
    authority: str

    def write(self, config: Path) -> None:
        """Puts the files where the settings of a node (`secure_settings`) look for them."""
        (config / "node.crt").write_text(self.certificate + self.authority, encoding="ascii")
        (config / "node.key").write_text(self.key, encoding="ascii")
        (config / "ca.crt").write_text(self.authority, encoding="ascii")


def new_identity(ca_file: Path) -> tuple[Identity, Access]:
    """A new authority (written to `ca_file`), a certificate by it, and the access of the administrator.

    Raises MissingExtraError where `trustme` is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        raise MissingExtraError("Elasticsearch with security", "elasticsearch") from error
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    root = authority.cert_pem.bytes().decode()
    ca_file.write_text(root, encoding="ascii")
    leaf = "".join(blob.bytes().decode() for blob in certificate.cert_chain_pems)
    fingerprint = sha256(ssl.PEM_cert_to_DER_cert(root)).hexdigest()
    identity = Identity(leaf, certificate.private_key_pem.bytes().decode(), root)
    return identity, Access(ADMINISTRATOR, secrets.token_urlsafe(18), ca_file.absolute(), fingerprint)


def secure_settings() -> dict[str, object]:
    """Settings of a node whose `config` folder holds an identity."""
    settings: dict[str, object] = {"xpack.security.enabled": True}
    for layer in ("http", "transport"):
        settings |= {
            f"xpack.security.{layer}.ssl.enabled": True,
            f"xpack.security.{layer}.ssl.certificate": "node.crt",
            f"xpack.security.{layer}.ssl.key": "node.key",
            f"xpack.security.{layer}.ssl.certificate_authorities": ["ca.crt"],
        }
    return settings
