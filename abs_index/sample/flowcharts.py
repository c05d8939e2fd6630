"""Flowcharts, trees and cycles: boxes and arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from numpy.random import Generator
from PIL import Image

from abs_index.sample.canvas import BLUE, GREEN, INK, ORANGE, PURPLE, RED, Canvas, Point, around

Shape = Literal["start", "step", "choice"]
FILLS: dict[Shape, str] = {"start": "#c6f6d5", "step": "#ebf4ff", "choice": "#fefcbf"}


class Node(NamedTuple):
    """A box of a flowchart: the place of its middle, its words, its shape."""

    at: Point
    words: str
    shape: Shape = "step"


class Edge(NamedTuple):
    """An arrow along some points, with words at its first bend."""

    points: Sequence[Point]
    words: str = ""


def flowchart(size: tuple[int, int], nodes: Sequence[Node], edges: Sequence[Edge]) -> Image.Image:
    """A flowchart: round boxes start and end, diamonds choose."""
    canvas = Canvas(*size)
    for edge in edges:
        canvas.arrow(edge.points)
        (x, y), (next_x, next_y) = edge.points[:2]
        across = abs(next_x - x) > abs(next_y - y)
        canvas.text(
            ((x + next_x) / 2 + (0 if across else 16), (y + next_y) / 2 - (10 if across else 0)), edge.words, 13
        )
    for node in nodes:
        _draw_node(canvas, node)
    return canvas.finish()


def _draw_node(canvas: Canvas, node: Node) -> None:
    (x, y), words, shape = node
    fill = FILLS[shape]
    if shape == "choice":
        canvas.polygon([(x - 88, y), (x, y - 44), (x + 88, y), (x, y + 44)], fill, INK)
    else:
        canvas.box((x - 88, y - 26, x + 88, y + 26), fill, INK, radius=26 if shape == "start" else 5)
    canvas.text((x, y), words, 13)


def driver_step(rng: Generator) -> Image.Image:
    """One time step of a simulated driver."""
    nodes = [
        Node((190, 45), "next car", "start"),
        Node((190, 130), "measure gap\nto the car ahead"),
        Node((190, 235), "gap < safe\ndistance?", "choice"),
        Node((420, 235), "brake"),
        Node((190, 340), "accelerate towards\nthe wanted speed"),
        Node((190, 435), "move by v dt"),
        Node((420, 435), "all cars done?", "choice"),
        Node((610, 435), "next time step", "start"),
    ]
    edges = [
        Edge([(190, 71), (190, 104)]),
        Edge([(190, 156), (190, 191)]),
        Edge([(278, 235), (332, 235)], "yes"),
        Edge([(190, 279), (190, 314)], "no"),
        Edge([(190, 366), (190, 409)]),
        Edge([(420, 261), (420, 300), (300, 300), (300, 410), (278, 425)]),
        Edge([(278, 435), (332, 435)]),
        Edge([(508, 435), (522, 435)]),
        Edge([(420, 391), (420, 345), (540, 345), (540, 45), (278, 45)], ""),
    ]
    return flowchart((720, 490), nodes, edges)


def gel_protocol(rng: Generator) -> Image.Image:
    """The steps from a sample to a measured band."""
    words = (
        "cast the gel",
        "load samples\nand ladder",
        "run at 5 V/cm",
        "dye at the\nfront line?",
        "stain",
        "photograph",
    )
    shapes: tuple[Shape, ...] = ("start", "step", "step", "choice", "step", "start")
    places = [(110.0, 70.0), (340.0, 70.0), (570.0, 70.0), (570.0, 200.0), (340.0, 200.0), (110.0, 200.0)]
    nodes = [Node(place, name, shape) for place, name, shape in zip(places, words, shapes, strict=True)]
    edges = [
        Edge([(198, 70), (252, 70)]),
        Edge([(428, 70), (482, 70)]),
        Edge([(570, 96), (570, 156)]),
        Edge([(482, 200), (428, 200)], "yes"),
        Edge([(252, 200), (198, 200)]),
        Edge([(658, 200), (690, 200), (690, 70), (658, 70)], "no"),
    ]
    return flowchart((720, 270), nodes, edges)


def quicksort(rng: Generator) -> Image.Image:
    """Quicksort as a flowchart."""
    nodes = [
        Node((300, 45), "quicksort(list)", "start"),
        Node((300, 140), "fewer than\ntwo items?", "choice"),
        Node((540, 140), "return list", "start"),
        Node((300, 240), "take a pivot p"),
        Node((150, 330), "left: items < p"),
        Node((450, 330), "right: items > p"),
        Node((150, 415), "quicksort(left)"),
        Node((450, 415), "quicksort(right)"),
        Node((300, 505), "left + p + right", "start"),
    ]
    edges = [
        Edge([(300, 71), (300, 96)]),
        Edge([(388, 140), (452, 140)], "yes"),
        Edge([(300, 184), (300, 214)], "no"),
        Edge([(240, 266), (170, 304)]),
        Edge([(360, 266), (430, 304)]),
        Edge([(150, 356), (150, 389)]),
        Edge([(450, 356), (450, 389)]),
        Edge([(170, 441), (240, 479)]),
        Edge([(430, 441), (360, 479)]),
    ]
    return flowchart((660, 550), nodes, edges)


def recursion_tree(rng: Generator) -> Image.Image:
    """The lists that merge sort makes on its way down."""
    canvas = Canvas(720, 380)
    items = [int(item) for item in rng.permutation(range(10, 90))[:8]]
    for level in range(4):
        size = 8 >> level
        for part in range(8 // size):
            middle = (part + 0.5) * 720 * size / 8
            top = 30 + level * 92
            if level:
                parent = (part // 2 + 0.5) * 720 * size * 2 / 8
                canvas.arrow([(parent, top - 56), (middle, top - 3)], "#718096", 1.5)
            for number, item in enumerate(items[part * size : (part + 1) * size]):
                left = middle + (number - size / 2) * 36
                canvas.box((left, top, left + 34, top + 34), ("#ebf4ff", "#feebc8", "#c6f6d5", "#e9d8fd")[level], INK)
                canvas.text((left + 17, top + 17), str(item), 15)
    return canvas.finish()


def cell_cycle(rng: Generator) -> Image.Image:
    """The phases of a dividing cell as a ring."""
    canvas = Canvas(520, 520)
    phases = (("G1", 150, BLUE), ("S", 110, PURPLE), ("G2", 60, GREEN), ("M", 40, RED))
    start = -90.0
    for name, degrees, colour in phases:
        canvas.pie((60, 60, 460, 460), start, start + degrees, colour, "white")
        canvas.text(around((260, 260), 160, start + degrees / 2), name, 26, "white")
        start += degrees
    canvas.disc((260, 260), 112, "white")
    canvas.text((260, 260), "one round:\n24 hours", 20)
    canvas.arrow([around((260, 260), 222, degrees) for degrees in range(-80, -20, 4)], INK, 3, 14)
    for degrees, words in ((60, "grown\nenough?"), (170, "copied\nwhole?"), (252, "all\nattached?")):
        place = around((260, 260), 218, degrees)
        canvas.polygon([around(place, 9, turn) for turn in (0, 90, 180, 270)], ORANGE, INK)
        canvas.text(around((260, 260), 86, degrees), words, 11)
    return canvas.finish()


def symbiosis(rng: Generator) -> Image.Image:
    """What a coral and its algae give each other, and what heat does to it."""
    nodes = [
        Node((150, 90), "coral polyp"),
        Node((530, 90), "algae"),
        Node((340, 215), "water too warm?", "choice"),
        Node((150, 320), "algae leave:\nwhite coral", "start"),
        Node((530, 320), "reef grows", "start"),
    ]
    edges = [
        Edge([(238, 76), (442, 76)], "shelter, nitrogen"),
        Edge([(442, 104), (238, 104)], "sugar, oxygen"),
        Edge([(340, 110), (340, 171)]),
        Edge([(252, 215), (150, 215), (150, 294)], "yes"),
        Edge([(428, 215), (530, 215), (530, 294)], "no"),
    ]
    return flowchart((680, 370), nodes, edges)
