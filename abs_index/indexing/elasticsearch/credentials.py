"""Who we are to a cluster, and whom we trust: from the environment or from a file that only its owner can read.

Never from the command line or from a URL, which process lists, shell histories and logs keep. The file has one table
for each server:

    ["https://search.example.org:9200"]
    api_key = "…"
    ca_fingerprint = "…"
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from abs_index.errors import AccessError, UsageError

CONFIG: Final = "ABS_INDEX_ES_CONFIG"
"""Environment variable with the path of the file, instead of `elasticsearch.toml` in the configuration folder."""

VARIABLES: Final = {
    "api_key": "ABS_INDEX_ES_API_KEY",
    "user": "ABS_INDEX_ES_USER",
    "password": "ABS_INDEX_ES_PASSWORD",
    "ca_certs": "ABS_INDEX_ES_CA_CERTS",
    "ca_fingerprint": "ABS_INDEX_ES_CA_FINGERPRINT",
}
"""Key of the file → environment variable."""

_IDENTITY = ("api_key", "user", "password")
_PORTS = {"http": 80, "https": 443}
_KEY = re.compile(r"[\x21-\x7e]+")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key, or a user with a password, or neither; and the certificate to trust, where it is a private one.

    `ca_certs` is a file of certificates, `ca_fingerprint` the SHA-256 of one in the server's chain, in hexadecimal.
    """

    api_key: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_certs: Path | None = None
    ca_fingerprint: str | None = None

    def __post_init__(self) -> None:
        """Raises AccessError where they contradict each other or cannot be sent; the message shows none of them."""
        if self.api_key is not None and (self.user is not None or self.password is not None):
            raise AccessError("both an API key and a user or password are set for Elasticsearch; give one of them")
        if (self.user is None) != (self.password is None):
            missing = "user" if self.user is None else "password"
            raise AccessError(f"the {missing} for Elasticsearch is missing; set {VARIABLES[missing]}")
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise AccessError("the API key for Elasticsearch holds blanks or letters that no API key holds")
        if self.ca_fingerprint is not None and not _FINGERPRINT.fullmatch(self.ca_fingerprint.replace(":", "")):
            raise AccessError("the CA fingerprint for Elasticsearch is no SHA-256: 64 hexadecimal digits")
        if self.ca_certs is not None and not self.ca_certs.is_file():
            raise AccessError(f"{self.ca_certs}: no such file of CA certificates for Elasticsearch")

    @classmethod
    def find(cls, url: str) -> Self:
        """What the environment says, and for what it leaves open, the file's table for this server.

        Raises AccessError for a file that others can read or that does not validate, UsageError for a URL that is
        none.
        """
        given = {key: value.strip() for key, name in VARIABLES.items() if (value := os.environ.get(name, "").strip())}
        stored = _stored(url)
        if any(key in given for key in _IDENTITY):
            stored = {key: value for key, value in stored.items() if key not in _IDENTITY}
        found = stored | given
        ca_certs = Path(found["ca_certs"]).expanduser() if "ca_certs" in found else None
        texts = {key: value for key, value in found.items() if key != "ca_certs"}
        return cls(**texts, ca_certs=ca_certs)


def split_url(url: str) -> SplitResult:
    """The parts of a server's URL, with its port filled in.

    Raises UsageError for what is no such URL, AccessError for one with a user or password in it. Neither message
    repeats a URL that may hold a secret.

    >>> split_url("https://search.example.org").netloc
    'search.example.org:443'
    """
    if "@" in url:
        raise AccessError(
            "user and password do not belong in the URL, where logs and process lists show them; set "
            f"{VARIABLES['user']} and {VARIABLES['password']}, or {VARIABLES['api_key']}"
        )
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is no URL of a server, such as http://localhost:9200 or https://host:9200")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = f"{host}:{_PORTS[parts.scheme] if port is None else port}"
    return parts._replace(netloc=netloc, path=parts.path.rstrip("/"))


def config_file() -> Path:
    """Where the file is looked for."""
    named = os.environ.get(CONFIG)
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "abs-index" / "elasticsearch.toml"


def _stored(url: str) -> dict[str, str]:
    path = config_file()
    target = split_url(url)
    if not path.exists():
        if os.environ.get(CONFIG):
            raise AccessError(f"{path}: no such file; {CONFIG} names it")
        return {}
    for name, table in _read_private(path).items():
        if not isinstance(table, dict):
            raise AccessError(
                f'{path}: {name!r} stands outside of a table; tables are named like ["https://host:9200"]'
            )
        if _same_server(name, target, path):
            return _checked(table, name, path)
    return {}


def _same_server(name: str, target: SplitResult, path: Path) -> bool:
    try:
        return split_url(name) == target
    except UsageError as error:
        raise AccessError(f"{path}: {error}") from error


def _read_private(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise AccessError(f"{path}: others may read it (mode {mode:03o}); run `chmod 600 {path}`")
            return tomllib.load(file)
    except OSError as error:
        raise AccessError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # TOML or UTF-8; the text of the error may quote a line
        place = re.search(r"line \d+, column \d+", str(error))
        raise AccessError(f"{path}: is no TOML{f' ({place[0]})' if place else ''}") from None


def _checked(table: dict[str, Any], name: str, path: Path) -> dict[str, str]:
    for key, value in table.items():
        if key not in VARIABLES:
            raise AccessError(f"{path}: key {key!r} of {name!r} is unknown; known: {', '.join(VARIABLES)}")
        if not isinstance(value, str) or not value:
            raise AccessError(f"{path}: key {key!r} of {name!r} is no text")
    return table
