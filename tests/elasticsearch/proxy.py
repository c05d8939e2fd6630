"""A proxy between client and server that does on purpose what networks and servers do by chance."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Fault(Enum):
    """What happens to one request."""

    REFUSE = "the connection is closed before anything was read"
    CUT_REQUEST = "half of the request reaches the server, then both connections are closed"
    CUT_RESPONSE = "the server does everything, and half of its answer comes back"
    LOSE_RESPONSE = "the server does everything, and nothing comes back"
    LATE_RESPONSE = "the server does everything, and its answer comes after the client has given up"
    BUSY = 429
    BAD_GATEWAY = 502
    UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    TOO_LARGE = 413


Choice = Callable[[str, str], Fault | None]
"""Takes method and path of a request."""

LATE = 1.5
"""Seconds that a late answer is held back: longer than the tests' clients wait."""


class Proxy:
    """Passes requests on to `target`, except those that `choose` has a fault for. `done` lists the faults."""

    def __init__(self, target: str, choose: Choice = lambda method, path: None) -> None:
        parts = urlsplit(target)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.choose = choose
        self.done: list[Fault] = []
        self.lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fault_of(self, method: str, path: str) -> Fault | None:
        with self.lock:
            fault = self.choose(method, path)
            if fault is not None:
                self.done.append(fault)
            return fault


def in_turn(faults: Iterable[Fault | None], part: str = "_bulk") -> Choice:
    """One fault after the other for the requests with `part` in their path; then none."""
    left = deque(faults)
    return lambda method, path: left.popleft() if left and part in path else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
        pass

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # the client has given up
            super().handle()

    def _serve(self) -> None:
        fault = self.owner.fault_of(self.command, self.path)
        if fault is Fault.REFUSE:
            self._close()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault is Fault.CUT_REQUEST:
            self._send_half(body)
            self._close()
        elif fault is not None and isinstance(fault.value, int):
            self._answer(fault.value)
        else:
            self._pass_on(body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 (the names that the base class calls)

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        connection = HTTPConnection(self.owner.host, self.owner.port, timeout=60)
        connection.request(self.command, self.path, body or None, dict(self.headers.items()))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if fault is Fault.LOSE_RESPONSE:
            self._close()
        elif fault is Fault.CUT_RESPONSE:
            self._write(response, content, content[: len(content) // 2])
            self._close()
        else:
            if fault is Fault.LATE_RESPONSE:
                time.sleep(LATE)
            self._write(response, content, content)

    def _write(self, response: HTTPResponse, whole: bytes, part: bytes) -> None:
        self.send_response(response.status)
        for key, value in response.getheaders():
            if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part)
        self.wfile.flush()

    def _answer(self, status: int) -> None:
        """An answer such as a server, or what stands before it, gives without having done anything."""
        reason = {"type": "es_rejected_execution_exception", "reason": "too much to do"}
        content = json.dumps({"error": {"root_cause": [reason], **reason}, "status": status}).encode()
        kind = "application/vnd.elasticsearch+json;compatible-with=8"
        if status in (413, 502):
            content, kind = b"<html><h1>something went wrong</h1></html>", "text/html"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_half(self, body: bytes) -> None:
        lines = [f"{self.command} {self.path} HTTP/1.1"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        with socket.create_connection((self.owner.host, self.owner.port)) as server:
            server.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])

    def _close(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
