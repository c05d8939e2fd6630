"""Images by URL, from hosts that the user has named: nothing else is ever asked, whatever a document says.

A name is resolved once, all its addresses are checked, and the connection goes to one of exactly these, so that a
second answer of the name server changes nothing; TLS still checks the certificate against the name. Redirects are
followed by the same rules. Proxies of the environment are not used.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Event, Timer
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from abs_index.corpus.rejects import IMAGE_TOO_LARGE
from abs_index.enriching.reasons import HOST_NOT_ALLOWED, NOT_AN_IMAGE, NOT_FETCHED, NOT_PUBLIC, UNKNOWN_SCHEME
from abs_index.errors import RejectedError, UsageError

Address = IPv4Address | IPv6Address
AddressRule = Callable[[Address], bool]

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 64 * 1024
_ADDRESSES = 4
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is of the open internet: no private, loopback, link-local, multicast or reserved one.

    IPv6 addresses that stand for an IPv4 address are judged by that.

    >>> [is_public(ip_address(text)) for text in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one image may cost: `bytes` of the answer, `redirects`, `seconds` in all and `wait` without any answer."""

    bytes: int = 64 * 2**20
    redirects: int = 3
    seconds: float = 60.0
    wait: float = 10.0


class Fetcher:
    """Fetches images from `hosts` ("images.example.org", or with a port other than 80 and 443: "example.org:8080").

    `allowed` says which addresses may be connected to. `tls` replaces the usual trust. Safe to use from several
    threads.

    Raises UsageError for a host that is none.
    """

    def __init__(
        self,
        hosts: tuple[str, ...],
        *,
        limits: FetchLimits | None = None,
        allowed: AddressRule = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = frozenset(map(_host_and_port, hosts))
        self._limits = limits or FetchLimits()
        self._allowed = allowed
        self._tls = tls or ssl.create_default_context()

    def fetch(self, url: str) -> bytes:
        """The bytes of the image at a URL. Raises RejectedError with a reason of `abs_index.enriching.reasons`."""
        end = time.monotonic() + self._limits.seconds
        for _ in range(self._limits.redirects + 1):
            found = self._get(self._checked(url), end)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise RejectedError(NOT_FETCHED, f"more than {self._limits.redirects} redirects")

    def _checked(self, url: str) -> Url:
        try:
            parts = parse_url(url)
        except HTTPError:
            raise RejectedError(UNKNOWN_SCHEME, "not a URL") from None
        if parts.scheme not in _PORTS:
            raise RejectedError(UNKNOWN_SCHEME, f"{parts.scheme or 'no scheme'}; http and https only")
        host, port = (parts.host or "").lower().rstrip("."), parts.port or _PORTS[parts.scheme]
        if not ({(host, port)} & self._hosts or (port in _PORTS.values() and (host, None) in self._hosts)):
            raise RejectedError(HOST_NOT_ALLOWED, f"{host}:{port}; see --allow-host")
        if parts.auth:
            raise RejectedError(HOST_NOT_ALLOWED, "a URL with a user name in it")
        return parts._replace(host=host, port=port)

    def _get(self, parts: Url, end: float) -> bytes | str:
        """The image, or where the answer sends us to."""
        try:
            with closing(self._connect(parts)) as connection, _ended_at(end, connection) as ended:
                headers = {"Host": _name(parts), "Accept": "image/*", "Accept-Encoding": "identity"}
                connection.request("GET", parts.request_uri, headers=headers, preload_content=False)
                with closing(connection.getresponse()) as response:
                    found = None if ended.is_set() else self._read(response)
                if found is None or ended.is_set():  # what came may be a part only
                    raise TimeoutError("no answer in time")
                return found
        except (HTTPError, OSError, ValueError) as error:
            why = "no answer in time" if time.monotonic() >= end else _one_line(error)
            raise RejectedError(NOT_FETCHED, f"{parts.host}: {why}") from None

    def _connect(self, parts: Url) -> HTTPConnection:
        *others, last = [self._connection(parts, address) for address in self._resolve(parts)]
        for connection in others:
            try:
                connection.connect()
            except (HTTPError, OSError):
                connection.close()
            else:
                return connection
        last.connect()
        return last

    def _resolve(self, parts: Url) -> list[str]:
        """The addresses of a host, after all of them were checked."""
        host = (parts.host or "").strip("[]")
        try:
            found = socket.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise RejectedError(NOT_FETCHED, f"{host}: no address has this name") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_ADDRESSES]
        for address in addresses:
            if not self._allowed(ip_address(address.partition("%")[0])):
                raise RejectedError(NOT_PUBLIC, f"{host} is {address}")
        return addresses

    def _connection(self, parts: Url, address: str) -> HTTPConnection:
        if parts.scheme == "http":
            return HTTPConnection(address, parts.port, timeout=self._limits.wait)
        host = (parts.host or "").strip("[]")
        return HTTPSConnection(
            address,
            parts.port,
            timeout=self._limits.wait,
            ssl_context=self._tls,
            cert_reqs="CERT_REQUIRED",
            server_hostname=host,
        )

    def _read(self, response: BaseHTTPResponse) -> bytes | str:
        if response.status in _REDIRECTS and response.headers.get("Location"):
            return str(response.headers["Location"])
        if response.status != 200:
            raise RejectedError(NOT_FETCHED, f"status {response.status}")
        kind = response.headers.get("Content-Type", "nothing").partition(";")[0].strip().lower()
        if not kind.startswith("image/"):
            raise RejectedError(NOT_AN_IMAGE, kind)
        content = bytearray()
        for piece in response.stream(_PIECE, decode_content=False):
            content += piece
            if len(content) > self._limits.bytes:
                raise RejectedError(IMAGE_TOO_LARGE, f"more than {self._limits.bytes:,} bytes")
        return bytes(content)


@contextmanager
def _ended_at(end: float, connection: HTTPConnection) -> Iterator[Event]:
    """Shuts the connection at a time, also where a server sends a byte now and then, which keeps it alive else.

    Gives an event that says that this has happened.
    """
    ended = Event()
    connected = connection.sock

    def shut() -> None:
        ended.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = Timer(max(0.0, end - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield ended
    finally:
        timer.cancel()


def _host_and_port(text: str) -> tuple[str, int | None]:
    try:
        parts = parse_url(f"//{text}")
    except HTTPError:
        parts = Url()
    if not parts.host or parts.path or parts.auth or parts.query or "*" in text:
        raise UsageError(f"--allow-host {text!r}: the name of one host, such as images.example.org")
    return parts.host.lower().rstrip("."), parts.port


def _name(parts: Url) -> str:
    """What the server is called in the request."""
    usual = parts.port == _PORTS[str(parts.scheme)]
    return str(parts.host) if usual else f"{parts.host}:{parts.port}"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
