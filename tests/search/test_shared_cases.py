"""Inputs on which other programs have failed, from `../shared/cases`, searched after a build with a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abs_index.errors import UsageError
from abs_index.indexing.build import build_index
from abs_index.indexing.vectors import Vectors, VectorWriter
from abs_index.search.index import Index
from tests.fakes import FakeModel

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here; it is no part of the project")


def case(number: int) -> Path:
    (folder,) = CASES.glob(f"{number}-*")
    return folder / "input"


def build(corpus: Path, folder: Path) -> Index:
    model = FakeModel()
    build_index([corpus], folder, model)
    return Index.open(folder, model=model)


def test_vectors_without_a_direction_are_not_added(tmp_path: Path) -> None:
    vectors = np.load(case(61) / "vectors.npy")
    writer = VectorWriter(tmp_path / "v", vectors.shape[1])
    writer.add(vectors, np.ones(len(vectors), dtype=bool))
    writer.close()
    (found,) = Vectors(tmp_path / "v", vectors.shape[1]).nearest(vectors[0], 10)
    assert found.ordinals[0] == 0
    assert sorted(found.ordinals.tolist()) == [0, 4, 5]
    assert np.isfinite(found.scores).all()


def test_the_last_word_of_a_very_long_caption_is_found(tmp_path: Path) -> None:
    with build(case(62), tmp_path / "index") as index:
        assert {hit.figure for hit in index.search("zebra")} == {"f1"}


def test_fewer_figures_than_asked_for(tmp_path: Path) -> None:
    corpus = case(64) / "three"
    with build(corpus, tmp_path / "three") as index:
        hits = index.search(image=corpus / "r.png", k=10)
        assert len({hit.id for hit in hits}) == len(hits) == 3
        assert str(hits[0].image).endswith("r.png")
        assert all(-1.001 <= hit.score <= 1.001 for hit in hits)
        assert index.search(image=corpus / "r.png", k=10, journal="nowhere") == []
        with pytest.raises(UsageError):
            index.search(image=corpus / "r.png", k=0)
    with build(case(64) / "none", tmp_path / "none") as index:
        assert index.search(image=corpus / "r.png") == index.search("anything") == []
        queries = np.random.default_rng(0).standard_normal((25, 16)).astype(np.float32)
        found = index._engine._of.image_vectors.nearest(queries, 3)
        assert [len(each.ordinals) for each in found] == [0] * 25


def test_filters_with_odd_values(tmp_path: Path) -> None:
    corpus = case(66)
    with build(corpus, tmp_path / "index") as index:

        def figures(**options: object) -> list[str]:
            hits = index.search(**options)  # type: ignore[arg-type]
            return [f"{Path(hit.path).stem}:{hit.figure}" for hit in hits]

        assert figures(journal='Drugs in R&D: "Special" \\ Issue') == ["a:f1"]
        assert figures(journal="L'Eau (Paris)") == ["b:f1"]
        assert sorted(figures(year="2021")) == ["a:f1", "b:f1", "c:f1"]
        assert figures(journal="Casebook") == []
        assert figures(image=corpus / "a.png", k=1, journal="L'Eau (Paris)") == ["b:f1"]
        with pytest.raises(UsageError, match="empty"):
            figures(journal="")
