"""Tables and windows of a program: pictures that are made of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image

from abs_index.sample.canvas import GREY, INK, Canvas


def table(widths: Sequence[int], rows: Sequence[Sequence[str]]) -> Image.Image:
    """A table with a head row; its first column stands left, the others right."""
    height = 34
    canvas = Canvas(sum(widths) + 40, height * len(rows) + 36)
    for number, row in enumerate(rows):
        top = 18 + number * height
        if number and number % 2 == 0:
            canvas.box((20, top, canvas.width - 20, top + height), "#f4f6f8", None)
        left = 20
        for column, (width, words) in enumerate(zip(widths, row, strict=True)):
            at, anchor = (left + 10, "lm") if column == 0 else (left + width - 10, "rm")
            canvas.text((at, top + height / 2), words, 15 if number else 16, INK if number else "#1a365d", anchor)
            left += width
    for line in (0, 1, len(rows)):
        canvas.line([(20, 18 + line * height), (canvas.width - 20, 18 + line * height)], INK, 1.8)
    return canvas.finish()


def fragment_table(rng: Generator) -> Image.Image:
    """Fragments of a gel with their measured lengths."""
    rows = [["lane", "enzyme", "distance (mm)", "length (bp)"]]
    for number, (enzyme, length) in enumerate(
        (("none", 9416), ("EcoRI", 6557), ("EcoRI", 2322), ("HindIII", 4361), ("HindIII", 2027), ("both", 1584))
    ):
        rows.append(
            [str(number + 1), enzyme, f"{92 - 19.3 * np.log10(length):.1f}", f"{length + rng.integers(-40, 40)}"]
        )
    return table((90, 130, 170, 150), rows)


def chromosome_table(rng: Generator) -> Image.Image:
    """How many chromosomes the cells of some species have."""
    rows = [
        ["species", "body cell", "egg or sperm"],
        ["fruit fly", "8", "4"],
        ["pea", "14", "7"],
        ["cat", "38", "19"],
        ["human", "46", "23"],
        ["potato", "48", "24"],
        ["dog", "78", "39"],
    ]
    return table((190, 130, 160), rows)


def phase_table(rng: Generator) -> Image.Image:
    """Rise, set and lit part of the Moon in its phases."""
    rows = [
        ["phase", "rises", "sets", "lit"],
        ["new", "6 h", "18 h", "0 %"],
        ["first quarter", "12 h", "0 h", "50 %"],
        ["full", "18 h", "6 h", "100 %"],
        ["last quarter", "0 h", "12 h", "50 %"],
    ]
    return table((170, 100, 100, 100), rows)


def terminal(rng: Generator) -> Image.Image:
    """A terminal window in which a program has just been timed."""
    canvas = Canvas(660, 330, "#dfe3e8")
    canvas.box((14, 14, 646, 316), "#1a202c", None, radius=10)
    canvas.box((14, 14, 646, 46), "#2d3748", None, radius=10)
    for number, colour in enumerate(("#fc5c57", "#fdbc40", "#35c84a")):
        canvas.disc((36 + number * 22, 30), 7, colour)
    canvas.text((330, 30), "sorting", 15, "#cbd5e0")
    lines = ["$ python time_sorts.py --items 100000"]
    for name, seconds in (("insertion", 6.9), ("merge", 0.101), ("quick", 0.042)):
        lines.append(f"{name:<12}{seconds * rng.uniform(0.95, 1.05):9.3f} s   sorted: yes")
    for number, line in enumerate([*lines, "$ _"]):
        canvas.text((36, 78 + number * 34), line, 18, "#9ae6b4" if line.startswith("$") else "#e2e8f0", "lm")
    canvas.text((36, 290), "3 methods, 5 runs each", 14, GREY, "lm")
    return canvas.finish()
