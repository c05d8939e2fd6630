from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abs_index.errors import MissingExtraError
from abs_index.indexing import text_vectors
from abs_index.indexing.build import BuildOptions, build_index
from abs_index.indexing.publish import publish
from abs_index.indexing.structures import Structures
from abs_index.indexing.table import Table
from abs_index.model.base import Floats
from tests.fakes import FakeModel, write_corpus
from tests.meanings import FakeTextEncoder
from tests.search.tables import DOCUMENTS, INFO, DocumentRow, FigureRow, PairRow, append


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table.create(tmp_path / "index", INFO)
    append(made, DOCUMENTS[:2])
    append(made, DOCUMENTS[2:])
    return made


def pairs(table: Table) -> list[dict[str, Any]]:
    return [row for batch in table.batches("pair", table.schema.names) for row in batch.to_pylist()]


def vectors(table: Table) -> dict[str, Floats]:
    return {row["pair"]: np.array(row[text_vectors.COLUMN], dtype=np.float32) for row in pairs(table)}


def test_fills_every_text_and_changes_nothing_else(table: Table) -> None:
    before, order = pairs(table), [row for batch in table.batches(None, ["row", "figure"]) for row in batch.to_pylist()]
    encoder = FakeTextEncoder()

    assert text_vectors.fill(table, encoder) == 6

    after = pairs(table)
    for row, made in zip(after, encoder.encode([row["text"] for row in after]), strict=True):
        assert np.allclose(row.pop(text_vectors.COLUMN), made)
    assert after == before
    assert [row for batch in table.batches(None, ["row", "figure"]) for row in batch.to_pylist()] == order
    assert text_vectors.encoder_of(table) == encoder.info.fingerprint


def test_a_second_time_reads_only_what_is_new(table: Table) -> None:
    text_vectors.fill(table, FakeTextEncoder())
    append(table, [DocumentRow("new", [FigureRow("f1", [PairRow("Fresh rivers")])])])
    again = FakeTextEncoder()

    assert text_vectors.fill(table, again) == 1
    assert again.texts_seen == ["Fresh rivers"]
    assert text_vectors.fill(table, again) == 0


def test_it_is_told_how_many_are_made_of_how_many(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_vectors, "_TEXTS_A_COMMIT", 4)
    monkeypatch.setattr(text_vectors, "_TEXTS_AT_ONCE", 1)
    told: list[tuple[int, int]] = []
    for _ in range(2):
        text_vectors.fill(table, FakeTextEncoder(), lambda done, total: told.append((done, total)))
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) == 7, "six texts, each told at once; the second call has nothing to tell"


def test_a_paragraph_of_several_figures_is_encoded_once(tmp_path: Path) -> None:
    table = Table.create(tmp_path / "index", INFO)
    append(table, [DocumentRow("d", [FigureRow(id_, [PairRow("The same words")]) for id_ in "abc"])])
    encoder = FakeTextEncoder()

    assert text_vectors.fill(table, encoder) == 3
    assert encoder.texts_seen == ["The same words"]


def test_what_was_committed_before_a_crash_is_kept(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_vectors, "_TEXTS_A_COMMIT", 2)

    class Dies(FakeTextEncoder):
        def encode(self, texts: Any) -> Floats:
            if len(self.texts_seen) >= 4:
                raise MemoryError
            return super().encode(texts)

    with pytest.raises(MemoryError):
        text_vectors.fill(table, Dies())
    opened = Table.open(table.folder)
    rest = FakeTextEncoder()

    assert text_vectors.fill(opened, rest) == 2
    assert len(rest.texts_seen) == 2


def test_vectors_of_two_encoders_never_mix(table: Table) -> None:
    text_vectors.fill(table, FakeTextEncoder())
    other = FakeTextEncoder("other", dim=30)

    assert text_vectors.fill(table, other) == 6
    assert text_vectors.encoder_of(table) == other.info.fingerprint
    assert {len(vector) for vector in vectors(table).values()} == {30}


def test_published_beside_the_others_and_gone_when_dropped(table: Table) -> None:
    publish(table, table.folder)
    table.mark_published()
    without = Structures.open(table.folder)
    assert without.text_vectors is None
    without.close()

    text_vectors.fill(table, encoder := FakeTextEncoder())
    publish(table, table.folder)
    table.mark_published()
    opened = Structures.open(table.folder)
    assert opened.text_vectors is not None
    (nearest,) = opened.text_vectors.nearest(encoder.encode(["windmills"]), 2)
    assert {row["pair"] for row in opened.pairs.take(nearest.ordinals)} == {"turbine-f1-0", "turbine-f1-1"}
    opened.close()

    text_vectors.drop(table)
    publish(table, table.folder)
    table.mark_published()
    assert text_vectors.encoder_of(table) is None
    without = Structures.open(table.folder)
    assert without.text_vectors is None
    without.close()


# as a stage of a build


def test_a_build_makes_them_and_later_builds_keep_them_whole(tmp_path: Path) -> None:
    corpus, folder, model = write_corpus(tmp_path / "corpus", documents=2), tmp_path / "index", FakeModel()
    encoder = FakeTextEncoder()
    with_vectors = BuildOptions(workers=1, text_vectors=True, text_encoder=encoder)
    build_index([corpus], folder, model)
    images = model.images_seen

    told: list[tuple[int, int]] = []
    first = build_index(
        [corpus], folder, model, options=with_vectors, text_progress=lambda done, total: told.append((done, total))
    )
    assert told == [(0, first.pairs), (first.pairs, first.pairs)]
    assert (first.changes.meant, first.changes.embedded) == (first.pairs, 0)
    write_corpus(corpus, documents=3)
    later = build_index([corpus], folder, model, options=BuildOptions(workers=1, text_encoder=encoder))
    assert later.changes.meant == later.pairs - first.pairs > 0
    assert model.images_seen == images + later.changes.embedded
    assert all(vector.shape == (encoder.info.dim,) for vector in vectors(Table.open_published(folder)).values())

    build_index([corpus], folder, model, options=BuildOptions(workers=1, text_vectors=False))
    assert text_vectors.encoder_of(Table.open_published(folder)) is None


def test_a_build_without_the_extra_fails_before_it_embeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.model.text_encoder.find_spec", lambda name: None)
    model = FakeModel()
    with pytest.raises(MissingExtraError, match=r"\[semantic\]"):
        build_index(
            [write_corpus(tmp_path / "corpus", documents=1)], tmp_path / "index", model,
            options=BuildOptions(text_vectors=True),
        )  # fmt: skip
    assert model.images_seen == 0
