"""abs-index: figures of documents, labelled by what they do for their text, and searchable.

    from abs_index import Index

    with Index.open("figures") as index:
        for hit in index.search("turbine", abs="image_more_abstract"):
            ...

The names below are the public ones; each is imported when it is first used, so that `import abs_index` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from abs_index.errors import AbsIndexError
    from abs_index.indexing.build import build_index
    from abs_index.search.facets import Facets
    from abs_index.search.filters import Filters
    from abs_index.search.hits import FigureDetails, Hit, PairDetails
    from abs_index.search.index import Index

__all__ = ["AbsIndexError", "Facets", "FigureDetails", "Filters", "Hit", "Index", "PairDetails", "build_index"]

_HOMES = {
    "AbsIndexError": "abs_index.errors",
    "Facets": "abs_index.search.facets",
    "FigureDetails": "abs_index.search.hits",
    "Filters": "abs_index.search.filters",
    "Hit": "abs_index.search.hits",
    "Index": "abs_index.search.index",
    "PairDetails": "abs_index.search.hits",
    "build_index": "abs_index.indexing.build",
}


# Importing openvino forks a process that sends usage data to a server; its ways out are a file in the user's home, or
# to pretend to be in CI. Where its reporting package cannot be imported, it uses a stub of its own that does nothing.
# This stands here because nothing of abs-index is imported before it.
sys.modules.setdefault("openvino_telemetry", cast("Any", None))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
