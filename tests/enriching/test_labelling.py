"""Labels of figures with the words in them, without a server."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from abs_index.cli.main import app
from abs_index.enriching import labelling
from abs_index.enriching.elements import Element, Fields, Json, find_elements, partial_document
from abs_index.enriching.enrich import EnrichOptions, enrich
from abs_index.enriching.images import ImageSource
from abs_index.enriching.labelling import Labeller, LabelSettings
from abs_index.enriching.reading import UserDocument
from abs_index.errors import MissingExtraError, UsageError
from abs_index.labels import Role
from abs_index.model.base import FigureWords
from abs_index.recipe import CorpusSettings
from tests.fakes import FakeModel, FakeReader, ReadingModel
from tests.indexing.helpers import png

FIELDS = Fields(("figures", "path"), ("figures", "caption"))
PICTURES = {"red.png": (250, 10, 20), "green.png": (10, 200, 30), "blue.png": (0, 0, 255)}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, colour in PICTURES.items():
        (tmp_path / name).write_bytes(png(*colour))
    return tmp_path


def label(
    figures: list[Json],
    images: Path,
    reader: FakeReader | None = None,
    model: FakeModel | None = None,
    fields: Fields = FIELDS,
    **settings: Any,
) -> list[Element]:
    """Labels figures, and writes the labels into them as an update does."""
    source = {"figures": figures}
    document = UserDocument("1", None, 0, 1, source, find_elements(source, fields))
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


# what else a document says of a figure


TOLD = replace(FIELDS, alt=("figures", "alt"))
MENTION = Fields(FIELDS.image, ("figures", "text"), alt=("figures", "alt"), caption=FIELDS.text)


def test_model_is_told_what_documents_say_of_figures(images: Path) -> None:
    made = [
        {"path": "red.png", "text": "See 1.", "alt": "A  map", "caption": "Rivers"},
        {"path": "green.png", "text": "See 2.", "caption": "Roads"},
        {"path": "red.png", "text": "See 1.", "alt": "A plan", "caption": "Rivers"},
    ]
    model = ReadingModel()
    elements = label(made, images, FakeReader(), model, MENTION, role="mention")
    assert model.heard == [
        FigureWords("reader saw 10 20", "A map", "Rivers"),
        FigureWords("", "", "Roads"),
        FigureWords("reader saw 10 20", "A plan", "Rivers"),
    ]
    assert [element.reason for element in elements] == ["", "", ""]
    assert model.images_seen == 2, "an image goes through the network once, whatever is said of it"


def test_other_words_about_a_figure_give_other_labels(images: Path) -> None:
    made = figures("red", "red")
    made[0] |= {"caption": "Figure", "alt": "A map of rivers"}
    made[1] |= {"caption": "Figure", "alt": "A plan of roads"}
    label(made, images, model=ReadingModel(), fields=TOLD)
    assert made[0]["abs_prob"] != made[1]["abs_prob"]


def mark_without_options(element: Element, role: str) -> str:
    """What stands in indexes that were labelled before there were these options."""
    made_from = [labelling._VERSION, FakeModel().info.fingerprint, role, element.text, element.image, element.digest]
    return blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()


def test_labels_that_were_made_without_these_options_stay(images: Path) -> None:
    made = figures("red", "green")
    made[0]["alt"] = "A map"
    for element in label(made, images):
        assert element.mark == mark_without_options(element, "caption")
    assert [element.labels for element in label(made, images)] == [None, None]
    first, second = label(made, images, fields=TOLD)
    assert first.labels, "now there is something to tell"
    assert (second.labels, second.reason) == (None, ""), "without an alternative text, nothing else than before"


@pytest.mark.parametrize("change", ["alt", "caption"])
def test_labels_are_made_again_where_what_was_told_changes(images: Path, change: str) -> None:
    def run() -> list[bool]:
        return [element.labels is not None for element in label(made, images, fields=MENTION, role="mention")]

    made = [{"path": "red.png", "text": "See 1.", "alt": "A map", "caption": "Rivers"}, *figures("green")]
    made[1]["text"] = "See 2."
    assert run() == [True, True]
    assert run() == [False, False]
    made[0][change] = f"{made[0][change]} of Asia"
    assert run() == [True, False]
    made[0][change] = None
    assert run() == [True, False]
    assert run() == [False, False]


def test_alternative_text_is_no_caption(images: Path) -> None:
    """The same words in the other field are something else."""
    made: list[Json] = [{"path": "red.png", "text": "See 1.", "alt": "A map"}]
    (as_alt,) = label(made, images, fields=MENTION, role="mention")
    made[0] |= {"alt": None, "caption": "A map"}
    (as_caption,) = label(made, images, fields=MENTION, role="mention")
    assert as_caption.labels
    assert as_caption.mark != as_alt.mark


@pytest.mark.parametrize("role", ["caption", "mention"])
def test_caption_field_goes_with_mentions(role: Role) -> None:
    given = EnrichOptions("a", "b", caption_field="c", labels=LabelSettings(role=role))
    nowhere: Any = None
    message = "--caption-field goes with --role mention" if role == "caption" else "where are the images"
    with pytest.raises(UsageError, match=message):
        enrich(nowhere, "x", FakeModel(), given)


def test_without_the_packages_it_says_what_to_install_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    given = ["--elasticsearch", "http://127.0.0.1:1", "--name", "x", "--image-field", "a", "--text-field", "b"]
    with pytest.raises(MissingExtraError, match=r"pip install 'abs-index\[figure-text\]'"):
        CliRunner().invoke(app, ["enrich", *given, "--figure-text"], catch_exceptions=False)
