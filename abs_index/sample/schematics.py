"""Schematic drawings: how a thing is put together, without how it looks."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from abs_index.sample.canvas import BLUE, GREY, INK, ORANGE, PALE, RED, TEAL, YELLOW, Canvas, Point, around


def _label(canvas: Canvas, words: str, at: Point, target: Point, anchor: str = "lm") -> None:
    canvas.line([at, target], GREY, 1.2)
    canvas.disc(target, 3, GREY)
    shift = 6 if anchor == "lm" else -6
    canvas.text((at[0] + shift, at[1]), words, 15, anchor=anchor)


def gel_apparatus(rng: Generator) -> Image.Image:
    """A gel chamber from the side, with its current supply."""
    canvas = Canvas(700, 380)
    canvas.box((80, 170, 620, 320), "#ebf8ff", INK, 2.5, 6)
    canvas.box((86, 205, 614, 314), "#bee3f8", None)
    canvas.box((190, 240, 510, 290), "#fefcbf", INK, 1.5, 3)
    for well in range(8):
        canvas.box((205 + well * 16, 240, 213 + well * 16, 262), "#90cdf4", INK, 1)
    canvas.line([(120, 150), (120, 300)], INK, 4)
    canvas.line([(580, 150), (580, 300)], RED, 4)
    canvas.box((270, 30, 430, 95), PALE, INK, 2, 6)
    canvas.text((350, 62), "100 V", 24)
    canvas.line([(270, 62), (120, 62), (120, 150)], INK, 2)
    canvas.line([(430, 62), (580, 62), (580, 150)], RED, 2)
    canvas.text((100, 190), "-", 26)
    canvas.text((604, 190), "+", 24, RED)
    canvas.arrow([(345, 265), (495, 265)], ORANGE, 3, 14)
    canvas.text((420, 253), "DNA", 14, ORANGE)
    _label(canvas, "buffer", (640, 345), (560, 295), "rm")
    _label(canvas, "agarose gel", (300, 350), (400, 284), "rm")
    _label(canvas, "wells", (180, 135), (225, 245), "rm")
    return canvas.finish()


def nacelle(rng: Generator) -> Image.Image:
    """What is inside the head of a wind turbine."""
    canvas = Canvas(740, 430)
    canvas.polygon([(210, 120), (640, 135), (660, 260), (210, 270)], "#edf2f7", INK, 2.5)
    canvas.polygon([(350, 270), (450, 268), (470, 425), (330, 425)], "#e2e8f0", INK, 2)
    canvas.ellipse((120, 140, 250, 250), "#cbd5e0", INK, 2)
    for lift in (-1, 1):
        tip = (165, 195 + lift * 185)
        canvas.polygon([(168, 195), (192, 195 + lift * 70), tip, (150, 195 + lift * 60)], "white", INK, 2)
    canvas.box((240, 184, 330, 206), "#a0aec0")
    canvas.box((330, 160, 420, 232), TEAL, INK, 2, 4)
    canvas.box((420, 188, 480, 202), "#a0aec0")
    canvas.box((480, 165, 590, 225), BLUE, INK, 2, 8)
    canvas.box((440, 172, 452, 218), RED)
    canvas.box((360, 262, 440, 282), ORANGE, INK, 1.5, 3)
    canvas.line([(620, 138), (620, 95), (640, 95)], INK, 2.5)
    canvas.disc((640, 92), 6, YELLOW, INK)
    _label(canvas, "hub and blades", (330, 35), (180, 160))
    _label(canvas, "gearbox", (420, 70), (375, 165))
    _label(canvas, "generator", (540, 75), (535, 170))
    _label(canvas, "brake", (520, 340), (446, 214))
    _label(canvas, "yaw drive", (520, 380), (420, 275))
    _label(canvas, "anemometer", (626, 30), (640, 90), "rm")
    return canvas.finish()


def knickpoint(rng: Generator) -> Image.Image:
    """Why a waterfall wanders upstream: soft rock below hard rock."""
    canvas = Canvas(700, 400)
    canvas.polygon([(0, 120), (360, 128), (352, 200), (0, 200)], "#a0aec0", INK)
    canvas.polygon([(0, 200), (352, 200), (290, 260), (330, 345), (700, 365), (700, 400), (0, 400)], "#e9c99b", INK)
    for x in range(20, 340, 46):
        canvas.line([(x, 135), (x + 14, 192)], GREY, 1)
    canvas.polygon(
        [(0, 104), (355, 112), (382, 130), (392, 330), (376, 330), (364, 140), (340, 126), (0, 120)], "#63b3ed"
    )
    canvas.polygon([(330, 330), (470, 330), (700, 345), (700, 366), (470, 360), (390, 385), (340, 360)], "#63b3ed")
    canvas.arrow([(250, 70), (120, 70)], RED, 3, 14)
    canvas.text((190, 50), "the step wanders upstream", 15, RED)
    _label(canvas, "hard layer", (450, 165), (330, 165))
    _label(canvas, "soft layer, hollowed out", (440, 240), (300, 262))
    _label(canvas, "plunge pool", (500, 300), (400, 350))
    for x, y in ((450, 348), (480, 352), (425, 352)):
        canvas.polygon([(x, y), (x + 14, y - 8), (x + 22, y + 2), (x + 8, y + 9)], "#718096", INK, 1)
    return canvas.finish()


def tendon_levels(rng: Generator) -> Image.Image:
    """A tendon as bundles of bundles, from the molecule to the organ."""
    canvas = Canvas(740, 330)
    for level, (name, size, colour) in enumerate(
        (("molecule\n1.5 nm", 1, "#fc8181"), ("fibril\n100 nm", 7, "#f6ad55"), ("fibre\n20 um", 19, "#faf089"))
    ):
        middle = (110.0 + level * 195, 150.0)
        canvas.disc(middle, 72, "#fffaf0", INK, 2)
        radius = 58 / (1 if size == 1 else 3.1 if size == 7 else 5.2)
        for ring, count in enumerate((1, 6, 12)[: {1: 1, 7: 2, 19: 3}[size]]):
            for number in range(count):
                canvas.disc(around(middle, ring * radius * 2.05, number * 360 / count), radius * 0.96, colour, INK)
        canvas.text((middle[0], 260), name, 16)
        canvas.arrow([(middle[0] + 80, 150), (middle[0] + 112, 150)], INK, 2.5, 12)
    canvas.box((605, 60, 700, 240), "#fed7e2", INK, 2, 44)
    for x in range(622, 690, 9):
        canvas.line([(x, 80), (x + 3, 220)], "#d53f8c", 1.2)
    canvas.text((652, 270), "tendon\n1 cm", 16)
    return canvas.finish()


def moon_orbit(rng: Generator) -> Image.Image:
    """Sun, Earth and eight places of the Moon, seen from above."""
    canvas = Canvas(700, 480, "#0f1a2b")
    earth: Point = (400, 240)
    for ray in range(60, 440, 60):
        canvas.arrow([(20, ray), (120, ray)], YELLOW, 2, 10)
    canvas.text((70, 24), "sunlight", 16, YELLOW)
    canvas.disc(earth, 150, None, "#4a5568")
    canvas.disc(earth, 44, "#2b6cb0")
    canvas.pie((356, 196, 444, 284), -90, 90, "#1a202c")
    names = ("full", "waxing", "first quarter", "waxing", "new", "waning", "last quarter", "waning")
    for number in range(8):
        x, y = around(earth, 150, number * 45)
        canvas.disc((x, y), 17, "#f7fafc")
        canvas.pie((x - 17, y - 17, x + 17, y + 17), -90, 90, "#2d3748")
        canvas.text(around(earth, 205, number * 45), names[number], 14, "#e2e8f0")
    canvas.text(earth, "Earth", 15, "white")
    return canvas.finish()


def volcano_section(rng: Generator) -> Image.Image:
    """A stratovolcano cut open."""
    canvas = Canvas(740, 480, "#ebf8ff")
    canvas.box((0, 330, 740, 480), "#c3a27a", None)
    colours = ("#8d6e63", "#6d4c41", "#a1887f", "#5d4037", "#8d6e63")
    for number, colour in enumerate(colours):
        wide, high = 330 - number * 48, 240 - number * 26
        canvas.polygon([(370 - wide, 330), (345, 332 - high), (395, 332 - high), (370 + wide, 330)], colour, INK, 1)
    canvas.polygon([(358, 400), (362, 92), (380, 92), (384, 400)], RED)
    canvas.polygon([(376, 280), (520, 215), (524, 224), (378, 296)], RED)
    canvas.ellipse((210, 385, 540, 470), "#e53e3e", INK, 2)
    for number in range(26):
        x, y = 370 + rng.normal(0, 26) * (1 + number / 12), 80 - number * 2.6
        canvas.disc((x, y), 10 + number * 0.5, ("#cbd5e0", "#a0aec0", "#718096")[number % 3])
    _label(canvas, "magma chamber", (580, 455), (500, 430))
    _label(canvas, "main vent", (200, 90), (366, 180), "rm")
    _label(canvas, "side vent", (590, 180), (512, 224))
    _label(canvas, "layers of ash and lava", (176, 190), (280, 290), "rm")
    return canvas.finish()


def chromosome_pairing(rng: Generator) -> Image.Image:
    """Chromosomes at the middle of a dividing cell and pulled apart."""
    canvas = Canvas(680, 320)
    for number, (middle, gap) in enumerate(((170, 0), (510, 62))):
        canvas.ellipse((middle - 150, 40, middle + 150, 270), "#f0fff4", INK, 2)
        for side in (-1, 1):
            pole = (middle + side * 132.0, 155.0)
            canvas.disc(pole, 7, ORANGE, INK)
            for chromosome in range(4):
                y = 95 + chromosome * 40
                x = middle + side * (8 + gap)
                canvas.line([pole, (x, y)], "#9ae6b4", 1.5)
                bend = [(x + side * 14 * abs(t), y + 16 * t) for t in np.linspace(-1, 1, 9)]
                canvas.line(bend, (BLUE, RED, TEAL, ORANGE)[chromosome], 6)
        canvas.text((middle, 295), ("metaphase", "anaphase")[number], 18)
    return canvas.finish()
