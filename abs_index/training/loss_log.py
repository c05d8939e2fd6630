"""The log of a training, one JSON object a line, and its curves as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from abs_index.errors import ModelError
from abs_index.sample.axes import Axes, Scale
from abs_index.sample.canvas import SERIES, Canvas
from abs_index.training.checkpoint import replace_durably

LOG, CURVES = "losses.jsonl", "losses.png"

Row = Mapping[str, float]
"""`step`, and the means of the values since the row before; at checkpoints also what was measured there."""


class LossLog:
    """Appends rows to `folder`/losses.jsonl. Rows behind `step` are dropped: the training goes on from there."""

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / LOG
        self.rows = [row for row in _read(self._path) if row["step"] <= step]
        part = self._path.with_name(f"{LOG}.part")
        with _refusals(self._path):
            part.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
            replace_durably(part, self._path)

    def append(self, row: Row) -> None:
        """One more row; it is in the file when this returns. Raises ModelError where it cannot be written."""
        self.rows.append(row)
        with _refusals(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None


def read_log(folder: Path) -> list[Row]:
    """The rows of a log, in the order of the steps. Raises ModelError where there is none."""
    rows = _read(folder / LOG)
    if not rows:
        raise ModelError(f"{folder / LOG}: no log of a training")
    return rows


def _read(path: Path) -> list[Row]:
    """The rows up to the first line that is not whole: a process may have been killed while it wrote."""
    rows: list[Row] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                row = json.loads(line)
            except ValueError:
                break
            if not line.endswith("\n") or not isinstance(row, dict) or "step" not in row:
                break
            rows.append(row)
    return rows


def draw_curves(rows: Sequence[Row], names: Sequence[str], path: Path) -> None:
    """The curves of some values over the steps, each on the same scale from 0, as a PNG. A row may lack a value."""
    values = {name: np.array([(row["step"], row[name]) for row in rows if name in row]) for name in names}
    canvas = Canvas(720, 420)
    end = float(max(rows[-1]["step"], 1))
    top = _round_up(max(float(one[:, 1].max()) for one in values.values()))
    axes = Axes(
        canvas,
        Scale(0, end, [end * part / 4 for part in range(5)], "step"),
        Scale(0, top, [top * part / 4 for part in range(5)], "loss"),
    )
    for number, (name, one) in enumerate(values.items()):
        colour = SERIES[number % len(SERIES)]
        if len(one) > 1:
            axes.line(one[:, 0], one[:, 1], colour, 1.6)
        axes.note(end * 0.98, top * (0.95 - 0.06 * number), f"{name} {one[-1, 1]:.3g}", colour, 14, "rm")
    part = path.with_name(f"{path.name}.part")
    with _refusals(path):
        canvas.finish().save(part, format="PNG")
        part.replace(path)


def _round_up(value: float) -> float:
    """The next number of one digit: 0.34 to 0.4."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(np.ceil(value / unit) * unit)
