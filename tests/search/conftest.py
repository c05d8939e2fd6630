from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.indexing.structures import Structures
from abs_index.search.index import Index
from tests.fakes import FakeModel
from tests.search.tables import DocumentRow, FigureRow, PairRow, write_index

DOCUMENTS = [
    DocumentRow(
        "traffic",
        [
            FigureRow(
                "f1",
                [
                    PairRow("Waves in dense traffic on a ring road", "image_more_abstract", 0.9, "caption", "plot"),
                    PairRow(
                        "Stop and go waves travel upstream", "text_more_abstract", 0.6, "mention", "plot", "Results"
                    ),
                ],
                caption="Waves in dense traffic on a ring road",
                label="Figure 1",
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
                    PairRow("Turbines turn and blades bend", "equal", 0.8, "mention", "diagram"),
                    PairRow("A turbine with three blades, no traffic", "image_more_abstract", 0.5, "caption", "photo"),
                ],
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
        "old", [FigureRow("f9", [PairRow("Gel electrophoresis of proteins", "equal", 0.99, "caption", "photo")])]
    ),
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index; tests do not change it."""
    return write_index(tmp_path_factory.mktemp("search") / "index", DOCUMENTS)


@pytest.fixture(scope="session")
def structures(folder: Path) -> Iterator[Structures]:
    opened = Structures.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with Index.open(folder, model=FakeModel()) as opened:
        yield opened
