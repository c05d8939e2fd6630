"""Makes the pictures of README.md from a real index of the sample corpus: `uv run python docs/pictures.py`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from abs_index import Index
from abs_index.sample.canvas import BLUE, GREEN, GREY, INK, ORANGE, Canvas
from abs_index.sample.corpus import write_sample
from abs_index.search.hits import FigureDetails, PairDetails

IMAGES = Path(__file__).parent / "images"
FIGURES = (
    "10.5555/sample.traffic-waves#f1",
    "10.5555/sample.erosion#r1",
    "10.5555/sample.wind#w5",
    "10.5555/sample.traffic-waves#f4",
    "textbook/modules/m00011/index.cnxml#fig-mitosis-a",
    "lectures/volcanoes.html#fig-plates",
)
COLOURS = {"image_more_abstract": BLUE, "text_more_abstract": ORANGE, "equal": GREEN}
WORDS = {
    "image_more_abstract": "image more abstract",
    "text_more_abstract": "text more abstract",
    "equal": "equal",
}
WIDTH, HEIGHT, COLUMNS = 400, 380, 3
PICTURE, MARGIN, LINE = 200, 14, 60
TERMINAL = 110


def main() -> None:
    """Builds the index in a temporary folder and writes both pictures."""
    with TemporaryDirectory() as folder:
        corpus, index = Path(folder) / "corpus", Path(folder) / "figures"
        write_sample(corpus)
        abs_index("build", str(corpus), "--index", str(index), "--quiet")
        with Index.open(index) as opened:
            draw_labels([opened.figure(figure) for figure in FIGURES], corpus)
        found = "search", "river OR wind", "--abs", "text_more_abstract", "--kind", "photo", "--index", "figures"
        draw_terminal([found, ("show", "10.5555/sample.erosion#r1", "--index", "figures")], Path(folder))


def abs_index(*arguments: str, folder: Path | None = None) -> str:
    """What the program prints on standard output, with its colours."""
    surroundings = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(TERMINAL), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "abs_index.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, text=True, check=True).stdout


def draw_labels(figures: list[FigureDetails], corpus: Path) -> None:
    """A sheet of figures, each with its caption and a paragraph that mentions it, and the labels of both."""
    sheet = Canvas(WIDTH * COLUMNS, HEIGHT * -(-len(figures) // COLUMNS)).finish()
    for number, figure in enumerate(figures):
        sheet.paste(_cell(figure, corpus), (number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT))
    sheet.quantize(192).save(IMAGES / "labels.png", optimize=True)


def _cell(figure: FigureDetails, corpus: Path) -> Image.Image:
    canvas = Canvas(WIDTH, HEIGHT)
    caption = next(pair for pair in figure.pairs if pair.role == "caption")
    mentions = [pair for pair in figure.pairs if pair.role == "mention"]
    mention = max(mentions, key=lambda pair: pair.abs != caption.abs)
    for row, pair in enumerate((caption, mention)):
        _draw_pair(canvas, PICTURE + 30 + row * 72, pair)
    cell = canvas.finish()
    with Image.open(corpus / str(figure.image)) as image:
        picture = image.convert("RGB")
    picture.thumbnail((WIDTH - 2 * MARGIN, PICTURE), Image.Resampling.LANCZOS)
    cell.paste(picture, ((WIDTH - picture.width) // 2, MARGIN + (PICTURE - picture.height) // 2))
    return cell


def _draw_pair(canvas: Canvas, top: float, pair: PairDetails) -> None:
    beside = "beside its caption" if pair.role == "caption" else "beside a paragraph"
    canvas.text((MARGIN, top + 10), beside, 12, GREY, "lm")
    canvas.box((140, top, WIDTH - MARGIN, top + 20), COLOURS[pair.abs], None, radius=10)
    canvas.text(((140 + WIDTH - MARGIN) / 2, top + 10), f"{WORDS[pair.abs]}  {pair.prob:.2f}", 12, "white")
    for row, line in enumerate(textwrap.wrap(pair.text.replace("–", "-"), LINE, max_lines=2, placeholder=" …")):
        canvas.text((MARGIN, top + 32 + row * 16), line, 12, INK, "lm")


def draw_terminal(commands: list[tuple[str, ...]], folder: Path) -> None:
    """Commands and what they print, as a terminal shows it."""
    console = Console(record=True, width=TERMINAL, file=StringIO())
    for arguments in commands:
        console.print(f"[bold green]$[/] abs-index {escape(shlex.join(arguments))}", highlight=False)
        console.print(Text.from_ansi(abs_index(*arguments, folder=folder).rstrip() + "\n"))
    svg = console.export_svg(title="abs-index")
    # Rich names a font on a foreign server; the fallback of the viewer's own machine does.
    (IMAGES / "search.svg").write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
