"""The program `abs-index`: registers the commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from types import ModuleType
from typing import Annotated, Any

import typer

from abs_index.cli import (
    build,
    enrich,
    es,
    export,
    models,
    predict,
    push,
    report,
    reproduce,
    sample,
    search,
    stats,
    train,
)
from abs_index.errors import AbsIndexError, UsageError

DEBUG = "ABS_INDEX_DEBUG"
"""Environment variable that `--debug` sets: errors then come with their traceback."""

CONTEXT = {"help_option_names": ["-h", "--help"]}


def with_examples(command: Callable[..., None] | ModuleType) -> str:
    """The docstring of a command or of a group's module, its indented lines marked: help prints them as they are."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(f"\b\n{text}" if text.startswith("    ") else text for text in paragraphs)


app = typer.Typer(
    name="abs-index",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: drawing it with Rich takes three times as long as all the rest
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)

# In the order in which a newcomer needs them: this is how `abs-index --help` lists them.
COMMANDS: tuple[Callable[..., None], ...] = (
    sample.demo,
    sample.sample,
    stats.stats,
    build.build,
    export.rejects,
    push.push,
    search.search,
    search.similar,
    search.show,
    export.export,
    predict.predict,
    predict.evaluate,
    models.models,
    enrich.enrich,
    reproduce.reproduce,
    report.report,
)


def register(group: typer.Typer, commands: tuple[Callable[..., None], ...]) -> None:
    """Makes functions the commands of a group. The first line of a docstring stands in the list of commands."""
    for command in commands:
        text = with_examples(command)
        group.command(help=text, short_help=text.split("\n")[0])(command)


register(app, COMMANDS)
_es = typer.Typer(rich_markup_mode=None, context_settings=CONTEXT)
register(_es, es.COMMANDS)
app.add_typer(_es, name="es", help=with_examples(es), short_help=with_examples(es).split("\n")[0])
_train = typer.Typer(rich_markup_mode=None, context_settings=CONTEXT, invoke_without_command=True)
register(_train, train.COMMANDS)
_train.callback(help=with_examples(train.train), short_help=with_examples(train.train).split("\n")[0])(train.train)
app.add_typer(_train, name="train")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed_version

        typer.echo(f"abs-index {installed_version('abs-index')}")
        raise typer.Exit


_WrongUsage: type[Exception] = typer.BadParameter.__bases__[0]
"""The base of all errors that the parser of the command line raises; Typer has no public name for it."""


@app.callback()
def _program(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", envvar=DEBUG)] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Index the figures of scientific documents by what they do for their text.

    Every figure is paired with its caption and with each paragraph that mentions it; a network says for each pair
    whether the image is more abstract than the text, less abstract, or on the same level. The label is a field to
    search, filter and count by.

    Start with `abs-index demo`.
    """
    if debug:
        os.environ[DEBUG] = "1"  # in the environment, so that worker processes know it too
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Entry point of the program. Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # texts of documents must not break a Latin-1 terminal
    try:
        sys.exit(app(standalone_mode=False))
    except AbsIndexError as error:
        _fail(error, str(error), 2 if isinstance(error, UsageError) else 1)
    except _WrongUsage as error:
        _fail(error, _usage(error), 2)
    except Exception as error:  # noqa: BLE001 (the last place where an unforeseen error can become one line)
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        _fail(error, f"unexpected {what} (please report it; abs-index --debug shows where it happened)", 1)


def _usage(error: Any) -> str:
    """What is wrong with the command line, and where to read what is right."""
    command = error.ctx.command_path if error.ctx else "abs-index"
    return f"{error.format_message().rstrip('.')} (see `{command} --help`)"


def _fail(error: Exception, message: str, code: int) -> None:
    if os.environ.get(DEBUG):
        raise error
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
