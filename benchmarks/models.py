"""How good and how fast models are: accuracy on labelled pairs beside figures a second, and the curve of both.

    python benchmarks/models.py LABELS --root IMAGES                          # the shipped models
    python benchmarks/models.py LABELS --root IMAGES --model DIR --picture curve.png --json

Accuracy is that on the test pairs on which two passes of the annotator agree, active and random draw apart; with
`--split validation`, for candidates, pairs that were labelled only once count too. Each model encodes the images, as
pixels that are ready, and all pairs; the bare lite0 network, fed with one batch again and again, is measured before and
after it, and rates are shares of its rate, so that runs of different machines can be compared.
With `--figure-text`, models are measured with the words in the figures too (without the time to read them).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from abs_index.corpus.figure_text import RapidReader
from abs_index.model.base import ImageFeatures, PairModel
from abs_index.model.cpu import CpuModel, Precision
from abs_index.model.folder import find_model, open_folder
from abs_index.sample.axes import Axes, Scale
from abs_index.sample.canvas import SERIES, Canvas
from abs_index.training.evaluation import predict_known, prepare_images, score
from abs_index.training.figure_words import read_figure_words
from abs_index.training.labelled import LabelledPair, Selection, read_labels
from abs_index.training.told import tell_figures

Box = tuple[float, float, float, float]

BATCH = 32
SECONDS = 5.0
BARE = "fast"
"""The model whose image network, EfficientNet-lite0, is the measure of speed."""


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="folder that the image paths start from")
    parser.add_argument(
        "--model", action="append", help="name or folder, or LABEL=FOLDER; may be repeated; left out: fast, default"
    )
    parser.add_argument("--split", default="test", choices=["validation", "test"], help="left out: test")
    parser.add_argument("--figure-text", action="store_true", help="with the words in the figures too")
    parser.add_argument("--cache", type=Path, help="keeps the words in the figures")
    parser.add_argument(
        "--precision",
        action="append",
        choices=get_args(Precision),
        help="may be repeated; left out: what is fastest here",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--picture", type=Path, help="writes the accuracy-speed curve (PNG)")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    rows = measure(options)
    if options.picture:
        draw(rows, options.split, options.picture)
    print(json.dumps(rows) if options.json else _table(rows))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each model and precision, and with figure text a second one for it."""
    pairs, _ = tell_figures(read_labels(options.labels, options.root, Selection(split=options.split)), options.root)
    names = sorted({pair.image for pair in pairs})
    words = None
    if options.figure_text:
        words = read_figure_words(RapidReader(), names, options.root, options.cache)
    bare = _load(BARE, options.threads)
    rows = []
    for said, precision in product(options.model or ("fast", "default"), options.precision or (None,)):
        label, _, name = said.rpartition("=")
        model = _load(name, options.threads, precision)
        pixels = list(prepare_images(names, options.root, model.preprocess, model.info.image_size))
        reads = words is not None and open_folder(find_model(name)).recipe.reader is not None
        for read in (None, words) if reads else (None,):
            found = _judge(model, bare, pairs, names, pixels, read, options.rounds)
            shown = " ".join(
                [label or model.info.name, *([precision] if precision else []), *(["+ words"] if read else [])]
            )
            rows.append({"model": shown, "mb": _megabytes(name)} | found)
    return rows


def _judge(
    model: PairModel,
    bare: PairModel,
    pairs: Sequence[LabelledPair],
    names: Sequence[str],
    pixels: Sequence[Any],
    words: Mapping[str, str] | None,
    rounds: int,
) -> dict[str, Any]:
    rows = {name: row for row, name in enumerate(names)}
    ratios, rates = [], []
    for _ in range(rounds):
        before = _bare_rate(bare)
        start = time.perf_counter()
        parts = [model.encode_images(some) for some in pixels]
        features = ImageFeatures(
            np.concatenate([part.embedding for part in parts]), np.concatenate([part.context for part in parts])
        )
        said = predict_known(model, pairs, features, rows, words)
        rates.append(len(names) / (time.perf_counter() - start))
        ratios.append(rates[-1] / statistics.mean([before, _bare_rate(bare)]))
    found: dict[str, Any] = {
        "figures_per_second": round(statistics.median(rates), 1),
        "ratio_to_bare": round(statistics.median(ratios), 3),
        "pairs_per_figure": round(len(pairs) / len(names), 2),
    }
    for draw_name in ("active", "random"):
        chosen = [row for row, pair in enumerate(pairs) if pair.draw == draw_name and not pair.contested]
        result = score(said.take(chosen), [pairs[row] for row in chosen])
        found[draw_name] = {
            "n": result.n,
            "accuracy": round(result.accuracy, 3),
            "macro_f1": round(result.macro_f1, 3),
            "recall": {name: round(one.recall, 2) for name, one in result.per_class.items()},
            "calibration_error": round(result.calibration_error, 3),
            "kind": None if result.kind_accuracy is None else round(result.kind_accuracy, 3),
            "cmi": None if result.cmi_correlation is None else round(result.cmi_correlation, 3),
        }
    return found


def draw(rows: Sequence[Mapping[str, Any]], split: str, path: Path) -> None:
    """Accuracy over speed, a dot a model and draw."""
    canvas = Canvas(760, 460)
    accuracies = [row[name]["accuracy"] for row in rows for name in ("active", "random")]
    low, high = math.floor(50 * min(accuracies) - 0.2) / 50, math.ceil(50 * max(accuracies) + 0.2) / 50
    axes = Axes(
        canvas,
        Scale(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1], "figures a second, as a share of the bare lite0 network"),
        Scale(low, high, np.arange(low, high + 0.001, 0.02).round(2).tolist(), f"accuracy on agreed {split} pairs"),
    )
    for name, colour in zip(("active", "random"), SERIES, strict=False):
        for row in rows:
            axes.dots([row["ratio_to_bare"]], [row[name]["accuracy"]], colour, 6)
        axes.note(0.75, high - (high - low) * (0.08 if name == "random" else 0.04), f"{name} draw", colour, size=12)
    for x, y, text, anchor in _place_names(rows, high - low):
        axes.note(x, y, text, size=12, anchor=anchor)
    canvas.finish().save(path)


def _place_names(rows: Sequence[Mapping[str, Any]], span: float) -> list[tuple[float, float, str, str]]:
    """Names beside their dots of the active draw, where they cover no dot and no other name: place, text, anchor.

    `span` is the height of the plot in accuracy.
    """
    line, dot = span / 22, 0.015
    taken = [
        (one["ratio_to_bare"], one[draw]["accuracy"], dot, line / 2) for one in rows for draw in ("active", "random")
    ]
    names = []
    for row in rows:
        x, y, text = row["ratio_to_bare"], row["active"]["accuracy"], row["model"]
        half = 0.0055 * len(text)
        places = [("lm", x + dot, y), ("rm", x - dot, y), ("mm", x, y - 1.2 * line), ("mm", x, y + 1.2 * line)]
        boxes = [(at + half * {"l": 1, "m": 0, "r": -1}[anchor[0]], up, half, line / 2) for anchor, at, up in places]
        free = [number for number, box in enumerate(boxes) if box[0] + half < 1 and not any(map(_touches(box), taken))]
        best = free[0] if free else 0
        taken.append(boxes[best])
        anchor, at, up = places[best]
        names.append((at, up, text, anchor))
    return names


def _touches(box: Box) -> Callable[[Box], bool]:
    """Whether another box, middle and half sizes, overlaps with this one; the box beside its own dot does not."""
    return lambda other: all(abs(box[axis] - other[axis]) < 0.98 * (box[axis + 2] + other[axis + 2]) for axis in (0, 1))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["model                 MB  figures/s  of bare   active  random   F1            kind         cmi"]
    for row in rows:
        active, random = row["active"], row["random"]
        lines.append(
            f"{row['model']:20}{row['mb']:4.0f}{row['figures_per_second']:11.1f}{row['ratio_to_bare']:9.2f}"
            f"{active['accuracy']:9.3f}{random['accuracy']:8.3f}   {active['macro_f1']:.2f}/{random['macro_f1']:.2f}"
            f"     {active['kind']}/{random['kind']}  {active['cmi']}/{random['cmi']}"
        )
    return "\n".join(lines)


def _load(name: str, threads: int | None, precision: Precision | None = None) -> CpuModel:
    return CpuModel(open_folder(find_model(name)), threads, precision)


def _bare_rate(model: PairModel) -> float:
    size = model.info.image_size
    pixels = np.random.default_rng(1).integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    return _rate(lambda: model.encode_images(pixels))


def _rate(run: Callable[[], object]) -> float:
    run()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        run()
        calls += 1
    return calls * BATCH / (time.perf_counter() - start)


def _megabytes(name: str) -> float:
    return sum(path.stat().st_size for path in find_model(name).iterdir()) / 1e6


if __name__ == "__main__":
    main()
