"""What a search is restricted to: one typed value, checked at the edge, the same for every kind of search.

Filters apply before ranking: the lexical index gets them as a query (`as_query`), a vector search as a mask over all
ordinals (`pair_mask`, `figure_mask`). Both mean the same pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tantivy import FieldType, Occur, Query, Schema

from abs_index.errors import UsageError
from abs_index.indexing.lexical import keyword
from abs_index.indexing.records import storable
from abs_index.indexing.rows import Mask, Rows
from abs_index.labels import ABS, KINDS, ROLES, Abs, Kind, Role

Texts = str | Iterable[str] | None
"""One value, several of which any may hold, or None for no restriction."""

_VOCABULARIES = {"abs": ABS, "role": ROLES, "kind": KINDS}
_OF_FIGURES = {"source": "source", "journal": "container", "language": "language", "licence": "licence",
               "document": "document"}  # fmt: skip
_STORED = {"abs_prob": "prob"}
"""Number fields whose column of `Rows` has another name."""
_YEARS = re.compile(r"\s*(?P<first>-?[0-9]{1,4})?\s*(?:(?P<dots>\.\.)\s*(?P<last>-?[0-9]{1,4})?)?\s*")
_LAST_YEAR = 9999


class FilterValues(TypedDict, total=False):
    """The filters as keyword arguments: see `Filters.of`."""

    abs: Texts
    min_prob: float | None
    min_cmi: float | None
    max_cmi: float | None
    role: Texts
    kind: Texts
    source: Texts
    journal: Texts
    language: Texts
    licence: Texts
    document: Texts
    year: str | int | tuple[int | None, int | None] | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrictions that all hold; of several values for one of them, any. None restricts nothing.

    `min_prob` is the least probability of the predicted label, so with `abs` of the label that was asked for.
    `min_cmi` and `max_cmi` bound how much picture and text have in common, both included. `years` are first and last
    year, both included, either may be open. `journal` is the container: journal or book. Values are whole and compared
    exactly.
    """

    abs: tuple[Abs, ...] | None = None
    min_prob: float | None = None
    role: tuple[Role, ...] | None = None
    kind: tuple[Kind, ...] | None = None
    source: tuple[str, ...] | None = None
    journal: tuple[str, ...] | None = None
    language: tuple[str, ...] | None = None
    licence: tuple[str, ...] | None = None
    document: tuple[str, ...] | None = None
    years: tuple[int | None, int | None] | None = None
    min_cmi: float | None = None
    max_cmi: float | None = None

    @classmethod
    def of(
        cls,
        *,
        abs: Texts = None,  # noqa: A002 (the name of the field everywhere)
        min_prob: float | None = None,
        min_cmi: float | None = None,
        max_cmi: float | None = None,
        role: Texts = None,
        kind: Texts = None,
        source: Texts = None,
        journal: Texts = None,
        language: Texts = None,
        licence: Texts = None,
        document: Texts = None,
        year: str | int | tuple[int | None, int | None] | None = None,
    ) -> Filters:
        """Filters from what a user gives. Raises UsageError for what cannot be, and says what can.

        >>> Filters.of(abs="equal", year="2010..").years
        (2010, None)
        """
        if min_cmi is not None and max_cmi is not None and min_cmi > max_cmi:
            raise UsageError(f"min_cmi: {min_cmi} is more than max_cmi, {max_cmi}")
        return cls(
            abs=cast("tuple[Abs, ...] | None", _texts("abs", abs)),
            min_prob=_share("min_prob", min_prob),
            min_cmi=_share("min_cmi", min_cmi),
            max_cmi=_share("max_cmi", max_cmi),
            role=cast("tuple[Role, ...] | None", _texts("role", role)),
            kind=cast("tuple[Kind, ...] | None", _texts("kind", kind)),
            source=_texts("source", source),
            journal=_texts("journal", journal),
            language=_texts("language", language),
            licence=_texts("licence", licence),
            document=_texts("document", document),
            years=_years(year),
        )

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def restrict(self, query: Query, schema: Schema) -> Query:
        """A query that finds what `query` finds and the filters let pass, with the scores of `query`."""
        return Query.boolean_query([(Occur.Must, query), (Occur.Must, self.as_query(schema))]) if self else query

    def as_query(self, schema: Schema) -> Query:
        """What passes, as a query of the lexical index; it adds nothing to a score."""
        clauses = [_any_term(schema, name, values) for name, values in self.terms()]
        if self.years is not None:
            clauses.append(Query.range_query(schema, "year", FieldType.Integer, *self.years))
        for name, low, high in self.spans():
            clauses.append(Query.range_query(schema, name, FieldType.Float, low, high))
        matching = Query.boolean_query([(Occur.Must, clause) for clause in clauses]) if clauses else Query.all_query()
        return Query.const_score_query(matching, 0.0)

    def pair_mask(self, pairs: Rows, figures: Rows) -> Mask:
        """What passes, as one truth value a pair."""
        return pairs.mask(self._pair_chunks(pairs, self._facts_mask(figures)))

    def figure_mask(self, pairs: Rows, figures: Rows, pair_mask: Mask | None = None) -> Mask:
        """The figures that pass: with a restriction on pairs, those of which a pair passes.

        `pair_mask` saves time where it was computed before.
        """
        if not self.of_pairs:
            return self._facts_mask(figures)
        return owners_of(self.pair_mask(pairs, figures) if pair_mask is None else pair_mask, pairs, figures)

    def terms(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Keyword fields, each with the values of which one must be there."""
        for name in _VOCABULARIES:
            if (values := getattr(self, name)) is not None:
                yield name, values
        for name, field in _OF_FIGURES.items():
            if (values := getattr(self, name)) is not None:
                yield field, values

    def spans(self) -> Iterator[tuple[str, float | None, float | None]]:
        """Number fields of pairs that are restricted, each with its least and its greatest value, None where open."""
        if self.min_prob is not None:
            yield "abs_prob", self.min_prob, None
        if self.min_cmi is not None or self.max_cmi is not None:
            yield "cmi", self.min_cmi, self.max_cmi

    def _facts_mask(self, figures: Rows) -> Mask:
        """The figures that pass the restrictions on their document."""
        passing = np.ones(len(figures), dtype=np.bool_)
        for name, column in _OF_FIGURES.items():
            if (values := getattr(self, name)) is not None:
                wanted = pa.array(values, pa.string())
                passing &= figures.mask(_truth(pc.is_in(chunk, wanted)) for (chunk,) in figures.chunks(column))
        first, last = self.years or (None, None)
        if first is not None:
            passing &= figures.mask(_truth(pc.greater_equal(chunk, first)) for (chunk,) in figures.chunks("year"))
        if last is not None:
            passing &= figures.mask(_truth(pc.less_equal(chunk, last)) for (chunk,) in figures.chunks("year"))
        return passing

    def _pair_chunks(self, pairs: Rows, passing: Mask) -> Iterator[Mask]:
        """Masks of the pairs, a batch at a time; `passing` are the figures that pass."""
        coded = {name: values for name in _VOCABULARIES if (values := getattr(self, name)) is not None}
        spans = {_STORED.get(name, name): bounds for name, *bounds in self.spans()}
        for owner, *columns in pairs.chunks("figure", *spans, *coded):
            mask = passing[owner.to_numpy()]
            for column, (low, high) in zip(columns, spans.values(), strict=False):
                numbers = column.to_numpy(zero_copy_only=False)
                mask &= numbers >= np.float32(-np.inf if low is None else low)
                mask &= numbers <= np.float32(np.inf if high is None else high)
            for column, values in zip(columns[len(spans) :], coded.values(), strict=True):
                wanted = pc.is_in(column.dictionary, pa.array(values, pa.string()))
                mask &= wanted.to_numpy(zero_copy_only=False)[column.indices.to_numpy()]
            yield mask

    @property
    def of_pairs(self) -> bool:
        """Whether there is a restriction on pairs, beside those on figures and documents."""
        return bool(any(self.spans()) or any(getattr(self, name) is not None for name in _VOCABULARIES))


def owners_of(mask: Mask, pairs: Rows, figures: Rows) -> Mask:
    """The figures that own a pair of the mask."""
    found = np.zeros(len(figures), dtype=np.bool_)
    start = 0
    for (owner,) in pairs.chunks("figure"):
        found[owner.to_numpy()[mask[start : start + len(owner)]]] = True
        start += len(owner)
    return found


def _any_term(schema: Schema, field: str, values: Iterable[str]) -> Query:
    # Not a set of terms: for that, Tantivy visits all documents with the label before it looks at the query.
    terms = [Query.term_query(schema, field, keyword(value)) for value in values]
    return terms[0] if len(terms) == 1 else Query.boolean_query([(Occur.Should, term) for term in terms])


def _truth(values: pa.BooleanArray) -> Mask:
    """Truth values; what is missing passes nothing."""
    mask: Mask = values.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _texts(name: str, value: Texts) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = (value,) if isinstance(value, str) else tuple(value)
    if not values:
        return None
    values = tuple(storable(text) for text in values)
    valid = _VOCABULARIES.get(name)
    for text in values:
        if not text:
            raise UsageError(f"{name}: the value is empty; leave the filter out to search everything")
        if valid and text not in valid:
            raise UsageError(f"{name}: {text!r} does not exist; valid are {', '.join(valid)}")
    return values


def _share(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if not 0 <= value <= 1:
        raise UsageError(f"{name}: {value} cannot be; give a number from 0 to 1")
    # Stored in single precision: 0.7 must let a stored 0.7 pass, which is a little less.
    return float(np.float32(value))


def _years(value: str | int | tuple[int | None, int | None] | None) -> tuple[int | None, int | None] | None:
    if value is None:
        return None
    if isinstance(value, str):
        first, last = _parse_years(value)
    else:
        first, last = value if isinstance(value, tuple) else (value, value)
    for year in (first, last):
        if year is not None and abs(year) > _LAST_YEAR:
            raise UsageError(f"year: {year} is no year; give 2015, 2010..2020, 2010.. or ..2020")
    if first is not None and last is not None and first > last:
        raise UsageError(f"year: {first}..{last} ends before it starts")
    return first, last


def _parse_years(text: str) -> tuple[int | None, int | None]:
    match = _YEARS.fullmatch(text)
    if match is None or not (match["first"] or match["last"]):
        raise UsageError(f"year: {text!r} is neither a year nor a range; give 2015, 2010..2020, 2010.. or ..2020")
    first = int(match["first"]) if match["first"] else None
    return first, (int(match["last"]) if match["last"] else None if match["dots"] else first)
