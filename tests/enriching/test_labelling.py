"""Labels of figures with the words in them, without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from abs_index.cli.main import app
from abs_index.enriching.elements import Element, Fields, Json, find_elements, partial_document
from abs_index.enriching.images import ImageSource
from abs_index.enriching.labelling import Labeller, LabelSettings
from abs_index.enriching.reading import UserDocument
from abs_index.errors import MissingExtraError
from abs_index.recipe import CorpusSettings
from tests.fakes import FakeReader, ReadingModel
from tests.indexing.helpers import png

FIELDS = Fields(("figures", "path"), ("figures", "caption"))
PICTURES = {"red.png": (250, 10, 20), "green.png": (10, 200, 30), "blue.png": (0, 0, 255)}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, colour in PICTURES.items():
        (tmp_path / name).write_bytes(png(*colour))
    return tmp_path


def label(
    figures: list[Json], images: Path, reader: FakeReader | None, model: ReadingModel | None = None, **settings: Any
) -> list[Element]:
    """Labels figures, and writes the labels into them as an update does."""
    source = {"figures": figures}
    document = UserDocument("1", None, 0, 1, source, find_elements(source, FIELDS))
    given = LabelSettings(workers=2, reader=reader, **settings)
    labeller = Labeller(model or ReadingModel(), ImageSource(images, None, CorpusSettings()), given)
    assert [done for batch in labeller.label([document]) for done in batch] == [document]
    partial_document(source, [element for element in document.elements if element.labels], "")
    return document.elements


def figures(*names: str) -> list[Json]:
    return [{"path": f"{name}.png", "caption": f"Figure {number}"} for number, name in enumerate(names)]


def test_words_are_told_to_the_model_and_written(images: Path) -> None:
    made, model, reader = figures("red", "green", "red", "red"), ReadingModel(), FakeReader()
    label(made, images, reader, model)
    assert [one["figure_text"] for one in made] == ["reader saw 10 20", "", "reader saw 10 20", "reader saw 10 20"]
    assert sorted(model.told) == ["", *["reader saw 10 20"] * 3]
    assert reader.reads == 2, "each image once"


def test_without_a_reader_there_is_no_field_of_words(images: Path) -> None:
    made = figures("red")
    label(made, images, None)
    assert made[0]["abs"]
    assert "figure_text" not in made[0]


@pytest.mark.parametrize("vectors", [False, True])
def test_what_was_read_is_not_read_again(images: Path, vectors: bool) -> None:
    made = figures("red")
    label(made, images, None, vectors=vectors)
    assert label(made, images, FakeReader(), vectors=vectors)[0].labels, "labels without words are made again"
    for reader in (FakeReader(), None):
        (element,) = label(made, images, reader, vectors=vectors)
        assert (element.labels, element.reason) == (None, ""), "unchanged, also where nobody reads"
        assert reader is None or reader.reads == 0
    label(made, images, other := FakeReader("other"))
    assert (other.reads, made[0]["figure_text"]) == (1, "other saw 10 20")
    assert ("embedding_pair" in made[0]) == vectors


def test_words_do_not_stay_behind_labels_that_were_made_without(images: Path) -> None:
    made, model = figures("red", "green"), ReadingModel()
    label(made, images, FakeReader())
    made[0]["path"] = "green.png"
    first, second = label(made, images, None, model)
    assert first.labels
    assert second.labels is None
    assert (made[0]["figure_text"], made[1]["figure_text"]) == (None, "")
    assert model.told == [""]
    assert label(made, images, None)[0].labels is None, "a second time, nothing is to be done"


def test_where_the_reader_fails_the_labels_are_made_all_the_same(images: Path) -> None:
    made = figures("blue")
    assert label(made, images, FakeReader())[0].reason == ""
    assert made[0]["abs"]
    assert made[0]["figure_text"] is None
    assert label(made, images, again := FakeReader())[0].labels is None
    assert again.reads == 0


def test_without_the_packages_it_says_what_to_install_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    given = ["--elasticsearch", "http://127.0.0.1:1", "--name", "x", "--image-field", "a", "--text-field", "b"]
    with pytest.raises(MissingExtraError, match=r"pip install 'abs-index\[figure-text\]'"):
        CliRunner().invoke(app, ["enrich", *given, "--figure-text"], catch_exceptions=False)
