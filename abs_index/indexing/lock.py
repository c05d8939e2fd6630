"""One writer at a time: a lock on INDEX/lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from abs_index.errors import IndexLockedError, StorageError

LOCK: Final = "lock"
HOLDER: Final = "lock.pid"
"""Who holds the lock, for the message only; out of date where nobody holds it."""


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Holds the lock of the index in `folder`, which is created where it is missing.

    Raises IndexLockedError at once where another process holds it, and StorageError where `folder` is not writable.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        (folder / HOLDER).write_text(f"{os.getpid()}\n", encoding="ascii")
    except Timeout:
        raise IndexLockedError(f"{folder}: {_holder(folder)} is writing to this index; try again later") from None
    except OSError as error:
        lock.release()
        raise StorageError(f"{folder}: cannot write to this folder ({error.strerror or error})") from error
    try:
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return f"process {int((folder / HOLDER).read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        return "another process"
