"""What Lance and the system raise where the table is damaged or cannot be written, as errors of ours."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abs_index.errors import DamagedIndexError, IndexError_, StorageError

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.EROFS: "the file system is read-only",
}
_OS_ERROR = re.compile(r"os error (\d+)")


@contextmanager
def table_errors(folder: Path) -> Iterator[None]:
    """Turns what Lance and the system raise (OSError, RuntimeError, ValueError, panics of Rust) into DamagedIndexError
    or StorageError, which name the `folder` of the index."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
        raise _translate(folder, error) from error
    except BaseException as error:
        # Damaged bytes can make Rust panic; its exception has no public class and is no `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise _translate(folder, error) from error


def damaged(folder: Path, what: str) -> DamagedIndexError:
    """The error for a table of which `what` is damaged."""
    return DamagedIndexError(f"{folder}: the table is damaged ({what}); build it again with --rebuild")


def _translate(folder: Path, error: BaseException) -> IndexError_:
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (match := _OS_ERROR.search(str(error))):
        number = int(match[1])
    if number in _STORAGE:
        return StorageError(f"{folder}: {_STORAGE[number]}; what was committed before is kept, run again to go on")
    lines = str(error).splitlines() or [type(error).__name__]
    return damaged(folder, lines[0][:200])
