"""Commands `sample` and `demo`: the corpus that the program draws itself, and the main job on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abs_index.cli import console


def sample(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write; created where it is missing.", metavar="FOLDER", show_default=False)
    ],
) -> None:
    """Write a small corpus to try things on.

    It holds JATS, CNXML and HTML documents with figures of many kinds, drawn by the program itself.

    Example:

        abs-index sample my-sample
        abs-index stats my-sample
    """
    from abs_index.sample.corpus import write_sample

    write_sample(folder)
    console.stderr().print(f"sample corpus written to {folder}", markup=False)


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where to put the sample corpus and its index.", metavar="DIR")
    ] = Path("abs-index-demo"),
) -> None:
    """Write the sample corpus, index it and search it.

    Example:

        abs-index demo --folder /tmp/figures
    """
    sample(folder / "corpus")
