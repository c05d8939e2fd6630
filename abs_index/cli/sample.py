"""Commands `sample` and `demo`: the corpus that the program draws itself, and the main job on it."""

from __future__ import annotations

import shlex
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
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where to put the sample corpus and its index.", metavar="DIR")
    ] = Path("abs-index-demo"),
) -> None:
    """Write the sample corpus, index it and search it.

    Runs the commands that you would type, and shows them.

    Example:

        abs-index demo --folder /tmp/figures
    """
    program = context.find_root().command
    for arguments in _demonstration(str(folder / "corpus"), str(folder / "index")):
        typer.echo(f"\n$ abs-index {shlex.join(arguments)}")
        code = program.main(arguments, prog_name="abs-index", standalone_mode=False)
        if code:
            raise typer.Exit(code)


def _demonstration(corpus: str, index: str) -> list[list[str]]:
    return [
        ["sample", corpus],
        ["stats", corpus],
        ["build", corpus, "--index", index],
        # words; photographs of one case beside general texts; plots that show just what the text says
        ["search", "traffic wave", "--index", index, "-k", "2"],
        ["search", "river OR wind OR traffic", "--abs", "text_more_abstract", "--kind", "photo", "--index", index],
        ["search", "kind:plot AND abs:equal", "--index", index, "-k", "2"],
        # one photograph, less abstract than some of its texts and on a level with others
        ["show", "10.5555/sample.erosion#r1", "--index", index],
        ["similar", "--image", f"{corpus}/lectures/volcanoes/dusk.jpg", "--index", index, "-k", "2"],
    ]
