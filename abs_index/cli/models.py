"""Command `models`: which models there are, and whether they are whole."""

from __future__ import annotations

from typing import Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import JsonOption


def models(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folder of a model or of several, or hf:ORG/NAME; left out, the shipped models.",
            metavar="[FOLDER]...",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check all digests, open the graphs and run each model once.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List models: name, size, recipe, fingerprint, and the devices that they run on here.

    Ends with 1 where a model is damaged. Nothing of a model folder is ever unpickled or run as a program.

    Example:

        abs-index models
        abs-index models my-models/ --verify
        abs-index models hf:org/figures@v1.0 --json
    """
    from abs_index.model.catalogue import list_models

    found = list(list_models(folders or (), verify=verify))
    if json:
        console.write_json(found)
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            what = one.problem or f"recipe {one.recipe}  {one.fingerprint}  {', '.join(one.devices)}"
            done = "  verified" if verify and not one.problem else ""
            console.write(f"{one.name:{width}}  {one.size / 2**20:7.1f} MiB  {what}{done}")
    if any(one.problem for one in found):
        raise typer.Exit(1)
