"""`predict --figure-text`: the words in the image that it is given, read and told to the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from abs_index.cli.main import app
from abs_index.errors import RejectedError

pytest.importorskip("rapidocr", reason="reading needs: pip install 'abs-index[figure-text]'")


def test_predict_reads_the_image_that_it_is_given(tmp_path: Path) -> None:
    image = Image.new("RGB", (320, 200), "white")
    ImageDraw.Draw(image).text((40, 80), "Mitochondrion", fill="black", font=ImageFont.load_default(24))
    image.save(tmp_path / "cell.png")
    command = ["predict", str(tmp_path / "cell.png"), "--text", "Parts of a cell.", "--device", "cpu", "--figure-text"]
    said = CliRunner().invoke(app, [*command, "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["figure_text"] == "Mitochondrion"
    assert "words in the image: Mitochondrion" in CliRunner().invoke(app, command).stdout.splitlines()
    (tmp_path / "cell.png").write_bytes(b"no picture")
    with pytest.raises(RejectedError, match=r"cell\.png"):
        CliRunner().invoke(app, command, catch_exceptions=False)
