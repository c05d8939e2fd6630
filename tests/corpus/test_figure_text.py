"""Words in pictures: real reading of pictures that the tests draw."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont

from abs_index.corpus.figure_text import MAX_CHARACTERS, Line, RapidReader, join_lines
from abs_index.corpus.images import to_rgb
from abs_index.corpus.rejects import FIGURE_TEXT
from abs_index.errors import MissingExtraError, RejectedError
from abs_index.recipe import FigureTextSettings


@pytest.fixture(scope="module")
def reader() -> RapidReader:
    pytest.importorskip("rapidocr", reason="reading needs: pip install 'abs-index[figure-text]'")
    return RapidReader(FigureTextSettings())


def chart(ground: str | tuple[int, ...] = "white", mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (480, 320), ground)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    pen.rectangle((90, 40, 450, 260), outline="black")
    for x, y, text in ((110, 60, "Power curve"), (300, 60, "Turbine"), (180, 285, "Wind speed (m/s)")):
        pen.text((x, y), text, fill="black", font=font)
    upright = Image.new("RGB", (200, 30), "white")
    ImageDraw.Draw(upright).text((5, 3), "Electric power", fill="black", font=font)
    image.paste(upright.rotate(90, expand=True), (20, 60))
    return image


def test_words_of_a_chart_are_read_in_order(reader: RapidReader) -> None:
    words = reader.read(chart())
    assert "Power curve Turbine" in words
    assert "Electric power" in words, "the label of an axis stands upright"
    assert words.endswith("Wind speed (m/s)")


def test_words_on_transparent_ground_are_read_on_white(reader: RapidReader) -> None:
    assert "Power curve Turbine" in reader.read(to_rgb(chart((0, 0, 0, 0), "RGBA")))


def test_a_picture_without_words_has_none(reader: RapidReader) -> None:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).rectangle((0, 120, 300, 200), fill="teal")
    assert reader.read(image) == ""
    assert reader.read(Image.new("RGB", (1, 1))) == ""
    for size in ((2400, 3), (2400, 12), (7, 1900), (40, 6000)):
        assert reader.read(Image.new("RGB", size, "white")) == ""


def test_large_pictures_are_read(reader: RapidReader) -> None:
    large = chart().resize((4800, 3200), Image.Resampling.BILINEAR)
    assert "Power curve Turbine" in reader.read(large)
    assert large.size == (4800, 3200)


def test_unsure_lines_are_left_out(reader: RapidReader) -> None:
    sure = RapidReader(FigureTextSettings(min_score=1.0))
    assert [line.score for line in reader.lines(chart())] > []
    assert sure.read(chart().resize((160, 107))) == ""
    assert sure.name != reader.name


def test_several_threads_read_the_same(reader: RapidReader) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(reader.read, [chart()] * 4))) == 1


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr", reason="reading needs: pip install 'abs-index[figure-text]'")

    def refuse(*_: object) -> None:
        raise AssertionError("reading opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert "Turbine" in RapidReader(FigureTextSettings(detection_side=320)).read(chart())


def test_what_the_networks_cannot_take_is_a_reject(reader: RapidReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader._engine.text_det, "mean", "no number")
    with pytest.raises(RejectedError) as caught:
        reader.read(chart())
    assert caught.value.reason == FIGURE_TEXT
    assert "\n" not in str(caught.value)


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'abs-index\[figure-text\]'"):
        RapidReader(FigureTextSettings())


def test_the_package_is_loaded_only_when_something_is_read() -> None:
    code = "import sys, abs_index.corpus.figure_text; print({'rapidocr', 'cv2', 'onnxruntime'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def line(text: str, left: float, top: float, width: float = 60, height: float = 10) -> Line:
    return Line(text, 1.0, left, top, left + width, top + height)


def test_labels_of_two_lines_stay_together() -> None:
    lines = [line("External", 0, 0), line("Polarized", 200, 3), line("charge", 10, 12, 40), line("atom", 210, 15, 40)]
    for order in (lines, lines[::-1]):
        assert join_lines(order) == "External charge Polarized atom"


def test_a_paragraph_comes_before_what_stands_beside_it_further_down() -> None:
    lines = [line("One", 0, 0), line("two", 0, 12), line("three", 0, 24), line("Beside", 200, 24), line("Below", 0, 90)]
    assert join_lines(lines) == "One two three Beside Below"


def test_rows_of_numbers_are_read_from_left_to_right() -> None:
    assert join_lines([line(str(at), 300 - 100 * at, at % 2) for at in range(4)]) == "3 2 1 0"


def test_long_texts_are_cut_between_words() -> None:
    text = join_lines([line(f"word{at}", 0, 20 * at) for at in range(700)])
    assert MAX_CHARACTERS - 10 < len(text) <= MAX_CHARACTERS
    assert text.split()[-1] == f"word{len(text.split()) - 1}"
    assert len(join_lines([line("x" * 9000, 0, 0)])) == MAX_CHARACTERS
