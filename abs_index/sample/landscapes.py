"""Renderings that stand for photographs out of doors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image

from abs_index.sample.canvas import Canvas, Point, around
from abs_index.sample.relief import Colours, Eye, Field, blurred, fractal, photograph, ramp, shade, view


def _sky(rng: Generator, shape: tuple[int, int], top: str, bottom: str, clouds: float) -> Colours:
    down = np.broadcast_to(np.linspace(0, 1, shape[0])[:, None], shape)
    sky = ramp(down, [(0, top), (0.7, bottom), (1, bottom)])
    cover = np.clip(fractal(rng, shape, 1.9) * 0.5 + clouds, 0, 1)[..., None] * (1 - 0.5 * down[..., None])
    return sky * (1 - cover) + np.array([0.97, 0.97, 0.98]) * cover


def _painted(height: Field, stops: Sequence[tuple[float, str]], rng: Generator, strength: float = 1.0) -> Colours:
    tint = ramp(height + fractal(rng, height.shape[:2], 1.2) * height.std() * 0.12, stops)
    light = shade(height, strength)
    return tint * (0.35 + 0.85 * light[..., None])


def canyon(rng: Generator) -> Image.Image:
    """A river gorge in layered rock."""
    field = fractal(rng, (1024, 1024), 1.9)
    across = np.arange(1024)[None, :] - 512 - 60 * np.sin(np.arange(1024)[:, None] / 110)
    valley = 1 - np.exp(-((across / 150) ** 2))
    height = 150 * valley + 26 * field * valley
    height = np.round(height / 22) * 22 * 0.6 + height * 0.4
    height = np.maximum(height, 9)
    stops = [
        (0, "#4f7f86"),
        (10, "#5b8a8a"),
        (14, "#8a9a5b"),
        (40, "#b5651d"),
        (70, "#d08b5b"),
        (95, "#a0522d"),
        (130, "#e0b184"),
        (200, "#8f7d5a"),
    ]
    colours = _painted(height, stops, rng, 0.35)
    sky = _sky(rng, (480, 720), "#4a7fb5", "#dfe9f0", 0.1)
    return photograph(view(height, colours, sky, Eye(512, 1000, 190, 170), far=800), rng)


def turbines(rng: Generator) -> Image.Image:
    """Wind turbines on green hills."""
    height = 30 * fractal(rng, (1024, 1024), 2.0)
    colours = _painted(height, [(-60, "#3f6b35"), (0, "#5d8a3f"), (35, "#8aa653"), (80, "#b9b36a")], rng, 0.9)
    sky = _sky(rng, (480, 720), "#3f86c8", "#dcebf5", 0.25)
    picture = photograph(view(height, colours, sky, Eye(500, 900, 95, 210), haze="#a9bfd0", far=1600), rng)
    canvas = Canvas(720, 480, picture)
    for x, foot, size in ((560, 262, 0.45), (390, 268, 0.6), (270, 300, 0.85), (120, 350, 1.35)):
        _turbine(canvas, (x, foot), size, float(rng.uniform(0, 120)))
    return canvas.finish()


def _turbine(canvas: Canvas, foot: Point, size: float, turn: float) -> None:
    x, y = foot
    hub = (x, y - 150 * size)
    canvas.polygon([(x - 4 * size, y), (x - 2 * size, hub[1]), (x + 2 * size, hub[1]), (x + 4 * size, y)], "#e8edf1")
    canvas.polygon([(x + 1 * size, y), (x + 1 * size, hub[1]), (x + 2 * size, hub[1]), (x + 4 * size, y)], "#b8c2cb")
    for blade in range(3):
        angle = turn + blade * 120
        tip = around(hub, 82 * size, angle)
        canvas.polygon([hub, around(hub, 20 * size, angle + 14), tip, around(hub, 20 * size, angle - 4)], "#f7f9fb")
    canvas.disc(hub, 4 * size, "#d5dce2")


def volcano(rng: Generator) -> Image.Image:
    """A volcano at dusk with a glowing summit."""
    y, x = np.mgrid[0:1024, 0:1024]
    radius = np.hypot(x - 512, (y - 500))
    cone = 330 * np.exp(-radius / 130) * (1 - 0.45 * np.exp(-((radius / 26) ** 2)))
    gullies = fractal(rng, (1024, 1024), 1.7)
    height = cone + 14 * gullies * (0.5 + cone / 160)
    colours = _painted(
        height, [(-40, "#2c3a30"), (20, "#3d4637"), (80, "#4a4038"), (160, "#5b4a44"), (240, "#7a3b2a")], rng, 0.5
    )
    glow = np.exp(-((np.hypot(x - 512 - (y - 500) * 0.25, 0.3 * (y - 560)) / 22) ** 2)) * (y > 496)
    colours = colours * (1 - glow[..., None]) + np.array([1.0, 0.36, 0.08]) * glow[..., None]
    sky = _sky(rng, (480, 720), "#1b2440", "#e0804a", -0.1)
    seen = view(height, colours, sky, Eye(512, 940, 70, 300), haze="#5a4a55", far=900)
    rows, columns = np.mgrid[0:480, 0:720]
    smoke = (
        np.clip(fractal(rng, (480, 720), 1.8) * 0.5 + 0.75, 0, 1)
        * np.exp(-(((columns - 360 + (rows - 190) * 0.7) / (22 + np.abs(190 - rows) * 0.4)) ** 2))
        * (rows < 195)
    )
    seen = seen * (1 - 0.8 * smoke[..., None]) + np.array([0.42, 0.34, 0.36]) * 0.8 * smoke[..., None]
    return photograph(seen, rng, 0.02)


def ring_road(rng: Generator) -> Image.Image:
    """A ring road with cars, seen by a drone."""
    grass = ramp(fractal(rng, (560, 560), 1.1), [(-3, "#4d6b35"), (0, "#668546"), (3, "#90a35f")])
    canvas = Canvas(560, 560, photograph(grass, rng, 0.03))
    centre = (280.0, 280.0)
    canvas.disc(centre, 236, "#6d6f73")
    canvas.disc(centre, 232, "#57595d")
    canvas.disc(centre, 196, "#6d6f73")
    inner = Image.new("L", (560, 560), 0)
    for mark in range(0, 360, 8):
        canvas.line([around(centre, 214, mark), around(centre, 214, mark + 3)], "#d8d8d0", 1.5)
    colours = ("#c0392b", "#ecf0f1", "#2c3e50", "#2471a3", "#b7950b", "#7f8c8d", "#ffffff")
    gaps = np.concatenate([np.full(9, 1.0), rng.uniform(1.9, 2.9, 13)])
    angles = np.cumsum(gaps) / gaps.sum() * 360
    for number, angle in enumerate(angles):
        _car(canvas, centre, float(angle), colours[number % 7])
    picture = canvas.finish()
    mask = np.asarray(inner.resize((560, 560)), float)[..., None]
    y, x = np.mgrid[0:560, 0:560]
    field = np.asarray(picture, float) / 255
    meadow = photograph(
        ramp(fractal(rng, (560, 560), 1.3), [(-3, "#3f5f2c"), (0, "#5b7d3c"), (3, "#7f9a52")]), rng, 0.03
    )
    inside = (np.hypot(x - 280, y - 280) < 194)[..., None] | (mask > 0)
    field = np.where(inside, np.asarray(meadow, float) / 255, field)
    return photograph(field * (0.9 + 0.1 * blurred(rng.standard_normal((560, 560)), 40)[..., None] * 8), rng, 0.02)


def _car(canvas: Canvas, centre: Point, angle: float, colour: str) -> None:
    for shift, fill, (near, far), half in (
        (2.0, "#3a3c3f", (204, 222), 3.4),
        (0.0, colour, (205, 221), 3.2),
        (0.0, "#1d2733", (207, 219), 1.3),
    ):
        turn = angle + shift * 0.4
        corners = [(near, -half), (far, -half), (far, half), (near, half)]
        canvas.polygon([around(centre, radius + shift, turn + side) for radius, side in corners], fill)


def _brain_coral(rng: Generator, stops: Sequence[tuple[float, str]]) -> Image.Image:
    """A brain coral under water, coloured by the height of its ridges (-1.2 to 1.2)."""
    field = rng.standard_normal((440, 600))
    for _ in range(14):  # keeping one wavelength and bending the heights makes a labyrinth
        field = blurred(field, 3.2) - blurred(field, 6.4)
        field = np.tanh(field / field.std() * 1.6)
    y, x = np.mgrid[0:440, 0:600]
    dome = np.sqrt(np.clip(1 - ((x - 300) / 420) ** 2 - ((y - 250) / 330) ** 2, 0.02, 1))
    light = shade(blurred(field, 1.2) * 5 + dome * 160, 0.8)
    ridge = blurred(field, 1.2)
    colours = ramp(ridge, stops) * (0.25 + 0.95 * light[..., None]) * np.array([0.86, 1.0, 1.02])
    water = np.array([0.05, 0.32, 0.42])
    depth = np.clip(1 - dome, 0, 1)[..., None] ** 1.5
    return photograph(colours * (1 - depth) + water * depth, rng, 0.02)


def living_coral(rng: Generator) -> Image.Image:
    """A healthy brain coral."""
    return _brain_coral(rng, [(-1.2, "#3d2a1a"), (0, "#8a6a3c"), (1.2, "#c9b27a")])


def bleached_coral(rng: Generator) -> Image.Image:
    """A brain coral whose algae have left."""
    return _brain_coral(rng, [(-1.2, "#9aa6ad"), (1.2, "#f4f4ee")])
