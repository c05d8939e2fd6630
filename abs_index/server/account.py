"""The account that a server runs under: ours, or where we are root an unprivileged one, as servers refuse root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from abs_index.errors import ElasticsearchError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """Numbers of an account, in the words of `subprocess.Popen`; empty where a server runs as ourselves."""

    user: int | None = None
    group: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """Further groups of the process: none for another account, ours for ourselves."""
        return None if self.user is None else []

    def give(self, folder: Path) -> None:
        """Makes a folder and everything in it the account's own, and nobody else's to read."""
        folder.chmod(0o700)
        for path in (folder, *folder.rglob("*")):
            self.own(path)

    def own(self, path: Path) -> None:
        """Makes one file or folder the account's own."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def require_way_to(self, folder: Path) -> None:
        """Raises ElasticsearchError where the account cannot reach a folder because one above it is closed."""
        if self.user is None:
            return
        for above in reversed(folder.absolute().parents):
            if not above.stat().st_mode & 0o001:
                raise ElasticsearchError(
                    f"{folder} cannot be used: as root the server runs as {UNPRIVILEGED}, which may not enter {above}; "
                    "choose another place (XDG_CACHE_HOME, XDG_STATE_HOME) or run as an ordinary user"
                )


def server_account() -> Account:
    """The account for servers that we start."""
    if os.geteuid() != 0:
        return Account()
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)
