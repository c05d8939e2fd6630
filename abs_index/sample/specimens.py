"""Renderings that stand for photographs of single things, and for micrographs."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from abs_index.sample.canvas import Canvas, Point
from abs_index.sample.relief import Colours, Field, blurred, fractal, photograph, ramp, shade


def moon(rng: Generator) -> Image.Image:
    """The Moon at half phase, with craters and dark plains."""
    size, radius = 560, 250.0
    y, x = np.mgrid[0:size, 0:size] - size / 2
    depth = np.sqrt(np.clip(radius**2 - x**2 - y**2, 0, None))
    surface = np.stack([x, y, depth], axis=-1) / radius
    height = fractal(rng, (size, size), 1.6) * 1.1
    for _ in range(420):
        _crater(height, surface, rng.standard_normal(3), 0.012 * rng.pareto(1.9) + 0.012)
    plains = np.clip(fractal(rng, (size, size), 2.1) * 0.9 - 0.3, 0, 1)
    tint = 0.78 - 0.3 * plains + 0.03 * fractal(rng, (size, size), 0.9)
    light = np.clip(surface @ np.array([-0.93, -0.15, 0.32]), 0, 1)
    bumps = shade(height, 0.22, (-0.8, -0.1, 0.6))
    bright = np.where(depth > 0, tint * light**0.7 * (0.25 + 1.0 * bumps), 0.0)
    return photograph(np.repeat(blurred(bright, 0.6)[..., None], 3, axis=2) * np.array([1.0, 0.98, 0.93]), rng, 0.012)


def _crater(height: Field, surface: Field, place: NDArray[np.float64], radius: float) -> None:
    """Digs a crater with a raised rim into the heights, around a direction from the middle of the sphere."""
    place = np.array([place[0], place[1], abs(place[2])]) / np.linalg.norm(place)
    size, reach = height.shape[0], int(2.2 * radius * 250) + 2
    column, row = (int(size / 2 + 250 * part) for part in place[:2])
    window = (slice(max(0, row - reach), row + reach), slice(max(0, column - reach), column + reach))
    away = np.arccos(np.clip(surface[window] @ place, -1, 1)) / radius
    height[window] += 5.5 * np.exp(-((away - 1) ** 2) * 9) - 4.0 * np.exp(-(away**4))


def gel(rng: Generator) -> Image.Image:
    """A stained gel in ultraviolet light: lanes, bands, a ladder."""
    rows, columns = 520, 620
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    glow = 0.10 + 0.03 * fractal(rng, (rows, columns), 1.8) + 0.05 * np.exp(-((x - 310) ** 2 + (y - 240) ** 2) / 9e4)
    ladder = (10000, 6000, 4000, 3000, 2000, 1500, 1000, 750, 500, 250)
    lanes: list[tuple[int, ...]] = [
        ladder,
        (9416,),
        (6557, 2322),
        (6557, 2322, 700),
        (4361, 2027),
        (3000, 1584, 560),
        (1584, 900, 300),
        ladder,
    ]
    for number, sizes in enumerate(lanes):
        middle = 62 + number * 71
        across = np.exp(-(((x - middle) / 24) ** 6))
        glow += 0.75 * across * np.exp(-(((y - 42) / 4) ** 4)) * 0.3
        glow += 0.06 * across * np.exp(-(((y - 200) / 240) ** 2))
        for length in sizes:
            place = 8.6 * (92 - 19.3 * np.log10(length)) - 78 + 3 * ((x - middle) / 24) ** 2 + rng.normal(0, 1)
            strength = (0.4 + 0.42 * np.log10(length / 100)) * rng.uniform(0.75, 1.05)
            glow += (
                strength * across * (np.exp(-(((y - place) / 4.2) ** 2)) + 0.25 * np.exp(-(np.abs(y - place + 4) / 12)))
            )
    colours = ramp(
        blurred(glow, 0.8), [(0, "#05030a"), (0.15, "#2a1020"), (0.5, "#d2581e"), (0.9, "#ffb347"), (1.2, "#fff2d0")]
    )
    return photograph(colours, rng, 0.02)


def dividing_cells(rng: Generator) -> Image.Image:
    """Cells in fluorescence: blue chromosomes, green spindles, all phases side by side."""
    size = 560
    y, x = np.mgrid[0:size, 0:size].astype(float)
    blue, green = np.zeros((size, size)), np.zeros((size, size))
    texture = 1 + 0.35 * fractal(rng, (size, size), 1.0)
    fibres = 1 + 0.5 * np.sign(fractal(rng, (size, size), 1.3)) * 0.4
    for number in range(23):
        middle = (40 + (number % 5) * 122 + rng.normal(0, 14), 50 + (number // 5) * 116 + rng.normal(0, 14))
        turn = rng.uniform(0, np.pi)
        along = (x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)
        across = -(x - middle[0]) * np.sin(turn) + (y - middle[1]) * np.cos(turn)
        nucleus, spindle = _cell(("rest", "rest", "middle", "rest", "apart", "early")[number % 6], along, across)
        blue += nucleus
        green += spindle
    green = blurred(green * fibres, 0.8) * (0.8 + 0.2 * texture)
    blue = blue * texture
    colours: Colours = np.stack(
        [0.12 * blue + 0.05 * green, 0.28 * blue + 0.85 * green, 1.0 * blue + 0.12 * green], axis=-1
    )
    canvas = Canvas(size, size, photograph(colours + 0.02, rng, 0.025))
    canvas.line([(440, 530), (530, 530)], "white", 4)
    canvas.text((485, 514), "20 um", 15, "white")
    return canvas.finish()


def _cell(phase: str, along: Field, across: Field) -> tuple[Field, Field]:
    """Chromosomes and spindle of one cell; `along` and `across` are pixels along and across its axis."""
    if phase == "rest":
        round_ = (along / 24) ** 2 + (across / 20) ** 2
        return 0.62 * np.exp(-(round_**3)), 0.34 * np.exp(-(((along / 46) ** 2 + (across / 40) ** 2) ** 2)) * (
            round_ > 0.9
        )
    if phase == "early":
        round_ = (along / 22) ** 2 + (across / 21) ** 2
        return np.exp(-(round_**3)) * (0.5 + 0.5 * np.sin(along * 0.9) * np.sin(across * 0.8)), 0.25 * np.exp(
            -round_ / 3
        )
    apart = 20.0 if phase == "apart" else 0.0
    plates = np.exp(-(((np.abs(along) - apart) / 5) ** 2) - (across / 20) ** 4)
    width = 3 + 15 * np.clip(1 - np.abs(along) / 42, 0, 1)
    rays = 0.65 + 0.35 * np.cos(across / width * 7)
    spindle = 0.8 * rays * np.exp(-((across / width) ** 2)) * np.exp(-((along / 40) ** 6))
    return np.asarray(0.95 * plates), np.asarray(spindle)


def fibres(rng: Generator) -> Image.Image:
    """Collagen fibres as a scanning electron microscope shows them."""
    canvas = Canvas(640, 480, "#16181a")
    for number in range(150):
        depth = number / 150
        start = (-20.0, float(rng.uniform(-120, 600)))
        tilt, phase, wave = rng.normal(0.12, 0.12), rng.uniform(0, 6.3), rng.uniform(6, 16)
        points = [
            (float(px), float(start[1] + tilt * px + wave * np.sin(px / 62 + phase))) for px in range(-20, 670, 8)
        ]
        _fibre(canvas, points, 4 + 8 * depth, depth)
    field = np.asarray(canvas.finish(), float) / 255
    bands = 1 + 0.06 * np.sin(np.mgrid[0:480, 0:640][1] / 2.1 + 3 * fractal(rng, (480, 640), 2.0))
    canvas = Canvas(640, 480, photograph(field * bands[..., None], rng, 0.035))
    canvas.box((0, 446, 640, 480), "#0b0c0d", None)
    canvas.text((14, 463), "15.0 kV   x 12,000   SE", 15, "#e5e7e9", "lm")
    canvas.line([(530, 463), (620, 463)], "#e5e7e9", 3)
    canvas.text((520, 463), "2 um", 15, "#e5e7e9", "rm")
    return canvas.finish()


def _fibre(canvas: Canvas, points: list[Point], width: float, depth: float) -> None:
    for part in (1.25, 1.0, 0.72, 0.42, 0.18):
        light = (0.06 if part > 1 else (0.22 + 0.6 * (1 - part))) * (0.35 + 0.75 * depth)
        grey = f"{int(min(255, 255 * light)):02x}"
        canvas.line([(x, y - width * (1 - part) * 0.18) for x, y in points], f"#{grey * 3}", width * part)
