"""Maps of invented places."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from abs_index.sample.canvas import BLUE, GREY, INK, RED, Canvas
from abs_index.sample.relief import Colours, Field, fractal, photograph, ramp, shade

LAND = [(-2.0, "#7fb2d6"), (-0.01, "#c5e0ef"), (0.0, "#a9c98f"), (0.6, "#dfe3a8"), (1.3, "#d8b07e"), (2.4, "#b58d6a")]


def _contours(height: Field, interval: float) -> Field:
    level = np.floor(height / interval)
    edges = (level != np.roll(level, 1, 0)) | (level != np.roll(level, 1, 1))
    edges[0], edges[:, 0] = False, False
    return np.asarray(edges, float)


def _sheet(colours: Colours, height: Field, interval: float, rng: Generator) -> Canvas:
    lines = _contours(height, interval)[..., None] * 0.35
    rows, columns = height.shape
    return Canvas(columns, rows, photograph(colours * (1 - lines), rng, 0.0))


def _furniture(canvas: Canvas, scale: str) -> None:
    right, bottom = canvas.width, canvas.height
    canvas.box((right - 150, bottom - 44, right - 14, bottom - 12), "white", INK, 1, 4)
    canvas.line([(right - 138, bottom - 20), (right - 26, bottom - 20)], INK, 3)
    canvas.text((right - 82, bottom - 32), scale, 13)
    canvas.disc((right - 36, 40), 22, "white", INK)
    canvas.polygon([(right - 36, 22), (right - 44, 50), (right - 36, 44), (right - 28, 50)], INK)


def wind_farm(rng: Generator) -> Image.Image:
    """Where the turbines of a wind farm stand, with contour lines."""
    height = fractal(rng, (460, 640), 2.6) * 0.5 + 1.25
    canvas = _sheet(ramp(height, LAND), height, 0.22, rng)
    for row in range(3):
        for column in range(5):
            x, y = 120 + column * 95 + row * 22, 110 + row * 110
            canvas.disc((x, y), 9, "white", RED, 2)
            canvas.text((x + 14, y - 12), f"T{row * 5 + column + 1}", 13, INK, "lm")
            for turn in (-90, 30, 150):
                end = (x + 9 * np.cos(np.radians(turn)), y + 9 * np.sin(np.radians(turn)))
                canvas.line([(x, y), end], RED, 2)
    canvas.line([(40, 420), (180, 300), (330, 290), (470, 190), (630, 170)], "#7b341e", 3)
    canvas.text((560, 190), "access road", 13, "#7b341e")
    _furniture(canvas, "1 km")
    return canvas.finish()


def catchment(rng: Generator) -> Image.Image:
    """A river with its tributaries between hills, in shaded relief."""
    rows, columns = 480, 640
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    course = 250 + 60 * np.sin(x / 90) + 0.05 * x
    height = 0.9 + 0.55 * fractal(rng, (rows, columns), 2.0) + 1.2 * (1 - np.exp(-(((y - course) / 90) ** 2)))
    height = np.clip(height - 0.0012 * x, 0.05, None)
    colours = ramp(height, LAND) * (0.45 + 0.6 * shade(height, 14)[..., None])
    canvas = _sheet(colours, height, 0.4, rng)
    path = np.arange(0, columns, 6)
    for step in path[:-1]:
        here = (float(step), float(course[0, step]))
        there = (float(step + 6), float(course[0, min(step + 6, columns - 1)]))
        canvas.line([here, there], BLUE, 2 + 4 * step / columns)
    for start, mouth in (((120, 60), 210), ((330, 70), 390), ((200, 440), 290), ((480, 430), 540)):
        end = (float(mouth), float(course[0, mouth]))
        bend = ((start[0] + end[0]) / 2 + 18, (start[1] + end[1]) / 2)
        canvas.line([start, bend, end], BLUE, 2.2)
    for place, name in ((180, "A"), (360, "B"), (520, "C")):
        at = (float(place), float(course[0, place]))
        canvas.polygon([(at[0], at[1] - 10), (at[0] - 9, at[1] + 7), (at[0] + 9, at[1] + 7)], "#f6e05e", INK)
        canvas.text((at[0] + 14, at[1] - 14), name, 18, INK, "lm")
    _furniture(canvas, "5 km")
    return canvas.finish()


def plates(rng: Generator) -> Image.Image:
    """An ocean with the edges of plates and volcanoes along them."""
    height = fractal(rng, (420, 700), 2.1) * 0.8 - 0.75
    canvas = _sheet(ramp(height, LAND), height, 9.0, rng)
    ridge = [(float(x), 210 + 90 * np.sin(x / 120) + float(rng.normal(0, 7))) for x in range(0, 701, 28)]
    canvas.line(ridge, RED, 3)
    trench = [(520 + 70 * np.cos(t / 5), 30.0 + t * 14) for t in range(28)]
    canvas.line(trench, "#553c9a", 3)
    for x, y in trench[1::3]:
        canvas.polygon([(x + 2, y - 7), (x + 2, y + 7), (x + 15, y)], "#553c9a")
    for x, y in [*trench[2::4], *ridge[3:18:4]]:
        up = x + (34 if (x, y) in trench else 0), y
        canvas.polygon([(up[0], up[1] - 11), (up[0] - 10, up[1] + 8), (up[0] + 10, up[1] + 8)], "#e53e3e", INK)
    canvas.box((14, 336, 190, 408), "white", INK, 1, 4)
    for number, (colour, name) in enumerate(((RED, "ridge: plates part"), ("#553c9a", "trench: one dives"))):
        canvas.line([(24, 356 + number * 26), (50, 356 + number * 26)], colour, 3)
        canvas.text((58, 356 + number * 26), name, 13, INK, "lm")
    _furniture(canvas, "1000 km")
    return canvas.finish()


def reef_zones(rng: Generator) -> Image.Image:
    """A lagoon between island and reef, with the places of a survey."""
    rows, columns = 460, 600
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    away = np.hypot((x - 290) / 1.15, y - 225) + 16 * fractal(rng, (rows, columns), 2.2)
    stops = [
        (0, "#8aa66b"),
        (62, "#a9bf7d"),
        (70, "#f0e2b6"),
        (80, "#bfe8e4"),
        (140, "#8fd3d8"),
        (146, "#e59f8c"),
        (168, "#d9796b"),
        (172, "#4f9fc4"),
        (260, "#1f5f8b"),
    ]
    canvas = _sheet(ramp(away, stops), away, 1e6, rng)
    for number, degrees in enumerate(range(0, 360, 45)):
        at = (290 + 178 * np.cos(np.radians(degrees)), 225 + 156 * np.sin(np.radians(degrees)))
        canvas.disc(at, 10, "white", INK)
        canvas.text(at, str(number + 1), 12)
    for at, words in (((290, 225), "island"), ((290, 330), "lagoon"), ((80, 60), "open sea")):
        canvas.text(at, words, 17, INK if words != "open sea" else "white")
    canvas.text((420, 80), "reef", 16, "#742a2a")
    canvas.line([(405, 84), (380, 112)], GREY)
    _furniture(canvas, "500 m")
    return canvas.finish()
