"""What shows whether both engines find the same: a corpus, queries with filters, and a comparison of what is found.

Texts are sentences of the documents that abs-index brings for its sample corpus, mixed anew; vectors are random, near
to those of the same subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from abs_index import sample
from abs_index.labels import ABS, KINDS
from abs_index.search.filters import Filters
from abs_index.search.hits import Hit
from abs_index.search.index import Index
from tests.fakes import IMAGE_DIM, PAIR_DIM
from tests.search.tables import DocumentRow, FigureRow, PairRow

DOCUMENTS, FIGURES, MENTIONS = 90, 4, 2
JOURNALS = ("Bench Notes", "L'Eau (Paris)", 'Drugs in R&D: "Special" \\ Issue', "River Letters")

QUERIES = (
    "waves", "traffic waves", "gel electrophoresis", "turbine blades wind", "the phases of the moon", "craters",
    "cells divide", "chromosomes AND copies", "river AND NOT turbine", "erosion OR sediment", "+coral reef",
    "collagen fibres tendon", "sorting algorithm", "volcano -ash", '"cell cycle"', '"agarose gel"', '"stop waves"~3',
    "turb*", "electro*", "volcan?", "trafic~1", "erosoin~2", "/sediment.*/", "caption:moon", "title:cells",
    "section:results cells", "keywords:water", "authors:lovelace", "text:(gel OR blade)", "wind^3 water",
    "shadow of the earth", "how strong is a bundle of fibres", "speed of the cars on a ring road", "length of DNA",
    "the blades of a wind turbine turn slowly", "reef fish light depth", "molecules joined to fibrils",
    "abs:equal AND water", "kind:plot cells", "role:caption river", "water year:[2005 TO 2015]", "abs_prob:>0.7 light",
    'journal:"Bench Notes" gel', "language:fr water", "(moon OR sun) AND (earth OR sky)", "water NOT (river OR rain)",
    "2.5 km", "29.5 days", "grey wavy fibres", "*",
)  # fmt: skip

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"abs": "equal"},
    {"abs": ["image_more_abstract", "text_more_abstract"], "min_prob": 0.6},
    {"year": "2005..2015"},
    {"journal": "L'Eau (Paris)"},
    {"role": "caption"},
    {"kind": ["plot", "photo", "diagram"]},
    {"source": "one", "year": "2010.."},
    {"language": "en", "min_prob": 0.5},
    {"document": [f"d{number}" for number in range(0, DOCUMENTS, 2)]},
    {"licence": "CC-BY-4.0", "journal": JOURNALS[2:]},
)


def sentences() -> list[list[str]]:
    """Of each sample document its sentences."""
    root = Path(str(sample.__file__)).parent / "documents"
    found = []
    for path in sorted(root.rglob("*.*ml")) + sorted(root.rglob("*.jats")):
        text = " ".join(re.sub(r"<[^>]+>", " ", path.read_text("utf-8")).split())
        parts = [part for part in re.split(r"(?<=[.!?]) ", text) if 5 < len(part.split()) < 40]
        if len(parts) > 8:
            found.append(parts)
    return found


def corpus() -> list[DocumentRow]:
    random = np.random.default_rng(11)
    subjects = sentences()
    centres = random.standard_normal((len(subjects), IMAGE_DIM))
    return [_document(number, subjects, centres, random) for number in range(DOCUMENTS)]


def _document(number: int, subjects: list[list[str]], centres: np.ndarray, random: np.random.Generator) -> DocumentRow:
    subject = number % len(subjects)

    def text(most: int) -> str:
        chosen = [subjects[subject if random.random() < 0.8 else random.integers(len(subjects))] for _ in range(most)]
        words = " ".join(part[random.integers(len(part))] for part in chosen).split()
        kept = [word for word in words if random.random() < 0.9]
        return " ".join(kept)

    def pair(role: str, said: str) -> PairRow:
        vector = np.concatenate([centres[subject], random.standard_normal(IMAGE_DIM)])[:PAIR_DIM]
        return PairRow(
            said, str(random.choice(ABS)), float(np.round(random.uniform(0.4, 1), 2)), role, str(random.choice(KINDS)),
            "Results" if random.random() < 0.3 else "", (vector + random.standard_normal(PAIR_DIM)).tolist(),
        )  # fmt: skip

    figures = []
    for at in range(FIGURES):
        caption = text(1)
        pairs = [pair("caption", caption), *(pair("mention", text(3)) for _ in range(MENTIONS))]
        vector = (centres[subject] + random.standard_normal(IMAGE_DIM)).tolist()
        figures.append(FigureRow(f"f{at}", pairs, caption, f"Figure {at}", vector))
    return DocumentRow(
        f"d{number}", figures, title=text(1), container=JOURNALS[number % 4], year=2000 + number % 20,
        source=("one", "two")[number % 2], language=("en", "en", "fr")[number % 3],
        licence=("CC-BY-4.0", "")[number % 2],
        keywords=["water"] if number % 5 == 0 else ["air"], authors=["Ada Lovelace"] if number % 7 == 0 else [],
    )  # fmt: skip


Search = Callable[[Index, int, str, Filters], list[Hit]]
"""One search: index, number of the query, its words, filters."""

_VECTORS = np.random.default_rng(5).standard_normal((len(QUERIES), PAIR_DIM)).astype(np.float32)


def _near_pair(index: Index, number: int, _: str, filters: Filters) -> list[Hit]:
    return index._engine.hits(index._engine.near_pair(_VECTORS[number], 10, filters), filters)


SEARCHES: dict[str, Search] = {
    "words": lambda index, _, query, filters: index.search(query, filters=filters),
    "images": lambda index, number, _, filters: index.similar(f"d{number}#f{number % FIGURES}", filters=filters),
    "pairs": _near_pair,
    "fused": lambda index, number, query, filters: index.search(query, figure=f"d{number}#f0", filters=filters),
}


def compare(embedded: Index, connected: Index, search: Search) -> tuple[float, dict[str, float]]:
    """Mean overlap over 50 queries with filters of every kind, and those that differ."""
    found = {}
    for number, (query, values) in enumerate(zip(QUERIES, islice(cycle(FILTERS), len(QUERIES)), strict=True)):
        filters = Filters.of(**values)
        mine, theirs = (search(index, number, query, filters) for index in (embedded, connected))
        found[f"{query} {values}"] = _overlap(mine, theirs)
    return float(np.mean(list(found.values()))), {name: share for name, share in found.items() if share < 1}


def _overlap(one: list[Hit], other: list[Hit]) -> float:
    """The share of the top 10 that both have."""
    first, second = {hit.id for hit in one[:10]}, {hit.id for hit in other[:10]}
    return len(first & second) / max(len(first), len(second), 1) if first or second else 1.0
