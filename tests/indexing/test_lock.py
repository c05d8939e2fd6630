from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from abs_index.errors import IndexLockedError, StorageError
from abs_index.indexing.lock import write_lock

HOLD = """
import sys, time
from pathlib import Path
from abs_index.indexing.lock import write_lock
with write_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_writer_is_refused_at_once(index: Path) -> None:
    child = hold(index)
    try:
        with pytest.raises(IndexLockedError, match=rf"index: process {child.pid} is writing"), write_lock(index):
            pass
    finally:
        child.kill()
        child.communicate()


def test_a_killed_writer_leaves_no_lock(index: Path) -> None:
    child = hold(index)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    with write_lock(index):
        pass


def test_the_lock_is_free_again_after_an_error(index: Path) -> None:
    with pytest.raises(KeyError), write_lock(index):
        raise KeyError
    with write_lock(index):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write to this folder"), write_lock(tmp_path / "file" / "index"):
        pass
