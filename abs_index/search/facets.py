"""Facets: how many of the pairs that a search finds have each label, kind, role, source and year.

One rule for every engine. What is counted are pairs, not figures: those that match the query and pass all filters, also
the filter on the field itself. A pair that lacks a value counts nowhere, and a value that no pair has is left out. Of
more than `MOST_VALUES` values the most frequent ones are kept, of equally frequent ones the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from abs_index.labels import Abs, Kind, Role

MOST_VALUES: Final = 1000
"""Sources and years that are told at most."""

QUARTERS: Final = ("0..0.25", "0.25..0.5", "0.5..0.75", "0.75..1")
"""Names of the quarters of `cmi`. A number between two of them belongs to the upper one."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of pairs by what they have; `pairs` is how many there are.

    Labels, kinds, roles and sources come with the most frequent first, years with the newest, and quarters of `cmi`
    with the lowest.
    """

    pairs: int
    abs: dict[Abs, int]
    kind: dict[Kind, int]
    role: dict[Role, int]
    source: dict[str, int]
    year: dict[int, int]
    cmi: dict[str, int]

    @classmethod
    def of(cls, pairs: int, counts: Mapping[str, Iterable[tuple[Any, int]]]) -> Facets:
        """Facets from what an engine counted: values and their counts in any order, by the names of the fields."""
        kept = {name: _frequent(counted) for name, counted in counts.items()}
        kept["year"] = dict(sorted(kept["year"].items(), reverse=True))
        kept["cmi"] = {name: kept["cmi"][name] for name in QUARTERS if name in kept["cmi"]}
        return cls(pairs=pairs, **kept)


def _frequent(counted: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    present = [(value, count) for value, count in counted if count]
    return dict(sorted(present, key=lambda item: (-item[1], item[0]))[:MOST_VALUES])
