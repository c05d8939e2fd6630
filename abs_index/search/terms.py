"""The leaves of a query: what one word, phrase, pattern or range means in one field of the lexical index."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from tantivy import FieldType, Occur, Query

from abs_index.errors import QueryError
from abs_index.indexing.lexical import KEYWORD_FIELDS, NUMBER_FIELDS, TEXT_FIELDS, Lexical, keyword, spaced
from abs_index.labels import ABS, KINDS, ROLES

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


class Terms:
    """Makes queries for one index. `field` None means the default fields.

    Methods give None where there is nothing to look for (a word of dashes), and raise QueryError for what the field
    cannot hold.
    """

    def __init__(self, lexical: Lexical) -> None:
        self._lexical = lexical
        self._schema = lexical.schema

    def word(self, field: str | None, written: str) -> Query | None:
        """A word as it was written: with escapes, perhaps with wildcards."""
        pieces = list(_pieces(written))
        if any(wild for _, wild in pieces):
            return self._wildcard(field, pieces)
        return self.phrase(field, "".join(text for text, _ in pieces))

    def phrase(self, field: str | None, text: str, slop: int = 0) -> Query | None:
        """Words in this order, `slop` others between them at most; one word is looked for as it is."""
        if field in NUMBER_FIELDS:
            return self.range(field, (text, True), (text, True))
        if field in KEYWORD_FIELDS:
            return Query.term_query(self._schema, field, keyword(_label(field, text)))
        words = self._lexical.analyse(text)
        slop = min(slop, _LARGEST_SLOP)
        if not words:
            return None
        if len(words) == 1:
            return self._in_texts(field, lambda name: Query.term_query(self._schema, name, words[0]))
        return self._in_texts(field, lambda name: Query.phrase_query(self._schema, name, list(words), slop))

    def fuzzy(self, field: str | None, text: str, distance: int | None) -> Query | None:
        """Words that differ in up to `distance` letters (0 to 2); None takes what suits the length."""
        if field in NUMBER_FIELDS:
            raise QueryError(f"query: {field} is a number; ~ is for words")
        words = [text] if field in KEYWORD_FIELDS else self._lexical.analyse(text)
        found = [self._similar(field, word, _suitable(word) if distance is None else distance) for word in words]
        return Query.boolean_query([(Occur.Must, query) for query in found]) if found else None

    def _similar(self, field: str | None, word: str, distance: int) -> Query:
        return self._in_texts(field, lambda name: Query.fuzzy_term_query(self._schema, name, word, distance))

    def regex(self, field: str | None, pattern: str) -> Query:
        """Terms that match a regular expression as a whole: of texts, stems in lower case."""
        if field in NUMBER_FIELDS:
            raise QueryError(f"query: {field} is a number; expressions are for words")
        try:
            return self._in_texts(field, lambda name: Query.regex_query(self._schema, name, pattern))
        except ValueError as error:
            reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
            reason = reason.removeprefix("error: ").rstrip("'")
            raise QueryError(f"query: the expression cannot be used ({reason[:100]})") from error

    def range(self, field: str | None, lower: Bound | None, upper: Bound | None) -> Query:
        """Numbers between two bounds; None is open."""
        if field not in NUMBER_FIELDS:
            raise QueryError(f"query: ranges are for numbers; give a field of {', '.join(NUMBER_FIELDS)}")
        convert = _year if field == "year" else _probability
        low, high = (None if bound is None else convert(bound[0]) for bound in (lower, upper))
        if low is None and high is None:
            return Query.exists_query(field)
        return Query.range_query(
            self._schema,
            field,
            FieldType.Integer if field == "year" else FieldType.Float,
            low,
            high,
            include_lower=lower is None or lower[1],
            include_upper=upper is None or upper[1],
        )

    def _wildcard(self, field: str | None, pieces: list[Piece]) -> Query:
        everything = all(text == "*" for text, _ in pieces)
        if everything and field is None:
            return Query.all_query()
        if field in NUMBER_FIELDS:
            if everything:
                return Query.exists_query(field)
            raise QueryError(f"query: {field} is a number; write a range, as in {field}:[2010 TO 2020]")
        if sum(wild for _, wild in pieces) > _MOST_WILDCARDS:
            raise QueryError(f"query: more than {_MOST_WILDCARDS} wildcards in one word")
        if field in KEYWORD_FIELDS:
            return self.regex(field, _pattern(pieces))
        forms = [[(text if wild else _fold(text), wild) for text, wild in pieces], self._stemmed(pieces)]
        return self.regex(field, "|".join(_pattern(form) for form in forms if form))

    def _stemmed(self, pieces: list[Piece]) -> list[Piece]:
        """The pattern for words that end where it ends: "turbine*" must find turbines, which are kept as "turbin"."""
        *before, last = pieces
        if last == ("*", True) and before:
            *before, last = before
        words = [] if last[1] else self._lexical.analyse(last[0])
        return [*before, (words[0], False)] if len(words) == 1 else []

    def _in_texts(self, field: str | None, make: Callable[[str], Query]) -> Query:
        """A query in one field; or in the default fields, of which the best counts and the others a little."""
        if field is not None:
            return make(field)
        queries = [Query.boost_query(make(name), boost) for name, boost in DEFAULT_FIELDS.items()]
        return Query.disjunction_max_query(queries, _TIE_BREAKER)


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


def _suitable(word: str) -> int:
    """How many letters may differ in a word of this length (as AUTO in Elasticsearch)."""
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2


def _pattern(pieces: list[Piece]) -> str:
    """A regular expression for a word with wildcards."""
    return "".join((".*" if text == "*" else ".") if wild else re.escape(text) for text, wild in pieces)


def _fold(text: str) -> str:
    """Lower case without accents, as the analysis makes it, but not stemmed."""
    decomposed = unicodedata.normalize("NFKD", spaced(text).lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


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


def _probability(text: str) -> float | None:
    if text == "*":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"query: {text!r} is not a probability; write abs_prob:>0.6 or abs_prob:[0.6 TO 1]")
    # Stored in single precision.
    return float(np.float32(max(-_LARGEST_NUMBER, min(_LARGEST_NUMBER, number))))
