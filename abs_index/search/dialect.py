"""What an engine must be able to say, so that a query string means the same on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, TypeVar

Q = TypeVar("Q")
"""A query of one engine."""


class Occur(Enum):
    """What a part is to the whole: it must match, should match, or must not."""

    MUST = auto()
    SHOULD = auto()
    MUST_NOT = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `low` to `high`; None is open. A bound counts itself unless it is said to be outside."""

    low: float | None
    high: float | None
    with_low: bool = True
    with_high: bool = True


class Dialect(Protocol[Q]):
    """Makes queries of one engine. Fields are those of `abs_index.indexing.lexical`; all values are plain data.

    Checked before they come here: names of fields, values of closed vocabularies, numbers.
    """

    def everything(self) -> Q:
        """Every pair."""

    def nothing(self) -> Q:
        """No pair."""

    def exists(self, field: str) -> Q:
        """Pairs that have anything in a field."""

    def keyword(self, field: str, value: str) -> Q:
        """Pairs whose keyword field holds exactly this value."""

    def phrase(self, field: str, text: str, slop: int) -> Q | None:
        """Words of a text field in this order, up to `slop` others between. None where there is no word in `text`."""

    def fuzzy(self, field: str, word: str, distance: int | None) -> Q:
        """Words that differ in up to `distance` letters (0 to 2) from one of `words_of`; None as suits the length.

        In a keyword field, whole values.
        """

    def regex(self, field: str, pattern: str) -> Q:
        """Terms (of text fields: stems in lower case) that match an expression as a whole.

        Raises ValueError for an expression that cannot be used.
        """

    def between(self, field: str, span: Span) -> Q:
        """Pairs whose number field holds a number of the span, which is not open on both sides."""

    def boolean(self, clauses: Sequence[tuple[Occur, Q]]) -> Q:
        """All that must match, none that must not, and where nothing must, one that should."""

    def boosted(self, query: Q, boost: float) -> Q:
        """The same pairs with their scores times `boost`."""

    def best_of(self, queries: Sequence[Q], tie_breaker: float) -> Q:
        """Pairs of any query; the best score counts, and the others times `tie_breaker`."""

    def words_of(self, text: str) -> Sequence[str]:
        """The words of a text that are compared one by one, in a form that `fuzzy` takes."""

    def stems(self, text: str) -> Sequence[str]:
        """The terms that a text is found by, in their order."""

    def fold(self, text: str) -> str:
        """A part of a word as terms are written, but not stemmed."""
