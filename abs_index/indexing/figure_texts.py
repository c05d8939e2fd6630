"""The words in figures, each image read once: known ones are looked up, others are read where somebody can.

Reading an image takes a third of a second, so nothing is read that was read before: not in this build, not in an
earlier one, and not in one that was killed, as far as it was committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from abs_index.corpus.figure_text import FigureReader, decode_for_reading
from abs_index.errors import RejectedError
from abs_index.indexing.clock import Clock
from abs_index.indexing.known_texts import KnownTexts, LackingTexts
from abs_index.indexing.once import Once
from abs_index.indexing.table import Table
from abs_index.recipe import CorpusSettings

_RECENT = 4096


@dataclass(frozen=True, slots=True)
class FigureText:
    """The words in an image and who read them; nothing where nobody did. `problem` says why somebody could not."""

    text: str | None = None
    reader: str | None = None
    problem: RejectedError | None = None


class FigureTexts:
    """Gives the words of images. Safe to use from several threads: an image that two of them want is read once.

    Without a `reader`, only known words are given. `read` counts the images that were read, `words` the words that were
    found in them.
    """

    def __init__(
        self,
        table: Table,
        known: Sequence[KnownTexts],
        reader: FigureReader | None,
        settings: CorpusSettings,
        clock: Clock,
    ) -> None:
        self._known = known
        self._reader = reader
        self._lacking = LackingTexts(table, reader.name) if reader else None
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._recent = Once[FigureText](_RECENT)
        self.read = self.words = 0

    def lacks(self, document: str) -> bool:
        """Whether the table has a document with images that the reader did not read yet."""
        return self._lacking is not None and document in self._lacking

    def has(self, document: str, figure: str, text: str | None) -> bool:
        """Whether the table has these words of a figure in a document that lacks some. None and "" are the same."""
        return self._lacking is not None and self._lacking.same(document, figure, text)

    def of(self, digest: str, content: bytes) -> FigureText:
        """The words of an image, of which these are the bytes and their hash."""
        if self._reader is None and not self._known:
            return FigureText()
        return self._recent.get(digest, lambda: self._find(digest, content))

    def _find(self, digest: str, content: bytes) -> FigureText:
        for known in self._known:
            if said := known.find(digest, self._reader.name if self._reader else None):
                return FigureText(*said)
        return FigureText() if self._reader is None else self._read(content, self._reader)

    def _read(self, content: bytes, reader: FigureReader) -> FigureText:
        with self._clock.stage("read figures"):
            try:
                text = reader.read(decode_for_reading(content, settings=self._settings))
            except RejectedError as error:
                return FigureText(None, reader.name, error)
        with self._lock:
            self.read += 1
            self.words += len(text.split())
        return FigureText(text, reader.name)
