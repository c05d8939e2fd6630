"""Pictures of any shape to the square that an image network sees."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from abs_index.model.base import Pixels


def make_square(image: Image.Image, *, size: int, fit: Literal["pad", "squash"]) -> Pixels:
    """An RGB image as uint8 (size, size, 3).

    `pad` keeps the shape and puts the picture in the middle of a white square, so that lines keep their directions and
    letters their form; `squash` stretches it.
    """
    if fit == "squash":
        return np.asarray(_resize(image, size, size))
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = np.full((size, size, 3), 255, dtype=np.uint8)
    left, top = (size - width) // 2, (size - height) // 2
    square[top : top + height, left : left + width] = np.asarray(_resize(image, width, height))
    return square


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    # Bilinear over the whole area of a pixel; very large pictures are first reduced by a whole number, which is faster.
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
