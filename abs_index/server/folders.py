"""Where servers are kept: programs in the cache, what runs in the state folder, as the XDG rules say.

The administrator's servers run under another account, which cannot look into the administrator's home folder: they are
below /var instead.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "abs-index"


def cache_folder() -> Path:
    """Unpacked servers: can be deleted at any time, and is made again."""
    return _folder("XDG_CACHE_HOME", ".cache", "/var/cache")


def state_folder() -> Path:
    """What `abs-index es up` runs: its settings, data and logs."""
    return _folder("XDG_STATE_HOME", ".local/state", "/var/lib")


def _folder(variable: str, at_home: str, of_system: str) -> Path:
    if named := os.environ.get(variable):
        return Path(named).absolute() / NAME
    return (Path(of_system) if os.geteuid() == 0 else Path.home() / at_home) / NAME
