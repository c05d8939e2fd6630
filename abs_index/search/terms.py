"""The leaves of a query: what one word, phrase, pattern or range means in one field, whatever the engine."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, Generic

import numpy as np

from abs_index.errors import QueryError
from abs_index.indexing.lexical import KEYWORD_FIELDS, NUMBER_FIELDS, TEXT_FIELDS
from abs_index.labels import ABS, KINDS, ROLES
from abs_index.search.dialect import Dialect, Occur, Q, Span

DEFAULT_FIELDS: Final[Mapping[str, float]] = {"text": 1.0, "caption": 0.8, "title": 0.6, "section": 0.4}
"""Where a word without a field is looked for, and how much a find there counts."""

ALIASES: Final[Mapping[str, str]] = {"journal": "container", "license": "licence", "prob": "abs_prob", "id": "figure"}
"""Other names of fields."""

_VOCABULARIES: Final[Mapping[str, tuple[str, ...]]] = {"abs": ABS, "kind": KINDS, "role": ROLES}
_TIE_BREAKER = 0.3
_LARGEST_NUMBER = 10**9
_LARGEST_SLOP = 1000
_MOST_WILDCARDS = 16
_PIECE = re.compile(r"\\(?P<escaped>.)|(?P<wild>[*?])|(?P<plain>[^\\*?]+)|(?P<rest>\\)", re.DOTALL)

Piece = tuple[str, bool]
"""A part of a word, and whether it is a wildcard."""

Bound = tuple[str, bool]
"""A bound of a range as it was written, and whether it is included."""


def resolve(field: str) -> str:
    """The name of a field. Raises QueryError for one that does not exist."""
    name = ALIASES.get(field, field)
    if name not in (*TEXT_FIELDS, *KEYWORD_FIELDS, *NUMBER_FIELDS):
        valid = ", ".join((*TEXT_FIELDS, *KEYWORD_FIELDS, *NUMBER_FIELDS, "journal"))
        raise QueryError(f"query: there is no field {field!r}; valid are {valid} (a plain colon is written \\:)")
    return name


class Terms(Generic[Q]):
    """Makes queries of one dialect. `field` None means the default fields.

    Methods give None where there is nothing to look for (a word of dashes), and raise QueryError for what the field
    cannot hold.
    """

    def __init__(self, dialect: Dialect[Q]) -> None:
        self._dialect = dialect

    def word(self, field: str | None, written: str) -> Q | None:
        """A word as it was written: with escapes, perhaps with wildcards."""
        pieces = list(_pieces(written))
        if any(wild for _, wild in pieces):
            return self._wildcard(field, pieces)
        return self.phrase(field, "".join(text for text, _ in pieces))

    def phrase(self, field: str | None, text: str, slop: int = 0) -> Q | None:
        """Words in this order, `slop` others between them at most; one word is looked for as it is."""
        if field in NUMBER_FIELDS:
            return self.range(field, (text, True), (text, True))
        if field in KEYWORD_FIELDS:
            return self._dialect.keyword(field, _label(field, text))
        return self._in_texts(field, lambda name: self._dialect.phrase(name, text, min(slop, _LARGEST_SLOP)))

    def fuzzy(self, field: str | None, text: str, distance: int | None) -> Q | None:
        """Words that differ in up to `distance` letters (0 to 2); None takes what suits the length."""
        if field in NUMBER_FIELDS:
            raise QueryError(f"query: {field} is a number; ~ is for words")
        words = [text] if field in KEYWORD_FIELDS else self._dialect.words_of(text)
        found = [self._similar(field, word, distance) for word in words]
        return self._dialect.boolean([(Occur.MUST, query) for query in found if query is not None]) if found else None

    def _similar(self, field: str | None, word: str, distance: int | None) -> Q | None:
        return self._in_texts(field, lambda name: self._dialect.fuzzy(name, word, distance))

    def regex(self, field: str | None, pattern: str) -> Q | None:
        """Terms that match a regular expression as a whole: of texts, stems in lower case."""
        if field in NUMBER_FIELDS:
            raise QueryError(f"query: {field} is a number; expressions are for words")
        try:
            return self._in_texts(field, lambda name: self._dialect.regex(name, pattern))
        except ValueError as error:
            reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
            reason = reason.removeprefix("error: ").rstrip("'")
            raise QueryError(f"query: the expression cannot be used ({reason[:100]})") from error

    def range(self, field: str | None, lower: Bound | None, upper: Bound | None) -> Q:
        """Numbers between two bounds; None is open."""
        if field not in NUMBER_FIELDS:
            raise QueryError(f"query: ranges are for numbers; give a field of {', '.join(NUMBER_FIELDS)}")
        low, high = (None if bound is None else _number(field, bound[0]) for bound in (lower, upper))
        if low is None and high is None:
            return self._dialect.exists(field)
        span = Span(low, high, with_low=lower is None or lower[1], with_high=upper is None or upper[1])
        return self._dialect.between(field, span)

    def _wildcard(self, field: str | None, pieces: list[Piece]) -> Q | None:
        if all(text == "*" for text, _ in pieces):
            return self._dialect.everything() if field is None else self._dialect.exists(field)
        if field in NUMBER_FIELDS:
            raise QueryError(f"query: {field} is a number; write a range, as in {field}:[2010 TO 2020]")
        if sum(wild for _, wild in pieces) > _MOST_WILDCARDS:
            raise QueryError(f"query: more than {_MOST_WILDCARDS} wildcards in one word")
        if field in KEYWORD_FIELDS:
            return self.regex(field, _pattern(pieces))
        forms = [[(text if wild else self._dialect.fold(text), wild) for text, wild in pieces], self._stemmed(pieces)]
        return self.regex(field, "|".join(_pattern(form) for form in forms if form))

    def _stemmed(self, pieces: list[Piece]) -> list[Piece]:
        """The pattern for words that end where it ends: "turbine*" must find turbines, which are kept as "turbin"."""
        *before, last = pieces
        if last == ("*", True) and before:
            *before, last = before
        words = [] if last[1] else self._dialect.stems(last[0])
        return [*before, (words[0], False)] if len(words) == 1 else []

    def _in_texts(self, field: str | None, make: Callable[[str], Q | None]) -> Q | None:
        """A query in one field; or in the default fields, of which the best counts and the others a little."""
        if field is not None:
            return make(field)
        made = [(make(name), boost) for name, boost in DEFAULT_FIELDS.items()]
        queries = [self._dialect.boosted(query, boost) for query, boost in made if query is not None]
        return self._dialect.best_of(queries, _TIE_BREAKER) if queries else None


def _pieces(written: str) -> list[Piece]:
    """A word cut into plain text and wildcards (True), with escapes resolved.

    >>> _pieces("t?a\\\\*b*")
    [('t', False), ('?', True), ('a*b', False), ('*', True)]
    """
    pieces: list[Piece] = []
    for match in _PIECE.finditer(written):
        wild = match["wild"] is not None
        text = match["wild"] or match["escaped"] or match["plain"] or match["rest"]
        if pieces and not wild and not pieces[-1][1]:
            text = pieces.pop()[0] + text
        pieces.append((text, wild))
    return pieces


def _pattern(pieces: list[Piece]) -> str:
    """A regular expression for a word with wildcards."""
    return "".join((".*" if text == "*" else ".") if wild else re.escape(text) for text, wild in pieces)


def _label(field: str | None, text: str) -> str:
    """A value of a keyword field; of a closed vocabulary in any case. Raises QueryError for unknown labels."""
    valid = _VOCABULARIES.get(field or "")
    if valid is None:
        return text
    if text.lower() not in valid:
        raise QueryError(f"query: {field}:{text} does not exist; valid are {', '.join(valid)}")
    return text.lower()


def _year(text: str) -> int | None:
    if text == "*":
        return None
    try:
        year = int(text)
    except ValueError:
        raise QueryError(f"query: {text!r} is not a year; write year:2015 or year:[2010 TO 2020]") from None
    return max(-_LARGEST_NUMBER, min(_LARGEST_NUMBER, year))


def _number(field: str, text: str) -> float | None:
    """A bound as a number, None for an open one. Raises QueryError for what the field cannot hold."""
    if field == "year":
        return _year(text)
    if text == "*":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"query: {text!r} is not a number from 0 to 1; write {field}:>0.6 or {field}:[0.6 TO 1]")
    # Stored in single precision.
    return float(np.float32(max(-_LARGEST_NUMBER, min(_LARGEST_NUMBER, number))))
