"""Command `push`: an index to Elasticsearch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import (
    AnalyzerOption,
    ElasticsearchRequired,
    IndexArgument,
    InsecureOption,
    JsonOption,
    NameOption,
    QuietOption,
    RecipeOption,
    VectorPlace,
    VectorsOption,
)

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from abs_index.indexing.elasticsearch.push import PushOptions, PushReport


def push(
    index: IndexArgument,
    elasticsearch: ElasticsearchRequired,
    name: NameOption = "figures",
    vectors: VectorsOption = VectorPlace.ELASTICSEARCH,
    analyzer: AnalyzerOption = "english",
    recipe: RecipeOption = "default",
    keep: Annotated[int, typer.Option("--keep", help="Earlier indices that stay on the cluster.", min=0)] = 1,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Change the index that is searched, instead of a copy of it.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", help="Threads that send.", min=1, max=64)] = 2,
    chunk_bytes: Annotated[
        int, typer.Option("--chunk-bytes", help="Size of a request; a larger document goes alone.", min=1000)
    ] = 8_000_000,
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds without any progress before giving up.", min=0)
    ] = 300,
    dead_letters: Annotated[
        Path | None,
        typer.Option(
            "--dead-letters",
            help="File for documents that the cluster refuses; left out, INDEX/dead-letters-NAME.jsonl.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    insecure: InsecureOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Send an index to Elasticsearch, or bring it up to date there.

    One document a pair, behind an alias. Searches there see the old state until the new one is whole. After another
    build only what changed is sent. A push that was stopped goes on where it was, by the same command. Exit code 1
    where the cluster refused some documents for good.

    Example:

        abs-index push figures --elasticsearch http://localhost:9200
        abs-index push figures --elasticsearch https://search.example.org:9200 --name figures-2025 --vectors faiss
    """
    from abs_index.indexing.elasticsearch.connection import connect
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe).elasticsearch
    with connect(elasticsearch, insecure=insecure, connections=workers + 1) as client:
        from abs_index.indexing.elasticsearch.push import PushOptions

        options = PushOptions(
            name=name,
            vectors=vectors.value,
            analyzer=analyzer,
            settings=settings,
            keep=keep,
            in_place=in_place,
            chunk_bytes=chunk_bytes,
            workers=workers,
            patience=patience,
            dead_letters=dead_letters,
        )
        report = run(index, client, options, quiet=quiet)
    if json:
        console.write_json(report)
    else:
        show(report)
    raise typer.Exit(exit_code(report))


def run(index: Path, client: Elasticsearch, options: PushOptions, *, quiet: bool) -> PushReport:
    """A push with its progress on standard error. Exits with 130 on Ctrl-C."""
    from abs_index.indexing.elasticsearch import push as pushing

    how = "run the same command again to go on where it was"
    with console.resumable(how), console.progress("pushing", unit="pairs", quiet=quiet) as advance:
        return pushing.push(index, client, options, progress=advance)


def exit_code(report: PushReport) -> int:
    """1 where documents were refused, with a line that says where they are."""
    if not report.refused:
        return 0
    console.stderr().print(
        f"error: {report.refused} documents were refused by the cluster; they are with the reasons in "
        f"{report.dead_letters}"
    )
    return 1


def show(report: PushReport) -> None:
    """What was done, for a person."""
    table = console.summary_table()
    table.add_row("alias", report.alias, f"at {report.index}")
    table.add_row("pairs", f"{report.pairs:,}")
    table.add_row("  sent", f"{report.sent:,}", f"{report.bytes / 1e6:,.1f} MB")
    table.add_row("  deleted", f"{report.deleted:,}")
    table.add_row("  unchanged", f"{report.unchanged:,}")
    if report.refused:
        table.add_row("  refused", f"{report.refused:,}", f"see {report.dead_letters}")
    if report.vectors_left_out:
        table.add_row("vectors left out", f"{report.vectors_left_out:,}", "without a direction")
    if report.numbers_left_out:
        table.add_row("numbers left out", f"{report.numbers_left_out:,}", "not a number")
    speed = f"{report.docs_per_second:,.0f} pairs/s" if report.sent else "nothing to send"
    table.add_row("seconds", f"{report.seconds:.1f}", speed)
    console.stderr().print(table)
