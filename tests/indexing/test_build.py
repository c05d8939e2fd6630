from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest

from abs_index.corpus.document import Document, Figure, Reject, Text
from abs_index.corpus.rejects import BAD_VECTOR, IMAGE_DAMAGED, IMAGE_FORMAT, IMAGE_MISSING, NOT_WELL_FORMED
from abs_index.errors import (
    CorpusError,
    DamagedIndexError,
    IndexLockedError,
    ModelMismatchError,
    NotAnIndexError,
    StorageError,
)
from abs_index.indexing.build import BuildOptions, build_index, index_documents
from abs_index.indexing.lock import write_lock
from abs_index.indexing.summary import BuildSummary
from abs_index.indexing.table import Table
from abs_index.indexing.table_errors import table_errors
from abs_index.model.base import ImageFeatures, PairPredictions
from tests.fakes import FakeArticle, FakeFigure, FakeModel, write_article, write_corpus
from tests.indexing.helpers import MemoryFiles, content_of, make_document, png

SMALL = BuildOptions(batch_size=4, workers=2, rows_a_commit=10)


def index(folder: Path, model: FakeModel, *units: Document | Reject, options: BuildOptions = SMALL) -> BuildSummary:
    return index_documents((("tests", unit) for unit in units), folder, model, options=options)


def with_images(document: Document, **images: bytes) -> Document:
    """The document with other bytes for some of its images ("0-1.png" as `i0_1`)."""
    content = dict(document.files.content)
    for name, value in images.items():
        content[name[1:].replace("_", "-") + ".png"] = value
    return replace(document, files=MemoryFiles(content))


# what is written


def test_everything_of_a_document_is_in_the_table(tmp_path: Path, model: FakeModel) -> None:
    document = make_document(7, figures=2, mentions=1)
    summary = index(tmp_path, model, document)
    assert (summary.documents, summary.figures, summary.images, summary.pairs) == (1, 2, 2, 4)
    assert sum(summary.labels.values()) == 4
    opened = Table.open_published(tmp_path)
    pair = next(opened.batches("pair", opened.schema.names)).to_pylist()[1]
    expected = {
        "document": "doc-7",
        "path": "7.xml",
        "source": "tests",
        "title": "Study 7",
        "year": 2007,
        "authors": ["A. Author", "B. Author"],
        "figure": "f0",
        "label": "Figure 0",
        "caption": "Overview 0 of 7",
        "image": "7-0.png",
        "images": ["7-0.png"],
        "width": 6,
        "height": 4,
        "image_format": "PNG",
        "image_embedding": None,
        "role": "mention",
        "section": "Results",
        "text": "As Figure 0 shows in turn 0",
        "text_raw": "raw",
    }
    assert {name: pair[name] for name in expected} == expected
    assert sum(pair["abs_prob"].values()) == pytest.approx(1, abs=1e-5)
    assert pair["abs_prob"][pair["abs"]] == max(pair["abs_prob"].values())


def test_rows_and_vectors_belong_together(tmp_path: Path, model: FakeModel) -> None:
    """What came out of batches across documents is what the model says of each pair alone."""
    documents = [make_document(number, figures=number % 4, mentions=number % 3) for number in range(11)]
    index(tmp_path, model, *documents)
    stored = content_of(Table.open_published(tmp_path))
    alone = FakeModel()
    for number in (3, 10):
        index(tmp_path / f"alone-{number}", alone, documents[number])
        single = content_of(Table.open_published(tmp_path / f"alone-{number}"))
        assert single.labels.items() <= stored.labels.items()
        for pair, vector in single.pair_vectors.items():
            np.testing.assert_allclose(stored.pair_vectors[pair], vector, atol=1e-5)
        for figure, vector in single.figure_vectors.items():
            np.testing.assert_allclose(stored.figure_vectors[figure], vector, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("workers", [1, 3])
def test_options_do_not_change_the_index(tmp_path: Path, batch_size: int, workers: int) -> None:
    documents = [make_document(number, figures=number % 4) for number in range(9)]
    index(tmp_path / "a", FakeModel(), *documents)
    index(tmp_path / "b", FakeModel(), *documents, options=BuildOptions(batch_size=batch_size, workers=workers))
    content_of(Table.open(tmp_path / "a")).assert_same(content_of(Table.open(tmp_path / "b")))


def test_an_image_is_embedded_once_however_many_pairs_it_is_in(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, make_document(1, figures=2, mentions=5))
    assert (model.images_seen, model.pairs_seen) == (2, 12)


def test_the_same_image_in_several_documents_is_embedded_once(tmp_path: Path, model: FakeModel) -> None:
    documents = [with_images(make_document(number), **{f"i{number}_0": png(1, 2, 3)}) for number in range(5)]
    index(tmp_path, model, *documents)
    assert model.images_seen == 5 + 1


def test_an_image_is_read_once(tmp_path: Path, model: FakeModel) -> None:
    document = make_document(1, figures=3, mentions=2)
    index(tmp_path, model, document)
    assert sorted(document.files.reads) == ["1-0.png", "1-1.png", "1-2.png"]


def test_text_that_is_no_unicode_is_kept_readable(tmp_path: Path, model: FakeModel) -> None:
    document = replace(make_document(1), id="caf\udce9.xml", title="a\ud800b", year=99999999999)
    assert index(tmp_path, model, document).documents == 1
    summary = index(tmp_path, model, document)
    assert (summary.documents, summary.changes.unchanged) == (1, 1)


# incremental


def test_nothing_to_do_changes_nothing(tmp_path: Path, model: FakeModel) -> None:
    units = [*map(make_document, range(5)), Reject("bad.xml", NOT_WELL_FORMED), Reject("bad.xml", "second reason")]
    first = index(tmp_path, model, *units)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "table.lance").rglob("*") if path.is_file()}
    second = index(tmp_path, model, *units)
    assert model.images_seen == 10
    assert (second.version, second.documents, second.pairs) == (first.version, 5, 20)
    assert second.rejects == first.rejects == {NOT_WELL_FORMED: 1, "second reason": 1}
    assert str(second.changes) == "0 new, 0 changed, 0 removed, 5 unchanged"
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "table.lance").rglob("*") if path.is_file()}


def test_only_new_and_changed_documents_are_embedded(tmp_path: Path, model: FakeModel) -> None:
    documents = [make_document(number) for number in range(20)]
    index(tmp_path, model, *documents)
    model.images_seen = 0
    documents[3] = make_document(3, caption="Another caption")
    del documents[10]
    documents.insert(0, make_document(50))
    summary = index(tmp_path, model, *documents)
    assert str(summary.changes) == "1 new, 1 changed, 1 removed, 18 unchanged"
    assert model.images_seen == summary.changes.embedded == 4
    index(tmp_path / "fresh", FakeModel(), *documents)
    content_of(Table.open_published(tmp_path)).assert_same(content_of(Table.open_published(tmp_path / "fresh")))


def test_an_image_alone_can_change(tmp_path: Path, model: FakeModel) -> None:
    document = make_document(1)
    index(tmp_path, model, document)
    before = content_of(Table.open_published(tmp_path))
    summary = index(tmp_path, model, with_images(document, i1_0=png(250, 250, 1)))
    assert str(summary.changes) == "0 new, 1 changed, 0 removed, 0 unchanged"
    after = content_of(Table.open_published(tmp_path))
    assert before.labels.keys() == after.labels.keys()
    assert not np.allclose(before.figure_vectors["doc-1", "f0"], after.figure_vectors["doc-1", "f0"])
    np.testing.assert_array_equal(before.figure_vectors["doc-1", "f1"], after.figure_vectors["doc-1", "f1"])


def test_an_image_that_was_missing_is_found_later(tmp_path: Path, model: FakeModel) -> None:
    document = make_document(1)
    missing = replace(document, files=MemoryFiles({"1-1.png": document.files.content["1-1.png"]}))
    assert index(tmp_path, model, missing).rejects == {IMAGE_MISSING: 1}
    summary = index(tmp_path, model, document)
    assert (summary.changes.changed, summary.images, summary.rejects) == (1, 2, {})


def test_metadata_alone_can_change(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, make_document(1))
    summary = index(tmp_path, model, replace(make_document(1), licence="CC BY 4.0"))
    assert summary.changes.changed == 1
    batch = next(Table.open_published(tmp_path).batches("figure", ["licence"]))
    assert set(batch["licence"].to_pylist()) == {"CC BY 4.0"}


def test_files_that_were_refused_are_refused_anew(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, make_document(1), Reject("a.xml", NOT_WELL_FORMED), Reject("b.xml", NOT_WELL_FORMED))
    summary = index(tmp_path, model, make_document(1), Reject("b.xml", "empty file"))
    assert (summary.rejects, summary.changes.removed) == ({"empty file": 1}, 0)
    assert index(tmp_path, model, make_document(1)).rejects == {}


def test_other_documents_replace_the_ones_before(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, *map(make_document, range(3)))
    summary = index(tmp_path, model, *map(make_document, range(2, 6)))
    assert str(summary.changes) == "3 new, 0 changed, 2 removed, 1 unchanged"
    assert set(content_of(Table.open_published(tmp_path)).documents) == {f"doc-{number}" for number in range(2, 6)}


def test_many_small_builds_leave_few_files(tmp_path: Path, model: FakeModel) -> None:
    for last in range(1, 21):
        index(tmp_path, model, *map(make_document, range(last)))
    assert len(list((tmp_path / "table.lance" / "data").iterdir())) <= 17
    assert len(list((tmp_path / "table.lance" / "_versions").glob("*.manifest"))) <= 2
    assert Table.open_published(tmp_path).count("document") == 20


# when something is wrong with the corpus


def test_bad_images_and_files_stop_nothing(tmp_path: Path, model: FakeModel) -> None:
    good = make_document(1)
    images = {"cut.png": png(1, 2, 3)[:-30], "x.svg": b"<svg/>", "empty.png": b"", "late.png": png(9, 9, 9)}
    bad = Document(
        "bad",
        "bad.xml",
        "bad.xml",
        "jats",
        MemoryFiles(images, prefix="pack.zip/"),
        figures=(
            Figure("cut", caption=Text("c", "c"), images=("cut.png",)),
            Figure("saved", caption=Text("s", "s"), images=("x.svg", "late.png", "gone.png")),
            Figure("gone", caption=Text("g", "g"), images=("gone.png",)),
            Figure("none", caption=Text("n", "n")),
        ),
    )
    summary = index(tmp_path, model, Reject("no.xml", NOT_WELL_FORMED, "line 3"), bad, good)
    assert summary.rejects == {NOT_WELL_FORMED: 1, IMAGE_DAMAGED: 1, IMAGE_FORMAT: 1, IMAGE_MISSING: 1}
    assert (summary.documents, summary.figures, summary.images, summary.pairs) == (2, 6, 3, 5)
    figures = {
        (row["document"], row["figure"]): row
        for batch in Table.open_published(tmp_path).batches("figure", ["document", "figure", "image", "images"])
        for row in batch.to_pylist()
    }
    assert figures["bad", "saved"]["image"] == "pack.zip/late.png"
    assert figures["bad", "saved"]["images"] == ["pack.zip/x.svg", "pack.zip/late.png", "pack.zip/gone.png"]
    assert figures["bad", "cut"]["image"] is None
    rejects = content_of(Table.open_published(tmp_path)).rejects
    assert ("bad", "pack.zip/cut.png", "cut", IMAGE_DAMAGED) in rejects
    assert ("no.xml", "no.xml", "", NOT_WELL_FORMED) in rejects


class Poisoned(FakeModel):
    """Gives vectors that cannot be used for red images and for texts with the word "poison"."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def encode_images(self, pixels: np.ndarray) -> ImageFeatures:
        features = super().encode_images(pixels)
        features.embedding[pixels[:, -1, -1, 0] == 255] = self.value
        return features

    def encode_pairs(self, features, texts, roles, figures=None) -> PairPredictions:  # type: ignore[no-untyped-def]
        said = super().encode_pairs(features, texts, roles, figures)
        said.embedding[["poison" in text for text in texts]] = self.value
        return said


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_that_cannot_be_compared_are_never_stored(tmp_path: Path, value: float) -> None:
    document = with_images(make_document(1, figures=3, mentions=1), i1_1=png(255, 0, 0))
    figures = (replace(document.figures[0], caption=Text("poison", "poison")), *document.figures[1:])
    summary = index(tmp_path, Poisoned(value), replace(document, figures=figures))
    assert summary.rejects == {BAD_VECTOR: 2}
    assert (summary.figures, summary.images, summary.pairs) == (3, 3, 3)
    content = content_of(Table.open_published(tmp_path))
    assert all(np.isfinite(vector).all() and vector.any() for vector in content.pair_vectors.values())
    assert {reject[2] for reject in content.rejects} == {"f0", "f1"}


def test_an_error_while_reading_removes_nothing(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, *map(make_document, range(6)))

    def breaks() -> Iterator[tuple[str, Document | Reject]]:
        yield "tests", make_document(9)
        raise CorpusError("the disk went away")

    with pytest.raises(CorpusError, match="went away"):
        index_documents(breaks(), tmp_path, model)
    assert Table.open_published(tmp_path).count("document") == 6
    assert {f"doc-{number}" for number in range(6)} <= set(Table.open(tmp_path).fingerprints())
    assert index(tmp_path, model, *map(make_document, range(6))).documents == 6


def test_no_documents_at_all_leave_the_index_alone(tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(CorpusError, match="no document was found"):
        index(tmp_path / "new", model)
    assert not (tmp_path / "new").exists()
    index(tmp_path / "old", model, make_document(1))
    with pytest.raises(CorpusError, match="no document was found"):
        index(tmp_path / "old", model)
    assert Table.open_published(tmp_path / "old").count("document") == 1


# when something is wrong with the index


def test_another_model_is_refused_or_rebuilt(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, make_document(1))
    other = FakeModel("other", seed=1)
    with pytest.raises(ModelMismatchError, match="--rebuild"):
        index(tmp_path, other, make_document(1))
    seen: list[str] = []

    def documents() -> Iterator[tuple[str, Document | Reject]]:
        yield "tests", make_document(1)
        seen.append(Table.open_published(tmp_path).model_name)

    index_documents(documents(), tmp_path, other, options=replace(SMALL, rebuild=True))
    assert seen == ["fake"]
    assert Table.open_published(tmp_path).model_name == "other"
    index(tmp_path / "fresh", FakeModel("other", seed=1), make_document(1))
    content_of(Table.open_published(tmp_path)).assert_same(content_of(Table.open_published(tmp_path / "fresh")))


def test_readers_go_on_while_a_build_runs(tmp_path: Path, model: FakeModel) -> None:
    index(tmp_path, model, *map(make_document, range(4)))
    reader = Table.open_published(tmp_path)
    counts: list[tuple[int, int]] = []

    def documents() -> Iterator[tuple[str, Document | Reject]]:
        for number in range(100, 160):
            yield "tests", make_document(number)
            counts.append((reader.count("pair"), Table.open_published(tmp_path).count("pair")))

    index_documents(documents(), tmp_path, model, options=SMALL)
    assert set(counts) == {(16, 16)}
    assert Table.open_published(tmp_path).count("document") == 60
    assert len(content_of(reader).documents) == 4, "the version before stays for those who have it open"


def test_a_second_build_is_refused_while_one_runs(tmp_path: Path, model: FakeModel) -> None:
    with write_lock(tmp_path), pytest.raises(IndexLockedError, match=f"process {os.getpid()}"):
        index(tmp_path, model, make_document(1))


def test_a_folder_that_holds_something_else(tmp_path: Path, model: FakeModel) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(NotAnIndexError, match="not empty and holds no index"):
        index(tmp_path, model, make_document(1), options=replace(SMALL, rebuild=True))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(NotAnIndexError, match="is a file"):
        index(tmp_path / "thesis.tex", model, make_document(1))


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_table_is_told_and_can_be_rebuilt(tmp_path: Path, model: FakeModel, damage: str) -> None:
    documents = [make_document(number) for number in range(6)]
    index(tmp_path, model, *documents)
    path = next((tmp_path / "table.lance" / "data").iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content if damage == "flip" else content[:-20])
    with pytest.raises(DamagedIndexError, match="--rebuild"):
        index(tmp_path, model, *documents)
    assert index(tmp_path, model, *documents, options=replace(SMALL, rebuild=True)).documents == 6
    assert len(content_of(Table.open_published(tmp_path)).documents) == 6


class SmallDisk:
    """A file system of 3 MB that can be filled; where mounting is not permitted, Lance says that it is full."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.folder = folder
        self._patch = monkeypatch
        options = ["-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
        self._mounted = not subprocess.run(["mount", *options], capture_output=True, check=False).returncode

    def fill(self) -> None:
        if not self._mounted:
            self._patch.setattr(lance, "write_dataset", _says_full)
            return
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)

    def empty(self) -> None:
        self._patch.undo()
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


def _says_full(*_: object, **__: object) -> None:
    raise OSError("LanceError(IO): Generic LocalFileSystem error: No space left on device (os error 28)")


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk", monkeypatch)
    yield disk
    disk.close()


def test_a_full_disk(small_disk: SmallDisk, model: FakeModel) -> None:
    folder = small_disk.folder / "index"
    documents = [make_document(number, figures=3, mentions=4) for number in range(3)]
    index(folder, model, *documents)
    small_disk.fill()
    with pytest.raises(StorageError, match=f"{folder}: the disk is full"):
        index(folder, model, *(make_document(number, figures=3, mentions=4) for number in range(40)))
    assert len(content_of(Table.open_published(folder)).documents) == 3
    small_disk.empty()
    assert index(folder, model, *documents).documents == 3


@pytest.mark.parametrize("stage", ["append", "delete_documents", "mark_published"])
def test_a_disk_that_gets_full_at_any_stage(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    index(tmp_path, model, *map(make_document, range(3)))

    def fails(*_: object, **__: object) -> None:
        with table_errors(tmp_path):
            _says_full()

    with monkeypatch.context() as patched:
        patched.setattr(Table, stage, fails)
        with pytest.raises(StorageError, match="the disk is full; what was committed before is kept"):
            index(tmp_path, model, *map(make_document, range(1, 6)))
    assert len(content_of(Table.open_published(tmp_path)).documents) == 3
    assert index(tmp_path, model, *map(make_document, range(6))).documents == 6


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that this process cannot write to any more, also where the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    index(folder, FakeModel(), make_document(1))
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_without_permission(nobody: Path, model: FakeModel) -> None:
    with pytest.raises(StorageError, match=f"{nobody}: cannot write to this folder"):
        index(nobody, model, make_document(2))
    with pytest.raises(StorageError, match="new: cannot write to this folder"):
        index(nobody / "new", model, make_document(2))
    assert Table.open_published(nobody).count("document") == 1


# stopping


def test_ctrl_c_commits_what_is_whole(tmp_path: Path, model: FakeModel) -> None:
    documents = [make_document(number) for number in range(200)]

    def interrupted() -> Iterator[tuple[str, Document | Reject]]:
        for number, document in enumerate(documents):
            if number == 100:
                os.kill(os.getpid(), signal.SIGINT)
            yield "tests", document

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        index_documents(interrupted(), tmp_path, model, options=replace(SMALL, rows_a_commit=100_000))
    assert signal.getsignal(signal.SIGINT) is handler
    committed = len(content_of(Table.open(tmp_path)).documents)
    assert 0 < committed < 200
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("read", "load", "network")]
    summary = index(tmp_path, model, *documents)
    assert (summary.changes.new, summary.changes.unchanged) == (200 - committed, committed)
    assert model.images_seen < 400 + 200


# from files


def test_a_corpus_of_files(tmp_path: Path, model: FakeModel) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=3, figures=2, mentions=2)
    (corpus / "broken.xml").write_text("<article><front>")
    summary = build_index([corpus], tmp_path / "index", model, options=SMALL)
    assert (summary.documents, summary.figures, summary.images, summary.pairs) == (3, 6, 6, 18)
    assert summary.rejects == {NOT_WELL_FORMED: 1}
    write_article(
        corpus / "article-001", FakeArticle("10.1234/test.1", [FakeFigure("f0", "New caption.", ("A word",))])
    )
    summary = build_index([corpus], tmp_path / "index", model, options=SMALL)
    assert str(summary.changes) == "0 new, 1 changed, 0 removed, 2 unchanged"


def test_several_corpora_are_one_set(tmp_path: Path, model: FakeModel) -> None:
    one = write_corpus(tmp_path / "one", documents=2)
    write_article(tmp_path / "two" / "x", FakeArticle("10.5555/x", [FakeFigure("f1")]))
    folder = tmp_path / "index"
    assert build_index([one, tmp_path / "two"], folder, model).documents == 3
    summary = build_index([tmp_path / "two"], folder, model)
    assert str(summary.changes) == "0 new, 0 changed, 2 removed, 1 unchanged"


def test_a_missing_corpus_makes_no_index(tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(CorpusError, match="gone"):
        build_index([tmp_path / "gone"], tmp_path / "index", model)
    assert not (tmp_path / "index").exists()
