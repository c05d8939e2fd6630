"""The way to a cluster: a client of the official library, checked before it is used, and its errors as ours."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from abs_index.errors import (
    AccessError,
    AliasError,
    ElasticsearchError,
    MappingError,
    MissingExtraError,
    PushError,
    UnreachableError,
    WrongServerError,
)
from abs_index.indexing.elasticsearch.credentials import VARIABLES, Credentials, split_url

if TYPE_CHECKING:
    from elastic_transport import ApiError, TransportError
    from elasticsearch import Elasticsearch

OLDEST: Final = (8, 19)
NEWEST_MAJOR: Final = 9

# The client turns "application/json" into a type of its own version, which servers of other versions refuse: what
# tells the version must not be asked with it.
_ANY_TYPE = {"accept": "*/*"}

# Where nobody handles logs, Python prints warnings, and the transport warns of each failure that we tell in one line.
logging.getLogger("elastic_transport").addHandler(logging.NullHandler())


def connect(
    url: str,
    *,
    credentials: Credentials | None = None,
    insecure: bool = False,
    timeout: float = 60.0,
    connections: int = 10,
) -> Elasticsearch:
    """A client for the server at `url` that was seen to answer, to let us in, and to have a version that we know.

    `credentials` None takes those of the environment or the configuration file. `insecure` allows plain HTTP to other
    machines. `timeout` is in seconds, for each request. Requests are never repeated by themselves: what may be
    repeated, and how often, is known where they are made.

    Raises MissingExtraError, UsageError (no URL of a server), AccessError (credentials, certificate, plain HTTP),
    UnreachableError, WrongServerError.
    """
    parts = split_url(url)
    if parts.scheme == "http" and not insecure and not _is_loopback(parts.hostname or ""):
        raise AccessError(
            f"{url}: plain HTTP to another machine lets everyone between read along; use https://, or allow it by "
            "--insecure"
        )
    client = _client(parts.geturl(), credentials or Credentials.find(url), timeout, connections)
    try:
        with server_errors(client):
            _check_version(url, _version(client))
    except BaseException:
        client.close()
        raise
    return client


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client(url: str, credentials: Credentials, timeout: float, connections: int) -> Elasticsearch:
    try:
        from elasticsearch import Elasticsearch
    except ImportError as error:
        raise MissingExtraError("Elasticsearch", "elasticsearch") from error
    options: dict[str, Any] = {}
    if credentials.api_key is not None:
        name, colon, secret = credentials.api_key.partition(":")
        options["api_key"] = (name, secret) if colon else credentials.api_key
    if credentials.user is not None and credentials.password is not None:
        options["basic_auth"] = (credentials.user, credentials.password)
    if url.startswith("https:"):
        options |= _trust(credentials)
    return Elasticsearch(
        url,
        request_timeout=timeout,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        connections_per_node=connections,
        **options,
    )


def _trust(credentials: Credentials) -> dict[str, Any]:
    if credentials.ca_fingerprint is not None:
        return {"ssl_assert_fingerprint": credentials.ca_fingerprint}
    if credentials.ca_certs is None:
        return {}
    try:
        ssl.create_default_context(cafile=str(credentials.ca_certs))
    except (ssl.SSLError, OSError) as error:
        raise AccessError(f"{credentials.ca_certs}: holds no certificates in PEM form") from error
    return {"ca_certs": str(credentials.ca_certs)}


def _version(client: Elasticsearch) -> str | None:
    """The version that the server tells, or None where we are not allowed to ask."""
    from elasticsearch import ApiError, AuthorizationException

    try:
        body = client.perform_request("GET", "/", headers=_ANY_TYPE).body
        if isinstance(body, dict) and "version" in body:
            return str(body["version"]["number"])
    except ApiError as error:
        # Small distributions do not answer here, and rights on indices alone do not suffice.
        if error.meta.status not in (403, 404, 405):
            raise
    path = "/_nodes/_local?filter_path=nodes.*.version"
    try:
        body = client.perform_request("GET", path, headers=_ANY_TYPE).body
    except AuthorizationException:
        return None
    nodes = body.get("nodes") if isinstance(body, dict) else None
    return next((str(node["version"]) for node in (nodes or {}).values()), "unknown")


def _check_version(url: str, version: str | None) -> None:
    if version is None:
        return
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not (*OLDEST,) <= numbers < (NEWEST_MAJOR + 1,):
        raise WrongServerError(
            f"{url}: Elasticsearch {version}; abs-index needs {'.'.join(map(str, OLDEST))} or a later 8, "
            f"or {NEWEST_MAJOR}"
        )
    if numbers[0] < client_version()[0]:
        raise WrongServerError(_client_too_new(url, f"Elasticsearch {version}"))


def client_version() -> tuple[int, ...]:
    """Version of the client library, such as (9, 5, 1)."""
    import elasticsearch

    return elasticsearch.VERSION


def _client_too_new(url: str, server: str) -> str:
    ours = ".".join(map(str, client_version()))
    return (
        f"{url}: the client library {ours} is too new for {server}; "
        f"pip install 'elasticsearch>={'.'.join(map(str, OLDEST))},<9'"
    )


# errors


@contextmanager
def server_errors(where: Elasticsearch | str) -> Iterator[None]:
    """Turns every error of the client library into one of the ElasticsearchError tree; `where` is named in it."""
    from elastic_transport import ApiError, TransportError

    try:
        yield
    except ApiError as error:
        raise refused(_url(where), error) from error
    except TransportError as error:
        raise not_reached(_url(where), error) from error


def _url(where: Elasticsearch | str) -> str:
    if isinstance(where, str):
        return where
    return next(iter(where.transport.node_pool.all())).base_url


def not_reached(url: str, error: TransportError) -> ElasticsearchError:
    """The error for a request that has no answer, or one that is not of Elasticsearch."""
    from elastic_transport import ConnectionTimeout, SerializationError, TlsError

    if isinstance(error, TlsError):
        return _untrusted(url, error)
    if isinstance(error, ConnectionTimeout):
        return UnreachableError(f"{url}: no answer in time; is the server busy, or the address wrong?")
    if isinstance(error, SerializationError):
        return WrongServerError(f"{url}: the answer is not of Elasticsearch (no JSON); is it another service?")
    return UnreachableError(f"{url}: cannot be reached ({cause_of(error)})")


def _untrusted(url: str, error: TransportError) -> ElasticsearchError:
    cause = " ".join(str(each) for each in (error.message, *error.errors))
    if re.search(r"WRONG_VERSION_NUMBER|wrong version number|UNEXPECTED_EOF|unexpected eof|RECORD_LAYER", cause):
        return UnreachableError(f"{url}: the server does not speak TLS there; is it http:// instead of https://?")
    if "ingerprint" in cause:
        return AccessError(f"{url}: the certificate is not the one of {VARIABLES['ca_fingerprint']}; nothing was sent")
    reason = re.search(r"certificate verify failed: ([^(\]]+)", cause)
    return AccessError(
        f"{url}: the certificate is not trusted ({reason[1].strip() if reason else cause_of(error)}); set "
        f"{VARIABLES['ca_certs']} or {VARIABLES['ca_fingerprint']}"
    )


def cause_of(error: TransportError) -> str:
    """Why there is no answer, in a few words."""
    known = re.search(r"\[Errno -?\d+\] ([\w ]+)", f"{error.message} {error.errors}")
    if known:
        return known[1].strip().lower()
    return " ".join(str(error.message or type(error).__name__).split())[:200]


def refused(url: str, error: ApiError) -> ElasticsearchError:
    """The error for an answer that says no."""
    from elasticsearch import UnsupportedProductError

    status, kind, reason = error.meta.status, error_type(error), error_reason(error)
    if isinstance(error, UnsupportedProductError):
        return WrongServerError(f"{url}: is not Elasticsearch; abs-index needs Elasticsearch 8.19 or later, or 9")
    if "media_type" in kind:
        return WrongServerError(_client_too_new(url, "this server"))
    if is_blocked(status, reason):
        return PushError(f"{url}: {blocked(reason)}")
    if status == 401:
        return AccessError(f"{url}: {_who()}")
    if status == 403:
        return AccessError(f"{url}: the rights do not suffice ({reason})")
    if status == 404 and kind in ("index_not_found_exception", "aliases_not_found_exception"):
        return AliasError(f"{url}: {reason}")
    if status == 413:
        return PushError(f"{url}: a request is too large for the server (http.max_content_length)")
    if status in (429, 502, 503, 504):
        return UnreachableError(f"{url}: the server is busy or not ready ({status}: {reason})")
    if kind in _OF_MAPPINGS:
        return MappingError(f"{url}: {reason}")
    return ElasticsearchError(f"{url}: the server refused a request ({status}: {reason})")


_OF_MAPPINGS = (
    "mapper_parsing_exception", "strict_dynamic_mapping_exception", "document_parsing_exception",
    "invalid_index_template_exception", "settings_exception",
)  # fmt: skip


def _who() -> str:
    return (
        f"the credentials are missing or wrong; set {VARIABLES['api_key']}, or {VARIABLES['user']} and "
        f"{VARIABLES['password']}"
    )


def error_type(error: ApiError) -> str:
    """What kind of error the server says it is, or ""."""
    cause = _error(error)
    return str(cause.get("type", "")) if isinstance(cause, dict) else ""


def error_reason(error: ApiError) -> str:
    """Why, in the server's words, on one line."""
    return reason_of(_error(error)) or reason_of(str(error.message))


def _error(error: ApiError) -> Any:
    return error.body.get("error") if isinstance(error.body, dict) else None


def reason_of(cause: Any) -> str:
    """Why, of an error in an answer of the server: the outermost and the innermost reason, on one line."""
    reasons = []
    while isinstance(cause, dict):
        reasons.append(str(cause.get("reason") or cause.get("type") or ""))
        cause = cause.get("caused_by")
    if isinstance(cause, str):
        reasons.append(cause)
    words = [" ".join(reason.split()) for reason in reasons if reason.strip()]
    if len(words) > 1 and words[-1] not in words[0]:
        return f"{_short(words[0], 160)}: {_short(words[-1], 200)}"
    return _short(words[0], 360) if words else ""


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def is_blocked(status: int, reason: str) -> bool:
    """Whether an index or the cluster takes no documents: waiting alone does not help."""
    return status in (403, 429) and re.search(r"/(5|6|8|12|13)/|read-only|flood-stage", reason) is not None


def never_fits(reason: str) -> bool:
    """Whether an operation by itself is more than the server lets be under way at once: later it is so too.

    >>> never_fits("rejected [all_bytes=0, primary_operation_bytes=80003328, max_primary_bytes=53687091]")
    True
    """
    found = re.search(r"operation_bytes=(\d+), max_\w+_bytes=(\d+)", reason)
    return found is not None and int(found[1]) > int(found[2])


def blocked(reason: str) -> str:
    """One line for such a block: what to do depends on whether the disk is full."""
    if "flood-stage" in reason or "read-only-allow-delete" in reason or "/12/" in reason:
        return (
            f"the disk of the cluster is too full, it takes no documents ({reason}); free space or add a node, "
            "then run the same command again"
        )
    return f"the cluster takes no documents ({reason}); lift the block, then run the same command again"
