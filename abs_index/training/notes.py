"""Notes of finished pieces of work, a line each: what was stopped goes on behind the last whole line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def format_note(key: str, value: object) -> str:
    """The line of a note, to be put behind those of the file.

    >>> format_note("a picture", "its words")
    '["a picture", "its words"]\\n'
    """
    return json.dumps([key, value]) + "\n"


def read_notes(path: Path) -> dict[str, Any]:
    """What is noted in a file, by the keys; nothing where it is not there.

    Whoever was stopped may have left half a line: it counts as not there, and is cut off for the next one.
    """
    known: dict[str, Any] = {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    for line in lines:
        if line.endswith("]\n"):
            key, value = json.loads(line)
            known[key] = value
    if lines and not lines[-1].endswith("\n"):
        path.write_text("".join(lines[:-1]), encoding="utf-8")
    return known
