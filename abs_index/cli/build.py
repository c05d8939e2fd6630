"""Command `build`: documents to an index."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console, push
from abs_index.cli.options import (
    AnalyzerOption,
    BatchSizeOption,
    Corpora,
    Device,
    DeviceOption,
    ElasticsearchOption,
    IndexOption,
    InsecureOption,
    JsonOption,
    ModelOption,
    NameOption,
    QuietOption,
    RecipeOption,
    VectorPlace,
    VectorsOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from abs_index.corpus.figure_text import FigureReader
    from abs_index.indexing.build import BuildOptions
    from abs_index.indexing.summary import BuildSummary
    from abs_index.recipe import FigureTextSettings


def build(
    corpora: Corpora,
    index: IndexOption,
    recipe: RecipeOption = "default",
    model: ModelOption = None,
    device: DeviceOption = Device.AUTO,
    batch_size: BatchSizeOption = None,
    workers: WorkersOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Embed everything again: for another model, or a damaged index.")
    ] = False,
    figure_text: Annotated[
        bool | None,
        typer.Option(
            "--figure-text/--no-figure-text",
            help="Read the words in figures; needs the extra [figure-text]. Left out, the recipe says.",
            show_default=False,
        ),
    ] = None,
    text_vectors: Annotated[
        bool | None,
        typer.Option(
            "--text-vectors/--no-text-vectors",
            help="Make vectors of texts, for `search --mode semantic` and `hybrid`; needs the extra [semantic]. "
            "Left out, an index that has them gets what is missing.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where anything of the corpus was refused.")
    ] = False,
    elasticsearch: ElasticsearchOption = None,
    name: NameOption = "figures",
    vectors: VectorsOption = VectorPlace.ELASTICSEARCH,
    analyzer: AnalyzerOption = "english",
    insecure: InsecureOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make an index of the figures of documents, or bring it up to date.

    Only new and changed documents are embedded, and documents that are no longer there are dropped: the index holds
    exactly what the corpora hold. A build that was stopped goes on where it was. Searches see the last finished build
    until the new one is finished. With --elasticsearch, the finished index is pushed there too, as by `abs-index push`.

    With --figure-text, the words in each figure are read once and can be searched, as in `figure_text:"cell wall"`.
    An index that was built without gets them, and keeps them where the option is left out later.

    With --text-vectors, figures can be searched by what their texts mean. An index that was built without gets them,
    without anything else being embedded again; with --rebuild, name the option again.

    Example:

        abs-index build articles/ books.zip --index figures
        abs-index build articles/ --index figures --model my-model --rebuild
        abs-index build articles/ --index figures --figure-text
        abs-index build articles/ --index figures --text-vectors
        abs-index build articles/ --index figures --elasticsearch http://localhost:9200
    """
    from dataclasses import asdict, replace

    from abs_index.indexing.build import BuildOptions
    from abs_index.recipe import load_recipe

    settings = load_recipe(recipe)
    reader = _reader(settings.figure_text, figure_text)
    options = BuildOptions(
        rebuild=rebuild, workers=workers, corpus=settings.corpus, reader=reader, text_vectors=text_vectors
    )
    if batch_size is not None:
        options = replace(options, batch_size=batch_size)
    report = None
    with _cluster(elasticsearch, insecure=insecure) as client:
        summary = _build(corpora, index, model or settings.name, device, options, quiet=quiet)
        if not json:
            _print(summary)
        if client is not None:
            from abs_index.indexing.elasticsearch.push import PushOptions

            pushed = PushOptions(name, vectors.value, analyzer, settings.elasticsearch)
            report = push.run(index, client, pushed, quiet=quiet)
    if json:
        console.write_json(asdict(summary) | ({"elasticsearch": asdict(report)} if report else {}))
    elif report:
        push.show(report)
    raise typer.Exit(max(_exit_code(summary, strict=strict), push.exit_code(report) if report else 0))


def _reader(settings: FigureTextSettings, wanted: bool | None) -> FigureReader | None:
    if not (settings.enabled if wanted is None else wanted):
        return None
    from abs_index.corpus.figure_text import RapidReader

    return RapidReader(settings)


def _cluster(url: str | None, *, insecure: bool) -> AbstractContextManager[Elasticsearch | None]:
    """The cluster to push to, checked before anything is built: a wrong password must not show after hours."""
    if url is None:
        return nullcontext()
    from abs_index.indexing.elasticsearch.connection import connect

    return connect(url, insecure=insecure)


def _build(
    corpora: list[Path], index: Path, model: str | Path, device: Device, options: BuildOptions, *, quiet: bool
) -> BuildSummary:
    from abs_index.indexing.build import build_index, expected_documents
    from abs_index.model.load import load_model

    how = "the same command without --rebuild" if options.rebuild else "the same command"
    with console.resumable(f"run {how} again to go on"):
        expected = expected_documents(corpora, options.corpus)
        title = "building and reading figures" if options.reader else "building"
        with console.two_bars((title, "documents"), ("making vectors of texts", "texts"), quiet=quiet) as (read, meant):
            return build_index(
                corpora,
                index,
                load_model(model, device=device.value),
                options=options,
                progress=lambda done: read(done, expected),
                text_progress=meant,
            )


def _exit_code(summary: BuildSummary, *, strict: bool) -> int:
    refused = sum(summary.rejects.values())
    if not summary.images:
        console.stderr().print("error: nothing could be indexed: no figure has an image that can be read")
    elif strict and refused:
        console.stderr().print(f"error: {refused} files or figures were refused (--strict)")
    else:
        return 0
    return 1


def _print(summary: BuildSummary) -> None:
    table = console.summary_table()
    table.add_row("documents", f"{summary.documents:,}", str(summary.changes))
    table.add_row("figures", f"{summary.figures:,}", f"{summary.images:,} with an image")
    if summary.changes.read:
        table.add_row("  read", f"{summary.changes.read:,}", f"{summary.changes.words:,} words found in them")
    table.add_row("pairs", f"{summary.pairs:,}")
    for label, count in summary.labels.items():
        table.add_row(f"  {label}", f"{count:,}", f"{count / summary.pairs:.0%}" if summary.pairs else "")
    if summary.changes.meant:
        table.add_row("texts", f"{summary.changes.meant:,}", "got a vector of what they mean")
    table.add_row("rejects", f"{sum(summary.rejects.values()):,}", "see `abs-index rejects`" if summary.rejects else "")
    for reason, count in summary.rejects.items():
        table.add_row(f"  {reason}", f"{count:,}")
    speed = f"{summary.images_per_second:,.1f} images/s" if summary.changes.embedded else "nothing to embed"
    table.add_row("seconds", f"{summary.total_seconds:.1f}", speed)
    for stage, seconds in summary.seconds.items():
        table.add_row(f"  {stage}", f"{seconds:.1f}")
    console.stderr().print(table)
