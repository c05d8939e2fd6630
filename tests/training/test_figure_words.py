"""Words in the figures of labelled pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.errors import LabelsError, RejectedError
from abs_index.training.figure_words import read_figure_words


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
