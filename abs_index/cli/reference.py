"""The reference of all commands as Markdown: `python -m abs_index.cli.reference > docs/cli.md`."""

from __future__ import annotations

import sys

import typer
from typer.cli import get_docs_for_click

from abs_index.cli.main import CONTEXT, app


def reference() -> str:
    """Every command with its help, arguments and options, as `--help` prints them."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="abs-index", help_option_names=CONTEXT["help_option_names"])
    pages = get_docs_for_click(obj=command, ctx=context, name="abs-index")
    # "\b" tells the help printer to leave the lines of an example alone; Markdown sees that from their indent.
    return pages.replace("\b\n", "").rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
