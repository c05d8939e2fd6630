"""Indexes written row by row: what searching is tested on, without reading, networks or images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from abs_index.indexing.publish import publish
from abs_index.indexing.table import Table
from abs_index.indexing.vectors import VectorSettings
from abs_index.labels import ABS
from abs_index.model.base import ModelInfo
from tests.fakes import FakeModel

INFO = FakeModel().info


@dataclass
class PairRow:
    """One text of a figure. `vector` None makes one from `seed`."""

    text: str
    abs: str = "equal"
    prob: float = 0.8
    role: str = "mention"
    kind: str = "plot"
    section: str = ""
    vector: Sequence[float] | None = None
    raw: str | None = None
    cmi: float | None = 0.5


@dataclass
class FigureRow:
    """One figure. `vector` None makes one from the position; `embedded` False leaves it out."""

    id: str
    pairs: list[PairRow] = field(default_factory=list)
    caption: str = ""
    label: str = ""
    vector: Sequence[float] | None = None
    embedded: bool = True
    figure_text: str | None = None


@dataclass
class DocumentRow:
    """One document and what stands on its figures and pairs too."""

    id: str
    figures: list[FigureRow] = field(default_factory=list)
    title: str = ""
    container: str = ""
    year: int | None = None
    source: str = "tests"
    language: str = "en"
    licence: str = ""
    keywords: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    rejects: list[tuple[str, str]] = field(default_factory=list)


DOCUMENTS = [
    DocumentRow(
        "traffic",
        [
            FigureRow(
                "f1",
                [
                    PairRow(
                        "Waves in dense traffic on a ring road", "image_more_abstract", 0.9, "caption", "plot", cmi=0.1
                    ),
                    PairRow(
                        "Stop and go waves travel upstream",
                        "text_more_abstract",
                        0.6,
                        "mention",
                        "plot",
                        "Results",
                        cmi=0.9,
                    ),
                ],
                caption="Waves in dense traffic on a ring road",
                label="Figure 1",
                figure_text="Density (veh/km) Detectors 1 2 3",
            ),
            FigureRow("f2", [PairRow("Cars queue at a junction", "text_more_abstract", 0.7, "caption", "photo")]),
        ],
        title="Why traffic jams",
        container="L'Eau (Paris)",
        year=2015,
        source="one",
        keywords=["queues"],
        authors=["Ada Lovelace"],
    ),
    DocumentRow(
        "turbine",
        [
            FigureRow(
                "f1",
                [
                    PairRow("Turbines turn and blades bend", "equal", 0.8, "mention", "diagram", cmi=0.3),
                    PairRow(
                        "A turbine with three blades, no traffic",
                        "image_more_abstract",
                        0.5,
                        "caption",
                        "photo",
                        cmi=0.7,
                    ),
                ],
                figure_text="",
            ),
            FigureRow("bare", []),
        ],
        title="Wind",
        container='Drugs in R&D: "Special" \\ Issue',
        year=2021,
        source="two",
        language="fr",
    ),
    DocumentRow(
        "old",
        [FigureRow("f9", [PairRow("Gel electrophoresis of proteins", "equal", 0.99, "caption", "photo", cmi=None)])],
    ),
]
"""What most tests search: three documents, five figures, six pairs."""


def write_index(
    folder: Path, documents: Sequence[DocumentRow], info: ModelInfo = INFO, settings: VectorSettings | None = None
) -> Path:
    """Writes and publishes an index that holds exactly these documents; returns `folder`."""
    table = Table.create(folder, info)
    append(table, documents)
    publish(table, folder, settings)
    table.mark_published()
    return folder


def append(table: Table, documents: Sequence[DocumentRow]) -> None:
    """Adds documents to a table without publishing it."""
    schema = table.schema
    random = np.random.default_rng(table.version)
    rows = [row for document in documents for row in _rows(document, schema, random)]
    if rows:
        rows.sort(key=lambda row: str(row["row"]))  # as a build writes them: all figures, then all pairs
        table.append([pa.RecordBatch.from_pylist(rows, schema=schema)])


def _rows(document: DocumentRow, schema: pa.Schema, random: np.random.Generator) -> list[dict[str, Any]]:
    facts = {
        "document": document.id,
        "path": f"{document.id}.xml",
        "source": document.source,
        "title": document.title,
        "container": document.container,
        "year": document.year,
        "authors": document.authors,
        "licence": document.licence,
        "language": document.language,
        "keywords": document.keywords,
        "doi": "",
    }
    rows: list[dict[str, Any]] = [{**facts, "row": "document", "format": "jats", "fingerprint": document.id}]
    for figure in document.figures:
        rows += _figure_rows(facts, figure, schema, random)
    for reason, detail in document.rejects:
        rows.append(
            {"row": "reject", "document": document.id, "path": facts["path"], "figure": "", "reason": reason,
             "detail": detail}
        )  # fmt: skip
    return rows


def _figure_rows(
    facts: dict[str, Any], figure: FigureRow, schema: pa.Schema, random: np.random.Generator
) -> list[dict[str, Any]]:
    own = {
        **facts,
        "figure": figure.id,
        "label": figure.label,
        "caption": figure.caption,
        "caption_raw": figure.caption,
        "figure_text": figure.figure_text,
        "image": f"images/{figure.id}.png" if figure.embedded else None,
        "images": [f"images/{figure.id}.png"],
        "width": 24,
        "height": 16,
        "image_format": "PNG",
    }
    vector = figure.vector if figure.vector is not None else _unit(random, schema.field("image_embedding"))
    rows = [{**own, "row": "figure", "image_embedding": list(vector) if figure.embedded else None}]
    for number, pair in enumerate(figure.pairs):
        rest = (1 - pair.prob) / 2
        vector = pair.vector if pair.vector is not None else _unit(random, schema.field("pair_embedding"))
        rows.append(
            {
                **own,
                "row": "pair",
                "pair": f"{facts['document']}-{figure.id}-{number}",
                "role": pair.role,
                "section": pair.section,
                "text": pair.text,
                "text_raw": pair.text if pair.raw is None else pair.raw,
                "text_path": "",
                "abs": pair.abs,
                "abs_prob": {name: pair.prob if name == pair.abs else rest for name in ABS},
                "kind": pair.kind,
                "kind_prob": 0.7,
                "cmi": pair.cmi,
                "pair_embedding": list(vector),
            }
        )
    return rows


def _unit(random: np.random.Generator, column: pa.Field) -> list[float]:
    vector = random.standard_normal(column.type.list_size)
    return list(vector / np.linalg.norm(vector))
