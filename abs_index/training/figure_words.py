"""Words in the figures of labelled pairs: read once, however often one trains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from abs_index.corpus.figure_text import FigureReader, decode_for_reading
from abs_index.errors import LabelsError, RejectedError
from abs_index.training.notes import format_note, read_notes

Advance = Callable[[int, int], None]


def read_figure_words(
    reader: FigureReader,
    names: Sequence[str],
    images: Path,
    cache: Path | None = None,
    advance: Advance | None = None,
) -> dict[str, str]:
    """The words in image files below a folder, by their names.

    In the folder `cache`, each picture is noted as soon as it was read: a reading that was stopped goes on. Pictures
    are known by their content. Raises LabelsError for an image that cannot be decoded or read.
    """
    words: dict[str, str] = {}
    with ExitStack() as stack:
        known: dict[str, str] = {}
        note: Callable[[str, str], object] = known.__setitem__
        if cache:
            path = cache / f"figure-text-{hashlib.blake2b(reader.name.encode(), digest_size=8).hexdigest()}.jsonl"
            known = read_notes(path)
            cache.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a", encoding="utf-8"))
            note = partial(_note, file.write, known)
        for number, name in enumerate(names):
            content = _content(images / name)
            key = hashlib.blake2b(content, digest_size=16).hexdigest()
            if key not in known:
                note(key, _words(reader, content, images / name))
            words[name] = known[key]
            if advance:
                advance(number + 1, len(names))
    return words


def _note(write: Callable[[str], object], known: dict[str, str], key: str, words: str) -> None:
    write(format_note(key, words))
    known[key] = words


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from None


def _words(reader: FigureReader, content: bytes, path: Path) -> str:
    try:
        return reader.read(decode_for_reading(content))
    except RejectedError as error:
        raise LabelsError(f"{path}: {error}") from None
