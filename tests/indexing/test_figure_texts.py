"""The words in figures as a stage of the build: each image read once, and predicted again only what they change."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import pytest
from PIL import Image

from abs_index.corpus.document import Document, Reject
from abs_index.corpus.rejects import FIGURE_TEXT, IMAGE_DAMAGED
from abs_index.indexing.build import BuildOptions, index_documents
from abs_index.indexing.clock import Clock
from abs_index.indexing.figure_texts import FigureTexts
from abs_index.indexing.summary import BuildSummary
from abs_index.indexing.table import Table
from abs_index.recipe import CorpusSettings
from tests.fakes import FakeModel, FakeReader, ReadingModel
from tests.indexing.helpers import MemoryFiles, content_of, make_document, png

SMALL = BuildOptions(batch_size=4, workers=2, rows_a_commit=10)


RED, GREEN, BLUE = png(250, 10, 20), png(10, 200, 30), png(0, 0, 255)


def document(number: int, *images: bytes, caption: str = "Overview") -> Document:
    """A document of figures with these images, and a caption and a mention to each."""
    made = make_document(number, figures=len(images), caption=caption)
    names = [f"{number}-{at}.png" for at in range(len(images))]
    return replace(made, files=MemoryFiles(dict(zip(names, images, strict=True))))


def build(
    folder: Path, *units: Document | Reject, reader: FakeReader | None, model: FakeModel | None = None, **options: Any
) -> BuildSummary:
    return index_documents(
        (("tests", unit) for unit in units),
        folder,
        model or ReadingModel(),
        options=replace(SMALL, reader=reader, **options),
    )


def rows(folder: Path, kind: str, *columns: str) -> list[tuple[Any, ...]]:
    table = Table.open_published(folder)
    return [tuple(row.values()) for batch in table.batches(kind, list(columns)) for row in batch.to_pylist()]  # type: ignore[arg-type]


def words(folder: Path, kind: str = "figure") -> dict[tuple[str, str], str | None]:
    return {
        (document, figure): text for document, figure, text in rows(folder, kind, "document", "figure", "figure_text")
    }


def assert_same(one: Path, other: Path) -> None:
    """Two indexes hold the same, their words included."""
    content_of(Table.open_published(one)).assert_same(content_of(Table.open_published(other)))
    assert words(one) == words(other)
    assert words(one, "pair") == words(other, "pair")


def test_words_are_on_figures_and_pairs_and_the_network_is_told(tmp_path: Path) -> None:
    model = ReadingModel()
    summary = build(tmp_path, document(1, RED, GREEN), reader=FakeReader(), model=model)
    expected = {("doc-1", "f0"): "reader saw 10 20", ("doc-1", "f1"): ""}
    assert words(tmp_path) == words(tmp_path, "pair") == expected
    assert sorted(one.written for one in model.heard) == ["", "", "reader saw 10 20", "reader saw 10 20"]
    captions = [one.caption for one in model.heard]
    assert captions == ["Overview 0 of 1"] * 2 + ["Overview 1 of 1"] * 2, "as documents tell"
    assert (summary.changes.read, summary.changes.words) == (2, 4)
    assert "read figures" in summary.seconds


def test_without_the_stage_nothing_is_known(tmp_path: Path) -> None:
    summary = build(tmp_path, document(1, RED), reader=None)
    assert (words(tmp_path), summary.changes.read) == ({("doc-1", "f0"): None}, 0)


def test_a_second_build_reads_nothing(tmp_path: Path) -> None:
    units = [document(1, RED, GREEN), document(2, BLUE)]
    build(tmp_path, *units, reader=FakeReader())
    reader, model = FakeReader(), ReadingModel()
    version = Table.open(tmp_path).version
    summary = build(tmp_path, *units, reader=reader, model=model)
    assert (reader.reads, model.images_seen, model.pairs_seen) == (0, 0, 0)
    assert (summary.changes.unchanged, summary.version) == (2, version)


def test_switched_on_later_only_what_words_change_is_predicted_again(tmp_path: Path) -> None:
    units = [document(1, RED, GREEN, BLUE), document(2, GREEN), Reject("bad.xml", "not well-formed"), document(3, RED)]
    build(tmp_path / "later", *units, reader=None)
    model, reader = ReadingModel(), FakeReader()
    summary = build(tmp_path / "later", *units, reader=reader, model=model)
    assert str(summary.changes) == "0 new, 0 changed, 3 read for words, 0 removed, 0 unchanged"
    assert (reader.reads, model.images_seen, model.pairs_seen) == (3, 1, 4), "each image once; pairs of red ones only"
    assert summary.rejects == {FIGURE_TEXT: 1, "not well-formed": 1}
    build(tmp_path / "at once", *units, reader=FakeReader())
    assert_same(tmp_path / "later", tmp_path / "at once")


def test_words_of_a_document_that_changed_are_kept(tmp_path: Path) -> None:
    build(tmp_path, document(1, RED, GREEN), reader=FakeReader())
    for reader in (None, FakeReader()):
        model = ReadingModel()
        caption = f"Another {reader}"
        build(tmp_path, document(1, RED, GREEN, caption=caption), reader=reader, model=model)
        assert words(tmp_path)["doc-1", "f0"] == "reader saw 10 20"
        assert [one.written for one in model.heard].count("reader saw 10 20") == 2
        assert reader is None or reader.reads == 0
    reader = FakeReader()
    build(tmp_path, document(7, png(5, 5, 5), RED), reader=reader)
    assert reader.reads == 1, "the same image in another document is known"
    assert words(tmp_path) == {("doc-7", "f0"): "", ("doc-7", "f1"): "reader saw 10 20"}


def test_a_build_without_the_stage_keeps_what_is_there(tmp_path: Path) -> None:
    build(tmp_path, document(1, RED), reader=FakeReader())
    build(tmp_path, document(1, RED), document(2, png(240, 1, 1)), reader=None)
    assert words(tmp_path) == {("doc-1", "f0"): "reader saw 10 20", ("doc-2", "f0"): None}
    reader = FakeReader()
    build(tmp_path, document(1, RED), document(2, png(240, 1, 1)), reader=reader)
    assert (reader.reads, words(tmp_path)["doc-2", "f0"]) == (1, "reader saw 1 1")


def test_another_reader_reads_again(tmp_path: Path) -> None:
    units = [document(1, RED, GREEN), document(2, BLUE)]
    build(tmp_path / "index", *units, reader=FakeReader())
    model = ReadingModel()
    summary = build(tmp_path / "index", *units, reader=FakeReader("other"), model=model)
    assert (summary.changes.read, summary.rejects) == (2, {FIGURE_TEXT: 1}), "the reject of before is not there twice"
    assert model.pairs_seen == 2
    build(tmp_path / "fresh", *units, reader=FakeReader("other"))
    assert_same(tmp_path / "index", tmp_path / "fresh")


def test_a_rebuild_reads_nothing_that_was_read(tmp_path: Path) -> None:
    units = [document(1, RED, GREEN)]
    build(tmp_path / "index", *units, reader=FakeReader())
    reader = FakeReader()
    summary = build(tmp_path / "index", *units, reader=reader, rebuild=True)
    assert (reader.reads, summary.changes.new) == (0, 1)
    build(tmp_path / "fresh", *units, reader=FakeReader())
    assert_same(tmp_path / "index", tmp_path / "fresh")


def test_a_damaged_image_is_a_reject_and_not_read(tmp_path: Path) -> None:
    reader = FakeReader()
    summary = build(tmp_path, document(1, RED[:-30], GREEN), reader=reader)
    assert (summary.rejects, reader.reads) == ({IMAGE_DAMAGED: 1}, 1)
    build(tmp_path, document(1, RED[:-30], GREEN), reader=reader)
    assert reader.reads == 1, "a figure without an image lacks nothing"


def test_what_was_read_before_an_interruption_is_not_read_again(tmp_path: Path) -> None:
    units = [document(number, png(250, number, at)) for number in range(30) for at in (0,)]
    build(tmp_path, *units, reader=None)
    version = Table.open(tmp_path).version

    class Interrupting(FakeReader):
        def read(self, image: Image.Image) -> str:
            found = super().read(image)
            if self.reads >= 20 and interrupt.acquire(blocking=False):
                # Reading runs ahead of writing: without a wait, a busy machine may have written nothing yet.
                deadline = time.monotonic() + 60
                while Table.open(tmp_path).version <= version + 4:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGINT)
            return found

    interrupt = Semaphore(1)
    first, second = Interrupting(), FakeReader()
    with pytest.raises(KeyboardInterrupt):
        # Batches of one: however slow the machine, what was read before the wait is not held back to fill a batch.
        build(tmp_path, *units, reader=first, batch_size=1, rows_a_commit=1)
    assert set(words(tmp_path).values()) == {None}, "searches see the last finished build"
    summary = build(tmp_path, *units, reader=second)
    assert summary.changes.unchanged > 0
    assert second.reads == 30 - summary.changes.unchanged
    assert all(words(tmp_path).values())


NOISY = [document(number, png(250, number, 0), GREEN) for number in range(40)]


class SlowReader(FakeReader):
    def read(self, image: Image.Image) -> str:
        time.sleep(0.05)
        return super().read(image)


def read_slowly(folder: Path) -> None:
    build(folder, *NOISY, reader=SlowReader(), rows_a_commit=1)


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    build(folder, *NOISY, reader=None)
    version = Table.open(folder).version
    process = get_context("forkserver").Process(target=read_slowly, args=(folder,))
    process.start()
    while process.is_alive() and Table.open(folder).version < version + 20:
        time.sleep(0.05)
    process.kill()
    process.join()
    reader = FakeReader()
    summary = build(folder, *NOISY, reader=reader)
    assert process.exitcode == -signal.SIGKILL
    assert summary.changes.unchanged >= 4
    assert reader.reads == 40 - summary.changes.unchanged, "the green image, which all have, is known"
    build(tmp_path / "fresh", *NOISY, reader=FakeReader())
    assert_same(folder, tmp_path / "fresh")


@pytest.mark.parametrize("cut", range(5))
def test_cut_off_between_two_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    """Each write of the stage is the last one of a process that is killed; the next build ends what it began."""
    units = [document(1, RED, GREEN, BLUE), document(2, RED)]
    build(tmp_path / "index", *units, reader=None)
    writes = 0

    def counted(name: str) -> Any:
        original = getattr(Table, name)

        def write(self: Table, *args: Any) -> None:
            nonlocal writes
            if writes >= cut:
                raise KeyboardInterrupt
            writes += 1
            original(self, *args)

        return write

    with monkeypatch.context() as patched:
        for name in ("append", "update_rows", "delete_rejects"):
            patched.setattr(Table, name, counted(name))
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "index", *units, reader=FakeReader())
    build(tmp_path / "index", *units, reader=FakeReader())
    build(tmp_path / "fresh", *units, reader=FakeReader())
    assert_same(tmp_path / "index", tmp_path / "fresh")


def test_two_threads_that_want_one_image_read_it_once(tmp_path: Path) -> None:
    build(tmp_path, document(1, GREEN), reader=None)
    reader = FakeReader()
    texts = FigureTexts(Table.open(tmp_path), [], reader, CorpusSettings(), Clock())
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: texts.of("0" * 32, RED), range(20)))
    assert ({found.text for found in said}, reader.reads) == ({"reader saw 10 20"}, 1)


def test_embeddings_are_the_same_with_and_without_the_stage(tmp_path: Path) -> None:
    large = Image.effect_noise((3000, 2400), 80).convert("RGB")
    large.save(tmp_path / "large.jpg", quality=80)
    unit = document(1, (tmp_path / "large.jpg").read_bytes())
    build(tmp_path / "with", unit, reader=FakeReader())
    build(tmp_path / "without", unit, reader=None)
    ((one,),), ((other,),) = (rows(tmp_path / name, "figure", "image_embedding") for name in ("with", "without"))
    np.testing.assert_array_equal(one, other)
