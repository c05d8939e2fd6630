"""Plots of invented measurements."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from abs_index.sample.axes import Axes, Scale
from abs_index.sample.canvas import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, RED, SERIES, TEAL, Canvas

Values = NDArray[np.float64]


def ring_simulation(cars: int, steps: int, rng: Generator) -> tuple[Values, Values]:
    """Cars on a ring road by the optimal-velocity model: positions and speeds, both (steps, cars).

    Each driver accelerates towards a speed that depends on the gap ahead; a dense ring is unstable, and waves appear.
    """
    length, wanted_gap, delay, step = 900.0, 18.0, 1.2, 0.2
    place = np.linspace(0, length, cars, endpoint=False) + rng.normal(0, 0.5, cars)
    speed = np.full(cars, 8.0)
    places, speeds = np.empty((steps, cars)), np.empty((steps, cars))
    for number in range(steps):
        gap = (np.roll(place, -1) - place) % length
        wish = 9 * (np.tanh((gap - wanted_gap) / 5) + np.tanh(wanted_gap / 5))
        speed = np.maximum(0, speed + step * (wish - speed) / delay)
        place = (place + step * speed) % length
        places[number], speeds[number] = place, speed
    return places, speeds


def trajectories(rng: Generator) -> Image.Image:
    """Space-time picture of cars on a ring: waves run backwards through the traffic."""
    canvas = Canvas(760, 520)
    time = Scale(0, 160, range(0, 161, 40), "time (s)")
    axes = Axes(canvas, time, Scale(0, 900, range(0, 901, 300), "position on the ring (m)"))
    places, speeds = ring_simulation(50, 1600, rng)
    for car in range(50):
        for step in range(800, 1600, 4):
            now, then = places[step, car], places[min(step + 4, 1599), car]
            if then >= now:
                seconds = (step - 800) / 5
                axes.line([seconds, seconds + 0.8], [now, then], _speed_colour(speeds[step, car]), 1.4)
    return canvas.finish()


def _speed_colour(speed: float) -> str:
    part = min(1.0, speed / 15)
    red, green, blue = 200 * (1 - part) + 40 * part, 40 * (1 - part) + 120 * part, 50 * (1 - part) + 180 * part
    return f"#{int(red):02x}{int(green):02x}{int(blue):02x}"


def fundamental_diagram(rng: Generator) -> Image.Image:
    """Flow over density: it rises while traffic is free and falls when it is congested."""
    canvas = Canvas(640, 460)
    axes = Axes(
        canvas,
        Scale(0, 120, range(0, 121, 20), "density (vehicles/km)"),
        Scale(0, 2400, range(0, 2401, 400), "flow (vehicles/h)"),
    )
    free = rng.uniform(3, 27, 220)
    axes.dots(free, np.clip(free * rng.normal(78, 4, 220), 0, 2390), BLUE, 2.2)
    jam = rng.uniform(24, 110, 260)
    axes.dots(jam, np.clip(2150 * (1 - (jam - 24) / 96) + rng.normal(0, 160, 260), 10, 2350), ORANGE, 2.2)
    axes.line([0, 27], [0, 2110], INK)
    axes.line([27, 118], [1950, 40], INK)
    axes.note(5, 1500, "free", BLUE, 15)
    axes.note(72, 1500, "congested", ORANGE, 15)
    return canvas.finish()


def calibration(rng: Generator) -> Image.Image:
    """Length of DNA fragments over the distance they ran, with the fitted line."""
    canvas = Canvas(600, 460)
    axes = Axes(
        canvas,
        Scale(10, 70, range(10, 71, 10), "distance from the well (mm)"),
        Scale(80, 12000, (100, 300, 1000, 3000, 10000), "fragment length (base pairs)", log=True),
    )
    sizes = np.array([10000, 6000, 4000, 3000, 2000, 1500, 1000, 750, 500, 250, 150])
    distance = 92 - 19.3 * np.log10(sizes) + rng.normal(0, 0.6, sizes.size)
    axes.line([14, 54], 10 ** ((92 - np.array([14, 54])) / 19.3), GREY)
    axes.dots(distance, sizes, RED, 5)
    axes.note(44, 4200, "log N = 4.77 - 0.052 d", INK, 15)
    return canvas.finish()


def power_curve(rng: Generator) -> Image.Image:
    """Power of a wind turbine over the wind speed: measured dots and the guaranteed curve."""
    canvas = Canvas(700, 440)
    axes = Axes(
        canvas,
        Scale(0, 28, range(0, 29, 4), "wind speed at hub height (m/s)"),
        Scale(0, 3600, range(0, 3601, 600), "power (kW)"),
    )
    speed = np.linspace(0, 28, 400)
    ideal = np.where((speed < 3.5) | (speed > 25), 0, np.minimum(3000, 3000 * (np.maximum(0, speed - 3) / 9.5) ** 2.3))
    measured = rng.weibull(2.1, 700) * 9
    power = np.interp(measured, speed, ideal) + rng.normal(0, 70, 700) * (measured > 3.5)
    axes.dots(measured, np.clip(power, 0, 3500), "#90b4d8", 1.8)
    axes.line(speed, ideal, BLUE, 2.6)
    for x, name in ((3.5, "cut-in"), (12.5, "rated"), (25, "cut-out")):
        canvas.dashed(axes.place(x, 0), axes.place(x, 3300))
        axes.note(x, 3430, name, GREY, 13, "mm")
    return canvas.finish()


def wind_rose(rng: Generator) -> Image.Image:
    """How often the wind comes from which direction, and how fast."""
    canvas = Canvas(520, 520)
    centre = (250.0, 265.0)
    shares = 6 + 5 * np.cos(np.radians(np.arange(16) * 22.5 - 225)) ** 4 + rng.uniform(0, 3, 16)
    for share in (4, 8, 12):
        canvas.disc(centre, share * 15, None, PALE)
        canvas.text((centre[0] + 6, centre[1] - share * 15), f"{share} %", 11, GREY, "lm")
    for number, share in enumerate(shares):
        start = number * 22.5 - 90 - 8
        for part, colour in ((1.0, "#1a365d"), (0.72, "#3182ce"), (0.38, "#bee3f8")):
            radius = share * 15 * part
            box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
            canvas.pie(box, start, start + 16, colour)
    for name, x, y in (("N", 250, 30), ("E", 490, 265), ("S", 250, 502), ("W", 14, 265)):
        canvas.text((x, y), name, 18)
    for number, (colour, name) in enumerate((("#bee3f8", "< 6 m/s"), ("#3182ce", "6-12"), ("#1a365d", "> 12"))):
        canvas.box((410, 20 + number * 22, 426, 36 + number * 22), colour, None)
        canvas.text((434, 28 + number * 22), name, 12, anchor="lm")
    return canvas.finish()


def river_profiles(rng: Generator) -> Image.Image:
    """Height of a river bed over the distance, at three times: a step wanders upstream."""
    canvas = Canvas(720, 420)
    axes = Axes(
        canvas,
        Scale(0, 40, range(0, 41, 10), "distance from the spring (km)"),
        Scale(0, 900, range(0, 901, 300), "height (m)"),
    )
    distance = np.linspace(0.4, 40, 300)
    rough = np.cumsum(rng.normal(0, 1.2, 300))
    for number, (step, name) in enumerate(((33, "today"), (25, "in 1 Myr"), (16, "in 2 Myr"))):
        smooth = 860 * np.exp(-distance / 17) + 40
        drop = 170 / (1 + np.exp(-(distance - step) / 0.5))
        axes.line(distance, np.clip(smooth + 150 - drop + rough, 0, 900), SERIES[number])
        axes.note(27, 820 - number * 62, name, SERIES[number], 15)
    return canvas.finish()


def dna_content(rng: Generator) -> Image.Image:
    """Histogram of the DNA content of cells: a peak before and a peak after doubling."""
    canvas = Canvas(600, 420)
    axes = Axes(
        canvas,
        Scale(0, 5, range(6), "DNA per cell (C)"),
        Scale(0, 1200, range(0, 1201, 300), "cells counted"),
    )
    cells = np.concatenate([rng.normal(2, 0.13, 5200), rng.uniform(2, 4, 2600), rng.normal(4, 0.2, 2000)])
    counts, edges = np.histogram(cells, np.linspace(0, 5, 71))
    for count, edge in zip(counts, edges[:-1], strict=True):
        colour = BLUE if edge < 2.3 else GREEN if edge > 3.6 else PURPLE
        axes.bar(float(edge) + 0.035, float(min(count, 1190)), 0.062, colour)
    for x, y, name, colour in ((2.35, 1000, "G1", BLUE), (2.85, 330, "S", PURPLE), (4.2, 520, "G2 and M", GREEN)):
        axes.note(x, y, name, colour, 16)
    return canvas.finish()


def stress_strain(rng: Generator) -> Image.Image:
    """Stress over strain of three tendons: a soft toe, a stiff line, a break."""
    canvas = Canvas(620, 440)
    axes = Axes(canvas, Scale(0, 12, range(0, 13, 2), "strain (%)"), Scale(0, 100, range(0, 101, 20), "stress (MPa)"))
    for number, (toe, slope, end, name) in enumerate(
        ((2.0, 13.0, 8.4, "runner"), (2.6, 10.5, 9.3, "walker"), (3.1, 7.0, 10.6, "aged"))
    ):
        strain = np.linspace(0, end, 120)
        stress = np.where(strain < toe, slope * strain**2 / (2 * toe), slope * (strain - toe / 2))
        stress = np.where(strain > end - 1, stress - 5 * (strain - end + 1) ** 2, stress)
        axes.line(strain, np.maximum(0, stress + rng.normal(0, 0.25, 120)), SERIES[number], 2.6)
        axes.canvas.disc(axes.place(end, float(stress[-1])), 5, SERIES[number])
        axes.note(end + 0.25, float(stress[-1]), name, SERIES[number], 15)
    axes.area([0, 2], [0, 0], [0, 8], PALE)
    axes.note(0.2, 14, "toe", GREY)
    return canvas.finish()


def eruption_counts(rng: Generator) -> Image.Image:
    """Bars: how many eruptions of each explosivity, on a logarithmic scale."""
    canvas = Canvas(620, 420)
    axes = Axes(
        canvas,
        Scale(-0.6, 7.6, range(8), "volcanic explosivity index"),
        Scale(0.8, 5000, (1, 10, 100, 1000), "eruptions in 10,000 years", log=True),
    )
    for index, count in enumerate((760, 1250, 3600, 1080, 420, 166, 48, 5)):
        axes.bar(index, count * float(rng.uniform(0.95, 1.05)), 0.7, (TEAL, ORANGE, RED)[index // 3])
    return canvas.finish()


def running_times(rng: Generator) -> Image.Image:
    """Seconds over the number of items for three sorting methods, both scales logarithmic."""
    canvas = Canvas(640, 460)
    axes = Axes(
        canvas,
        Scale(100, 1e6, (100, 1e3, 1e4, 1e5, 1e6), "items", log=True),
        Scale(1e-5, 1e3, (1e-4, 1e-2, 1, 100), "time (s)", log=True),
    )
    items = np.geomspace(100, 1e6, 13)
    for number, (name, cost) in enumerate(
        (
            ("insertion", items**2 * 7e-10),
            ("merge", items * np.log2(items) * 6e-8),
            ("quick", items * np.log2(items) * 2.5e-8),
        )
    ):
        seconds = np.clip(cost * np.exp(rng.normal(0, 0.12, 13)), 1.1e-5, None)
        axes.line(items, seconds, SERIES[number])
        axes.dots(items, seconds, SERIES[number], 4)
        axes.note(150, 200 / 5**number, name, SERIES[number], 15)
    return canvas.finish()


def bleaching_series(rng: Generator) -> Image.Image:
    """Cover of living coral over the years, with the hot summers marked."""
    canvas = Canvas(700, 400)
    axes = Axes(canvas, Scale(1995, 2025, range(1995, 2026, 5), "year"), Scale(0, 60, range(0, 61, 20), "cover (%)"))
    for year in (1998, 2010, 2016):
        axes.area([year, year + 1], [0, 0], [60, 60], "#fed7d7")
    years = np.arange(1995, 2025.5, 0.5)
    cover = np.full(years.size, 48.0)
    for number in range(1, years.size):
        loss = {1998.5: 17.0, 2010.5: 12.0, 2016.5: 19.0}.get(float(years[number]), 0.0)
        cover[number] = min(50, cover[number - 1] * 1.022 - loss + rng.normal(0, 0.6))
    axes.area(years, cover - 4, cover + 4, "#b2dfdb")
    axes.line(years, cover, TEAL, 2.6)
    return canvas.finish()
