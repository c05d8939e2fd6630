"""Words in the figures of labelled pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from abs_index.cli.main import app
from abs_index.corpus.figure_text import MAX_SIDE, decode_for_reading
from abs_index.corpus.images import decode_image
from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.errors import LabelsError, RejectedError
from abs_index.indexing.build import BuildOptions, index_documents
from abs_index.indexing.table import Table
from abs_index.training.figure_words import read_figure_words
from tests.fakes import FakeModel
from tests.indexing.helpers import MemoryFiles, make_document


class SizeReader:
    """Says how wide a picture is, and counts."""

    def __init__(self, name: str = "sizes") -> None:
        self.name = name
        self.reads = 0

    def read(self, image: Image.Image) -> str:
        self.reads += 1
        if image.width == 66:
            raise RejectedError(FIGURE_TEXT, "no")
        return f"{image.width} wide"


def draw(folder: Path, *widths: int) -> list[str]:
    for width in widths:
        Image.new("RGB", (width, 20), "white").save(folder / f"{width}.png")
    return [f"{width}.png" for width in widths]


def test_each_picture_is_read_once_also_by_the_next_training(tmp_path: Path) -> None:
    names, reader = draw(tmp_path, 30, 40), SizeReader()
    told: list[tuple[int, int]] = []
    cache = tmp_path / "cache"
    first = read_figure_words(reader, names, tmp_path, cache, lambda done, total: told.append((done, total)))
    assert first == {"30.png": "30 wide", "40.png": "40 wide"}
    assert told == [(1, 2), (2, 2)]
    assert read_figure_words(reader, names, tmp_path, cache) == first
    assert reader.reads == 2


def test_another_reader_or_another_picture_is_read_again(tmp_path: Path) -> None:
    names, reader = draw(tmp_path, 30), SizeReader()
    read_figure_words(reader, names, tmp_path, tmp_path)
    Image.new("RGB", (50, 20), "white").save(tmp_path / "30.png")
    assert read_figure_words(reader, names, tmp_path, tmp_path) == {"30.png": "50 wide"}
    assert read_figure_words(SizeReader("other"), names, tmp_path, tmp_path) == {"30.png": "50 wide"}


def test_a_reading_that_was_stopped_in_a_line_goes_on(tmp_path: Path) -> None:
    names, reader, cache = draw(tmp_path, 30, 40), SizeReader(), tmp_path / "cache"
    read_figure_words(reader, names, tmp_path, cache)
    (notes,) = cache.iterdir()
    notes.write_text(notes.read_text()[:-5])
    for _ in range(2):
        assert read_figure_words(reader, names, tmp_path, cache) == {"30.png": "30 wide", "40.png": "40 wide"}
    assert reader.reads == 3


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    names, reader = draw(tmp_path, 30), SizeReader()
    read_figure_words(reader, names, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["30.png"]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for name in (*draw(tmp_path, 66), "bad.png", "missing.png"):
        with pytest.raises(LabelsError, match=name):
            read_figure_words(SizeReader(), [name], tmp_path)


class PixelReader:
    """Says which pixels it was given."""

    name = "pixels"

    def __init__(self, *_: object) -> None:
        pass

    def read(self, image: Image.Image) -> str:
        return f"{image.width} x {image.height}: {sha256(image.tobytes()).hexdigest()}"


def draw_noise(path: Path, width: int, height: int) -> bytes:
    noise = np.random.default_rng(1).integers(256, size=(height // 10, width // 10, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR).save(path)
    return path.read_bytes()


def test_a_large_picture_is_read_in_the_same_pixels_by_build_training_and_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = draw_noise(tmp_path / "large.jpg", 4200, 4100)
    document = replace(make_document(1, figures=1), files=MemoryFiles({"1-0.png": content}))
    options = BuildOptions(batch_size=1, workers=1, reader=PixelReader())
    index_documents([("tests", document)], tmp_path / "index", FakeModel(), options=options)
    (batch,) = Table.open_published(tmp_path / "index").batches("figure", ["figure_text"])
    (built,) = batch.to_pydict()["figure_text"]
    trained = read_figure_words(PixelReader(), ["large.jpg"], tmp_path)["large.jpg"]
    monkeypatch.setattr("abs_index.corpus.figure_text.RapidReader", PixelReader)
    command = ["predict", str(tmp_path / "large.jpg"), "--text", "A.", "--figure-text", "--json", "--device", "cpu"]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert built == trained == json.loads(said.stdout)["figure_text"]
    assert built.startswith("2100 x 2050: "), "it is not decoded larger than it is read"


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_that_is_not_too_large_to_read_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    content = draw_noise(tmp_path / name, MAX_SIDE, MAX_SIDE)
    assert decode_for_reading(content).tobytes() == decode_image(content).image.tobytes()
