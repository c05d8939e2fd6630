"""Axes of a plot: from numbers to places on a canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from abs_index.sample.canvas import GREY, INK, PALE, Box, Canvas, Point


@dataclass(frozen=True, slots=True)
class Scale:
    """One direction of a plot: its range, the ticks on it, its name; `log` for a logarithmic one."""

    low: float
    high: float
    ticks: Sequence[float]
    name: str
    log: bool = False

    def part(self, value: float) -> float:
        """Where a value stands, 0 at the low end and 1 at the high one."""
        if self.log:
            return float((np.log(value) - np.log(self.low)) / (np.log(self.high) - np.log(self.low)))
        return (value - self.low) / (self.high - self.low)


class Axes:
    """A frame with ticks and names, and what is drawn in it."""

    def __init__(self, canvas: Canvas, x: Scale, y: Scale, box: Box | None = None) -> None:
        self.canvas, self.x, self.y = canvas, x, y
        inner: Box = box or (74, 24, canvas.width - 24, canvas.height - 62)
        self.left, self.top, self.right, self.bottom = inner
        self._frame()

    def place(self, x: float, y: float) -> Point:
        """The place of a pair of values."""
        across, up = self.x.part(x), self.y.part(y)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def line(self, x: ArrayLike, y: ArrayLike, colour: str, width: float = 2.2) -> None:
        """A line through all values."""
        self.canvas.line(self._places(x, y), colour, width)

    def dots(self, x: ArrayLike, y: ArrayLike, colour: str, radius: float = 3) -> None:
        """A dot for each pair of values."""
        for place in self._places(x, y):
            self.canvas.disc(place, radius, colour)

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> None:
        """The area between two lines."""
        self.canvas.polygon([*self._places(x, high), *reversed(self._places(x, low))], colour)

    def bar(self, centre: float, value: float, width: float, colour: str) -> None:
        """A bar from the low end of the scale up to a value; `width` in units of x."""
        left, top = self.place(centre - width / 2, value)
        right, _ = self.place(centre + width / 2, value)
        self.canvas.box((left, top, right, self.bottom), colour, outline=None)

    def note(self, x: float, y: float, text: str, colour: str = INK, size: float = 13, anchor: str = "lm") -> None:
        """Words at a pair of values."""
        self.canvas.text(self.place(x, y), text, size, colour, anchor)

    def _places(self, x: ArrayLike, y: ArrayLike) -> list[Point]:
        pairs = zip(np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float)), strict=True)
        return [self.place(float(a), float(b)) for a, b in pairs]

    def _frame(self) -> None:
        canvas = self.canvas
        for tick in self.x.ticks:
            across, _ = self.place(tick, self.y.low)
            canvas.line([(across, self.top), (across, self.bottom)], PALE, 1)
            canvas.text((across, self.bottom + 14), _number(tick), 13)
        for tick in self.y.ticks:
            _, up = self.place(self.x.low, tick)
            canvas.line([(self.left, up), (self.right, up)], PALE, 1)
            canvas.text((self.left - 8, up), _number(tick), 13, anchor="rm")
        canvas.line([(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], GREY, 1.5)
        canvas.text(((self.left + self.right) / 2, self.bottom + 40), self.x.name, 15)
        canvas.sideways((self.left - 56, (self.top + self.bottom) / 2), self.y.name, 15)


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e5 else f"{value:.0e}".replace("e+0", "e")
