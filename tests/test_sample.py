"""The sample corpus: what is in it, and that it is always the same."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from abs_index.cli import sample as commands
from abs_index.cli.main import app
from abs_index.corpus.document import Document
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.read import read_corpus
from abs_index.errors import UsageError
from abs_index.sample.corpus import write_sample
from abs_index.sample.pictures import DAMAGED, PICTURES, picture_files


def documents_of(corpus: Path) -> list[Document]:
    return [item for item in read_corpus([corpus]) if isinstance(item, Document)]


def test_formats_figures_and_mentions(sample_corpus: Path) -> None:
    documents = documents_of(sample_corpus)
    assert Counter(document.format for document in documents) == {"jats": 5, "cnxml": 3, "html": 2}
    assert sum(len(document.figures) for document in documents) == 43
    roles = Counter(pair.role for document in documents for pair in pair_document(document))
    assert roles["caption"] == 43
    assert roles["mention"] >= 43, "every figure is mentioned"


def test_every_figure_has_a_caption_and_a_mention(sample_corpus: Path) -> None:
    for document in documents_of(sample_corpus):
        pairs = Counter((pair.figure, pair.role) for pair in pair_document(document))
        for figure in document.figures:
            assert pairs[figure.id, "caption"] == 1, (document.id, figure.id)
            assert pairs[figure.id, "mention"] >= 1, (document.id, figure.id)


def test_pictures_open_save_the_damaged_one(sample_corpus: Path) -> None:
    for name in PICTURES:
        if not name.startswith("packages/"):
            with Image.open(sample_corpus / name) as image:
                image.load()
                assert min(image.size) >= 200
    with pytest.raises(OSError, match="truncated"), Image.open(sample_corpus / DAMAGED) as image:
        image.load()


def test_package_holds_a_document_with_its_pictures(sample_corpus: Path) -> None:
    with tarfile.open(sample_corpus / "packages" / "coral-reefs.tar.gz") as archive:
        assert "coral-reefs/coral-reefs.nxml" in archive.getnames()
        assert len(archive.getnames()) == 6


@pytest.mark.parametrize(
    "name", ["articles/gel-electrophoresis/apparatus.png", "textbook/media/moon.jpg", "lectures/volcanoes/plates.png"]
)
def test_drawing_again_gives_the_same_bytes(sample_corpus: Path, name: str) -> None:
    assert picture_files()[name]() == (sample_corpus / name).read_bytes()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.xml").write_text("precious")
    with pytest.raises(UsageError, match=r"thesis\.xml"):
        write_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.xml"]


def test_a_file_in_the_way_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.sample.corpus.picture_files", dict)
    (tmp_path / "sample").write_text("")
    with pytest.raises(UsageError, match="cannot write the sample corpus"):
        write_sample(tmp_path / "sample")


def test_command_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.sample.corpus.picture_files", lambda: {"a.png": lambda: b"picture"})
    result = CliRunner().invoke(app, ["sample", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert (tmp_path / "new" / "a.png").read_bytes() == b"picture"
    assert (tmp_path / "new" / "articles" / "traffic-waves.xml").is_file()


def test_demo_shows_the_commands_that_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abs_index.sample.corpus.picture_files", lambda: {"a.png": lambda: b"picture"})
    monkeypatch.setattr(commands, "_demonstration", lambda corpus, index: [["sample", corpus], ["stats", corpus]])
    result = CliRunner().invoke(app, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 0
    corpus = tmp_path / "corpus"
    assert (corpus / "articles" / "traffic-waves.xml").is_file()
    assert [line for line in result.stdout.splitlines() if line.startswith("$")] == [
        f"$ abs-index sample {corpus}",
        f"$ abs-index stats {corpus}",
    ]


def test_demo_ends_with_the_first_command_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        commands, "_demonstration", lambda corpus, index: [["show", "--no-such-option"], ["sample", corpus]]
    )
    result = CliRunner().invoke(app, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert not (tmp_path / "corpus").exists()


def test_demo_builds_and_searches() -> None:
    names = [line[0] for line in commands._demonstration("corpus", "index")]
    assert names[:3] == ["sample", "stats", "build"]
    assert {"search", "similar"} <= set(names)
