"""A drawing surface with smooth edges: everything is drawn at twice the size and made smaller at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import atan2, cos, pi, sin

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

SCALE = 2

INK = "#22303c"
GREY = "#8a94a0"
PALE = "#e6eaee"
BLUE = "#2b6cb0"
ORANGE = "#dd6b20"
GREEN = "#2f855a"
RED = "#c53030"
PURPLE = "#6b46c1"
TEAL = "#2c7a7b"
YELLOW = "#ecc94b"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, TEAL)


@cache
def font(size: float) -> FreeTypeFont | BitmapFont:
    """The font that comes with Pillow, so that pictures do not depend on the machine's fonts."""
    return ImageFont.load_default(size * SCALE)


class Canvas:
    """Draws in pixels of the finished picture."""

    def __init__(self, width: int, height: int, background: str | Image.Image = "white") -> None:
        self.width, self.height = width, height
        size = (width * SCALE, height * SCALE)
        if isinstance(background, Image.Image):
            self._image = background.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        else:
            self._image = Image.new("RGB", size, background)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], colour: str = INK, width: float = 1.5) -> None:
        """An open line through all points."""
        self._draw.line(_scaled(points), fill=colour, width=_pixels(width), joint="curve")

    def dashed(self, start: Point, end: Point, colour: str = GREY, width: float = 1.2, dash: float = 6) -> None:
        """A straight dashed line."""
        length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
        pieces = max(1, int(length / (2 * dash)))
        for piece in range(pieces):
            self.line([_between(start, end, part / pieces) for part in (piece, piece + 0.55)], colour, width)

    def polygon(self, points: Sequence[Point], fill: str, outline: str | None = None, width: float = 1.5) -> None:
        """A closed shape."""
        self._draw.polygon(_scaled(points), fill=fill)
        if outline:
            self.line([*points, points[0], points[1]], outline, width)

    def box(self, box: Box, fill: str, outline: str | None = INK, width: float = 1.5, radius: float = 0) -> None:
        """A rectangle, with round corners where `radius` says so."""
        self._draw.rounded_rectangle(_scaled_box(box), radius * SCALE, fill, outline, _pixels(width))

    def ellipse(self, box: Box, fill: str | None, outline: str | None = None, width: float = 1.5) -> None:
        """The ellipse in a box."""
        self._draw.ellipse(_scaled_box(box), fill, outline, _pixels(width))

    def disc(
        self, centre: Point, radius: float, fill: str | None, outline: str | None = None, width: float = 1.5
    ) -> None:
        """A circle around a point."""
        x, y = centre
        self.ellipse((x - radius, y - radius, x + radius, y + radius), fill, outline, width)

    def arc(self, box: Box, start: float, end: float, colour: str = INK, width: float = 1.5) -> None:
        """Part of an ellipse; degrees, clockwise from the right."""
        self._draw.arc(_scaled_box(box), start, end, colour, _pixels(width))

    def pie(self, box: Box, start: float, end: float, fill: str, outline: str | None = None) -> None:
        """A slice of an ellipse; degrees, clockwise from the right."""
        self._draw.pieslice(_scaled_box(box), start, end, fill, outline, _pixels(1.5))

    def arrow(self, points: Sequence[Point], colour: str = INK, width: float = 1.8, head: float = 9) -> None:
        """A line whose last point is an arrow's head."""
        tip, before = points[-1], points[-2]
        angle = atan2(tip[1] - before[1], tip[0] - before[0])
        self.line([*points[:-1], (tip[0] - cos(angle) * head * 0.6, tip[1] - sin(angle) * head * 0.6)], colour, width)
        wings = [(tip[0] - cos(angle + turn) * head, tip[1] - sin(angle + turn) * head) for turn in (-pi / 7, pi / 7)]
        self._draw.polygon(_scaled([tip, *wings]), fill=colour)

    def text(self, at: Point, text: str, size: float = 14, colour: str = INK, anchor: str = "mm") -> None:
        """Words; `anchor` as in Pillow ("mm" centres them on the point, "lm" starts them there)."""
        place = (at[0] * SCALE, at[1] * SCALE)
        if "\n" not in text:
            self._draw.text(place, text, fill=colour, font=font(size), anchor=anchor)
            return
        lines = text.split("\n")
        for number, line in enumerate(lines):
            shift = (number - (len(lines) - 1) / 2) * size * 1.25
            self.text((at[0], at[1] + shift), line, size, colour, anchor)

    def sideways(self, at: Point, text: str, size: float = 14, colour: str = INK) -> None:
        """Words that run upwards, centred on a point."""
        left, top, right, bottom = font(size).getbbox(text)
        label = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8), 0)
        ImageDraw.Draw(label).text((4 - left, 4 - top), text, fill=255, font=font(size))
        label = label.rotate(90, expand=True)
        corner = (int(at[0] * SCALE - label.width / 2), int(at[1] * SCALE - label.height / 2))
        self._image.paste(Image.new("RGB", label.size, colour), corner, label)

    def finish(self) -> Image.Image:
        """The picture in its size."""
        return self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)


def around(centre: Point, radius: float, degrees: float) -> Point:
    """The point on a circle; degrees, clockwise from the right."""
    return centre[0] + radius * cos(degrees * pi / 180), centre[1] + radius * sin(degrees * pi / 180)


def _between(start: Point, end: Point, part: float) -> Point:
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * SCALE, y * SCALE) for x, y in points]


def _scaled_box(box: Box) -> Box:
    left, top, right, bottom = box
    return left * SCALE, top * SCALE, right * SCALE, bottom * SCALE


def _pixels(width: float) -> int:
    return max(1, round(width * SCALE))
