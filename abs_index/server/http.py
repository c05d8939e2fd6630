"""The few requests that starting a server needs, without a client library."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Access:
    """How to get into a server: nothing without security, else its administrator and the authority to trust."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    ca_fingerprint: str = ""

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate."""
        return "https" if self.ca_file else "http"


def get_json(url: str, access: Access, timeout: float) -> Any:
    """The answer to a GET request, or None where nothing useful answers (yet). Proxies are passed by."""
    request = urllib.request.Request(url)  # noqa: S310 (our own server on loopback)
    if access.user:
        secret = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if access.ca_file:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(access.ca_file))))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, HTTPException, ValueError):  # refused, closed, 503 while it starts, not JSON
        return None
