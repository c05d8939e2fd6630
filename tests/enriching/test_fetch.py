"""Images by URL against a real server: only named hosts, only open addresses, only so much."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
import trustme

from abs_index.enriching.fetch import Address, Fetcher, FetchLimits, is_public
from abs_index.errors import RejectedError, UsageError

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A web server on loopback. `answers` says what is at a path; `seen` are the requests, as (Host, path)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append((self.headers["Host"], self.path))
                answer = server.answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def sends(content: bytes, kind: str = "image/png", length: int | None = None, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        if length is not None:
            request.send_header("Content-Length", str(length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def redirects(to: str, status: int = 302) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", to)
        request.end_headers()

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def anywhere(_: Address) -> bool:
    return True


def fetcher(server: Server, **options: object) -> Fetcher:
    limits = FetchLimits(**({"wait": 2.0, "seconds": 4.0} | options))  # type: ignore[arg-type]
    return Fetcher((f"localhost:{server.port}",), limits=limits, allowed=anywhere)


def reason(fetch: Fetcher, url: str) -> str:
    with pytest.raises(RejectedError) as caught:
        fetch.fetch(url)
    return str(caught.value)


def test_image_is_fetched_whole(server: Server) -> None:
    server.answers["/a%20b.png?size=1"] = sends(PICTURE, "Image/PNG; charset=x", len(PICTURE))
    assert fetcher(server).fetch(f"http://LOCALHOST:{server.port}/a b.png?size=1#part") == PICTURE
    assert server.seen == [(f"localhost:{server.port}", "/a%20b.png?size=1")]


def test_other_hosts_and_ports_are_never_asked(server: Server) -> None:
    server.answers["/x.png"] = sends(PICTURE)
    allowed = Fetcher(("example.org", "localhost:1"), allowed=anywhere)
    for url in (
        f"http://localhost:{server.port}/x.png",
        f"http://127.0.0.1:{server.port}/x.png",
        f"http://example.org:{server.port}/x.png",
        f"http://example.org@localhost:{server.port}/x.png",
        f"http://localhost.example.org:{server.port}/x.png",
    ):
        assert reason(allowed, url).startswith("host not allowed: ")
    assert reason(fetcher(server), f"http://user:word@localhost:{server.port}/x.png").startswith(
        "host not allowed: a URL"
    )
    for url in ("ftp://localhost/x.png", "file:///etc/passwd", "gopher://localhost/", "http://[::1", "//localhost/x"):
        assert reason(fetcher(server), url).startswith("kind of URL not supported")
    assert server.seen == []


def test_addresses_are_checked_by_what_the_name_means(server: Server) -> None:
    """As of the command line, where nothing says otherwise: an allowed name of a private address is not asked."""
    server.answers["/x.png"] = sends(PICTURE)
    for name in ("localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        strict = Fetcher((f"{name}:{server.port}",))
        assert reason(strict, f"http://{name}:{server.port}/x.png").startswith("address not public: ")
    assert server.seen == []


def test_one_bad_address_of_many_refuses_the_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.1.2.3", 80))]
    monkeypatch.setattr("abs_index.enriching.fetch.socket.getaddrinfo", lambda *_, **__: found)
    assert (
        reason(Fetcher(("example.org",)), "http://example.org/x.png") == "address not public: example.org is 10.1.2.3"
    )


def test_name_is_resolved_once_and_that_address_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers otherwise the second time (rebinding) changes nothing."""
    server.answers["/x.png"] = sends(PICTURE, length=len(PICTURE))
    asked: list[str] = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list[object]:
        if host[0].isdigit():  # connecting "resolves" the address that it was given
            return [(2, 1, 6, "", (host, port))]
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.9.9.9", port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    checked: list[str] = []
    open_to = Fetcher((f"images.test:{server.port}",), allowed=lambda address: not checked.append(str(address)))
    assert open_to.fetch(f"http://images.test:{server.port}/x.png") == PICTURE
    assert (asked, checked) == (["images.test"], ["127.0.0.1"])
    assert server.seen == [(f"images.test:{server.port}", "/x.png")]


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("192.0.2.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_public_addresses(text: str, public: bool) -> None:
    assert is_public(ip_address(text)) is public


def test_redirects_are_followed_three_times_and_checked_each_time(server: Server) -> None:
    server.answers |= {f"/{number}": redirects(f"/{number + 1}", 301 + number) for number in (0, 1, 2)}
    server.answers["/3"] = sends(PICTURE)
    base = f"http://localhost:{server.port}"
    assert fetcher(server).fetch(f"{base}/0") == PICTURE
    server.answers["/start"] = redirects("/0")
    assert reason(fetcher(server), f"{base}/start") == "image not fetched: more than 3 redirects"
    server.seen.clear()
    for to, why in (
        (f"http://127.0.0.1:{server.port}/3", "host not allowed"),
        ("http://169.254.169.254/latest", "host not allowed"),
        ("file:///etc/passwd", "kind of URL not supported"),
        ("//evil.test/x", "host not allowed"),
    ):
        server.answers["/away"] = redirects(to)
        assert reason(fetcher(server), f"{base}/away").startswith(why)
    assert {path for _, path in server.seen} == {"/away"}


def test_answers_that_are_no_image_or_too_large(server: Server) -> None:
    base = f"http://localhost:{server.port}"
    server.answers["/page"] = sends(b"<html>", "text/html")
    server.answers["/says"] = sends(PICTURE, length=10**12)
    server.answers["/sends"] = sends(PICTURE)
    server.answers["/short"] = sends(PICTURE[:100], length=len(PICTURE))
    small = fetcher(server, bytes=len(PICTURE) - 1)
    assert reason(small, f"{base}/page") == "answer is not an image: text/html"
    assert reason(small, f"{base}/gone") == "image not fetched: status 404"
    assert reason(small, f"{base}/says") == f"image too large: more than {len(PICTURE) - 1:,} bytes"
    assert reason(small, f"{base}/sends") == f"image too large: more than {len(PICTURE) - 1:,} bytes"
    assert reason(fetcher(server), f"{base}/short").startswith("image not fetched: ")


def test_packed_answers_are_not_unpacked(server: Server) -> None:
    server.answers["/x"] = sends(b"\x1f\x8b packed", length=9, Content_Encoding="gzip")
    assert fetcher(server).fetch(f"http://localhost:{server.port}/x") == b"\x1f\x8b packed"


@pytest.mark.parametrize("where", ["head", "body"])
def test_server_that_drips_is_given_up_in_time(server: Server, where: str) -> None:
    stopped = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        if where == "body":
            request.send_response(200)
            request.send_header("Content-Type", "image/png")
            request.end_headers()
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not stopped.wait(0.05):
            try:
                request.wfile.write(b"x")
            except OSError:
                return

    server.answers["/x"] = drip
    start = time.monotonic()
    try:
        assert reason(fetcher(server, seconds=0.5), f"http://localhost:{server.port}/x").endswith("no answer in time")
        assert time.monotonic() - start < 3
    finally:
        stopped.set()


def test_server_that_says_nothing_or_is_not_there(server: Server) -> None:
    server.answers["/x"] = lambda request: time.sleep(1.5)
    assert "image not fetched" in reason(fetcher(server, wait=0.2), f"http://localhost:{server.port}/x")
    server.close()
    assert "image not fetched" in reason(fetcher(server), f"http://localhost:{server.port}/x")
    assert reason(Fetcher(("no-such-host.invalid",)), "http://no-such-host.invalid/x") == (
        "image not fetched: no-such-host.invalid: no address has this name"
    )


def test_certificate_is_checked_against_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("images.test").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = Server(context)
    server.answers["/x.png"] = sends(PICTURE, length=len(PICTURE))
    here = [(2, 1, 6, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: here)
    hosts = (f"images.test:{server.port}", f"other.test:{server.port}")
    try:
        trusted = Fetcher(hosts, allowed=anywhere, tls=trusting)
        assert trusted.fetch(f"https://images.test:{server.port}/x.png") == PICTURE
        assert "image not fetched: other.test: " in reason(trusted, f"https://other.test:{server.port}/x.png")
        usual = Fetcher(hosts, allowed=anywhere)
        assert "certificate" in reason(usual, f"https://images.test:{server.port}/x.png").lower()
    finally:
        server.close()


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/x.png"] = sends(PICTURE)
    assert fetcher(server).fetch(f"http://localhost:{server.port}/x.png") == PICTURE


@pytest.mark.parametrize("host", ["", "*", "*.example.org", "https://example.org", "example.org/images", "a@b.c"])
def test_hosts_are_names_of_single_hosts(host: str) -> None:
    with pytest.raises(UsageError, match="--allow-host"):
        Fetcher((host,))
