"""Facets of an embedded index, counted over its rows."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from abs_index.indexing.rows import Mask, Ordinals, Rows
from abs_index.search.facets import QUARTERS, Facets

_OF_PAIRS: Final = ("abs", "kind", "role")
_OF_FIGURES: Final = ("source", "year")


def count(pairs: Rows, figures: Rows, mask: Mask) -> Facets:
    """Facets of the pairs of the mask, which has one truth value a pair."""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in (*_OF_PAIRS, *_OF_FIGURES, "cmi")}
    of_figure = np.zeros(len(figures), dtype=np.int64)
    start = 0
    for owner, cmi, *labels in pairs.chunks("figure", "cmi", *_OF_PAIRS):
        there = mask[start : start + len(owner)]
        start += len(owner)
        np.add.at(of_figure, owner.to_numpy()[there], 1)
        counts["cmi"].update(_quarters(cmi.to_numpy(zero_copy_only=False)[there]))
        for name, column in zip(_OF_PAIRS, labels, strict=True):
            _add(counts[name], column.filter(pa.array(there)).value_counts())
    for name in _OF_FIGURES:
        _add_weighted(counts[name], figures, name, of_figure)
    return Facets.of(int(np.count_nonzero(mask)), {name: counted.items() for name, counted in counts.items()})


def _quarters(numbers: np.ndarray) -> dict[str, int]:
    known = numbers[~np.isnan(numbers)]
    at = np.clip(known * len(QUARTERS), 0, len(QUARTERS) - 1).astype(np.int64)
    return dict(zip(QUARTERS, np.bincount(at, minlength=len(QUARTERS)).tolist(), strict=True))


def _add(counter: Counter[Any], counted: pa.StructArray) -> None:
    for value, number in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
        if value not in (None, ""):
            counter[value] += number


def _add_weighted(counter: Counter[Any], figures: Rows, column: str, weights: Ordinals) -> None:
    """Adds how often each value of a column occurs, where each figure counts as often as its weight says."""
    start = 0
    for (values,) in figures.chunks(column):
        part = pa.table({"value": values, "count": weights[start : start + len(values)]})
        start += len(values)
        summed = part.filter(pc.field("count") > 0).group_by("value").aggregate([("count", "sum")])
        _add(
            counter,
            pa.StructArray.from_arrays(
                [summed[name].combine_chunks() for name in ("value", "count_sum")], names=["value", "count"]
            ),
        )
