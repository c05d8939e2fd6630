"""What is known of the figures, beside their pairs: both streamed from the table, joined without holding either."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

from abs_index.errors import DamagedIndexError

T = TypeVar("T")


class FigureStream(Generic[T]):
    """Finds the value of a pair's figure while pairs and figures are both streamed.

    `figures` gives (document, figure, value) in the order of the table. Pairs and figures both come in the order of
    their documents, so only the figures between the last pair and the furthest figure that was looked for are in
    memory. `folder` is named in errors.
    """

    def __init__(self, folder: Path, figures: Iterable[tuple[str, str, T]]) -> None:
        self._folder = folder
        self._figures = iter(figures)
        self._ahead: dict[str, dict[str, T]] = {}

    def of(self, document: str, figure: str) -> T:
        """The value of a figure. Raises DamagedIndexError where the table has no such figure."""
        while figure not in self._ahead.get(document, {}):
            following = next(self._figures, None)
            if following is None:
                raise DamagedIndexError(
                    f"{self._folder}: the table is damaged (a pair of {document!r} has no figure {figure!r}); "
                    "build it again with --rebuild"
                )
            its_document, its_figure, value = following
            self._ahead.setdefault(its_document, {})[its_figure] = value
        self._forget_before(document)
        return self._ahead[document][figure]

    def _forget_before(self, document: str) -> None:
        while (first := next(iter(self._ahead))) != document:
            del self._ahead[first]
