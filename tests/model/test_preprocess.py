"""Pictures to squares."""

import numpy as np
from PIL import Image

from abs_index.model.preprocess import make_square


def test_padding_keeps_the_shape_on_white() -> None:
    square = make_square(Image.new("RGB", (400, 200), (10, 20, 30)), size=64, fit="pad")
    assert square.shape == (64, 64, 3)
    assert square.dtype == np.uint8
    assert (square[:16] == 255).all()
    assert (square[48:] == 255).all()
    assert (square[16:48] == (10, 20, 30)).all()


def test_squashing_fills_the_square() -> None:
    square = make_square(Image.new("RGB", (400, 200), (10, 20, 30)), size=64, fit="squash")
    assert (square == (10, 20, 30)).all()


def test_extreme_shapes_and_sizes() -> None:
    for size in ((1, 1), (3000, 1), (1, 3000), (64, 64), (65, 63)):
        assert make_square(Image.new("RGB", size), size=64, fit="pad").shape == (64, 64, 3)


def test_thin_lines_of_a_large_picture_stay_visible() -> None:
    picture = Image.new("RGB", (1120, 1120), "white")
    picture.paste((0, 0, 0), (560, 0, 563, 1120))
    square = make_square(picture, size=224, fit="pad")
    assert square[:, 110:115].min(axis=(1, 2)).max() < 200
