"""Makes the pictures of README.md from a real index of the sample corpus: `uv run python docs/pictures.py`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from rich.console import Console
from rich.text import Text

from abs_index import Index
from abs_index.sample.canvas import BLUE, GREEN, GREY, INK, ORANGE, Canvas
from abs_index.sample.corpus import write_sample
from abs_index.search.hits import FigureDetails, PairDetails

IMAGES = Path(__file__).parent / "images"
FIGURES = (
    "10.5555/sample.traffic-waves#f1",
    "10.5555/sample.traffic-waves#f4",
    "10.5555/sample.gel#gel-f3",
    "10.5555/sample.erosion#r1",
    "10.5555/sample.erosion#r2",
    "10.5555/sample.wind#w5",
    "textbook/modules/m00011/index.cnxml#fig-mitosis-a",
    "lectures/volcanoes.html#fig-plates",
)
COLOURS = {"image_more_abstract": BLUE, "text_more_abstract": ORANGE, "equal": GREEN}
WORDS = {
    "image_more_abstract": "image more abstract",
    "text_more_abstract": "text more abstract",
    "equal": "equal",
}
WIDTH, HEIGHT, COLUMNS = 300, 300, 4


def main() -> None:
    """Builds the index in a temporary folder and writes both pictures."""
    with TemporaryDirectory() as folder:
        corpus, index = Path(folder) / "corpus", Path(folder) / "figures"
        write_sample(corpus)
        abs_index("build", str(corpus), "--index", str(index), "--quiet")
        with Index.open(index) as opened:
            draw_labels([opened.figure(figure) for figure in FIGURES], corpus)
        draw_search(["search", "wave AND abs:image_more_abstract", "--index", "figures", "-k", "3"], Path(folder))


def abs_index(*arguments: str, folder: Path | None = None) -> str:
    """What the program prints on standard output, with its colours."""
    surroundings = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "110", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "abs_index.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, text=True, check=True).stdout


def draw_labels(figures: list[FigureDetails], corpus: Path) -> None:
    """A sheet of figures, each with the labels of its caption and of its first mention."""
    canvas = Canvas(WIDTH * COLUMNS, HEIGHT * -(-len(figures) // COLUMNS))
    sheet = canvas.finish()
    for number, figure in enumerate(figures):
        cell = _cell(figure, corpus)
        sheet.paste(cell, (number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT))
    sheet.quantize(192).save(IMAGES / "labels.png", optimize=True)


def _cell(figure: FigureDetails, corpus: Path) -> Image.Image:
    canvas = Canvas(WIDTH, HEIGHT)
    caption = next(pair for pair in figure.pairs if pair.role == "caption")
    mention = next(pair for pair in figure.pairs if pair.role == "mention")
    canvas.text((14, 226), _short(caption.text), 12, INK, "lm")
    canvas.text((WIDTH - 14, 226), caption.kind, 12, GREY, "rm")
    for row, pair in enumerate((caption, mention)):
        _chip(canvas, 252 + row * 26, pair)
    cell = canvas.finish()
    with Image.open(corpus / str(figure.image)) as image:
        picture = image.convert("RGB")
    picture.thumbnail((WIDTH - 28, 196), Image.Resampling.LANCZOS)
    cell.paste(picture, ((WIDTH - picture.width) // 2, 12 + (196 - picture.height) // 2))
    return cell


def _chip(canvas: Canvas, y: float, pair: PairDetails) -> None:
    canvas.text((14, y), f"beside its {pair.role}" if pair.role == "caption" else "beside a paragraph", 11, GREY, "lm")
    canvas.box((122, y - 10, WIDTH - 14, y + 10), COLOURS[pair.abs], None, radius=10)
    canvas.text(((122 + WIDTH - 14) / 2, y), f"{WORDS[pair.abs]}  {pair.prob:.2f}", 12, "white")


def _short(text: str) -> str:
    return text if len(text) <= 32 else text[:31].rsplit(" ", 1)[0] + " …"


def draw_search(arguments: list[str], folder: Path) -> None:
    """A search as a terminal shows it."""
    console = Console(record=True, width=110, file=StringIO())
    console.print(
        f"[bold green]$[/] abs-index {arguments[0]} '{arguments[1]}' {' '.join(arguments[2:])}", highlight=False
    )
    console.print(Text.from_ansi(abs_index(*arguments, folder=folder)))
    svg = console.export_svg(title="abs-index")
    # Rich names a font on a foreign server; the fallback of the viewer's own machine does.
    (IMAGES / "search.svg").write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL))


if __name__ == "__main__":
    main()
