"""Free ports of this machine."""

from __future__ import annotations

import random
import socket

from abs_index.errors import UsageError

LOOPBACK = "127.0.0.1"


_RANGE = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections: one of those might take it before the server does."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different, drawn by chance.

    Raises UsageError where there are too few.
    """
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(found) == count:
            break
        try:
            require_free(port)
        except UsageError:
            continue
        found.append(port)
    else:
        raise UsageError(f"no free port from {_RANGE.start} to {_RANGE.stop - 1}: choose one with --port")
    return found


def require_free(port: int) -> None:
    """Raises UsageError where somebody listens on a port, or it is not ours to take."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port just left is free
        try:
            one.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"port {port} cannot be used ({error}): choose another one with --port") from error
