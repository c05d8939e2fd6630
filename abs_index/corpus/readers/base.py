"""What a format is to the rest of the program: one class with two methods."""

from __future__ import annotations

from typing import ClassVar, Protocol

from abs_index.corpus.document import Document
from abs_index.corpus.files import Files


class Reader(Protocol):
    """Reads one format. One instance serves one `Files`, so that it may look at neighbouring files."""

    format: ClassVar[str]
    """Name in exports and statistics: "jats", "cnxml", "html"."""

    def __init__(self, files: Files) -> None: ...

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether content that starts with `head` (the first 64 KiB) is of this format. Names do not count."""
        ...

    def read(self, name: str, content: bytes) -> Document:
        """The document of one file. `Document.path` is `files.prefix + name`, `source` is left empty.

        Figures that cannot be used (no image at all, a film, a table) go to `Document.rejects`.
        Raises RejectedError where the file as a whole is refused.
        """
        ...
