"""Command `enrich`: labels for the figures of an Elasticsearch index that is already there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import (
    Device,
    DeviceOption,
    ElasticsearchRequired,
    FigureTextOption,
    InsecureOption,
    JsonOption,
    QuietOption,
    WorkersOption,
)
from abs_index.cli.predict import ModelOption, TextRole

if TYPE_CHECKING:
    from abs_index.corpus.figure_text import FigureReader
    from abs_index.enriching.summary import EnrichSummary

_TEXT_SHOWN = 60
_WIDE = 2000


def enrich(
    elasticsearch: ElasticsearchRequired,
    name: Annotated[str, typer.Option("--name", help="The index, or an alias of one.", show_default=False)],
    image_field: Annotated[
        str,
        typer.Option("--image-field", help="Field with the path or URL of an image.", metavar="F", show_default=False),
    ],
    text_field: Annotated[
        str, typer.Option("--text-field", help="Field with the text of that image.", metavar="F", show_default=False)
    ],
    alt_field: Annotated[
        str,
        typer.Option(
            "--alt-field", help="Field with the alternative text of that image.", metavar="F", show_default=False
        ),
    ] = "",
    caption_field: Annotated[
        str,
        typer.Option(
            "--caption-field",
            help="With --role mention: field with the caption of the figure.",
            metavar="F",
            show_default=False,
        ),
    ] = "",
    image_root: Annotated[
        Path | None,
        typer.Option(
            "--image-root",
            help="Folder that paths of images start from. Nothing outside it is read.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Fetch images from this host, by http or https; others are never asked. May be repeated.",
            metavar="HOST",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str,
        typer.Option(
            "--query",
            help="Only documents of this query: Lucene's syntax, or a clause as JSON.",
            metavar="QUERY",
            show_default=False,
        ),
    ] = "",
    target_field: Annotated[
        str,
        typer.Option(
            "--target-field",
            help="Put labels into an object of this name, instead of directly beside the image.",
            metavar="NAME",
            show_default=False,
        ),
    ] = "",
    role: Annotated[TextRole, typer.Option("--role", help="What the text is to the image.")] = TextRole.CAPTION,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Write the embeddings too, for searches by nearest neighbours.")
    ] = False,
    figure_text: FigureTextOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    model: ModelOption = "default",
    device: DeviceOption = Device.AUTO,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Images a batch.", min=1)] = 32,
    workers: WorkersOption = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            help="File for the figures that got no labels, and why: JSON lines.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    dead_letters: Annotated[
        Path,
        typer.Option(
            "--dead-letters", help="File for updates that the server refused for good: JSON lines.", metavar="FILE"
        ),
    ] = Path("dead-letters.jsonl"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where any figure got no labels.")] = False,
    insecure: InsecureOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label the figures of an Elasticsearch index that is already there.

    Reads the documents, predicts for each image and its text which is more abstract and what kind of image it is, and
    writes the fields abs, abs_prob, kind, kind_prob and cmi beside the image. All else stays as it is. A run that was
    stopped goes on where it was; a later run does what is new or has changed.

    Model default makes use of alternative text and caption, as a build does, where their fields are named.

    With --figure-text, the words in each image are read once, told to the model, and written to the field figure_text.

    Example:

        abs-index enrich --elasticsearch http://localhost:9200 --name articles --image-field figure.path \\
            --text-field figure.caption --image-root images/ --dry-run
    """
    from abs_index.indexing.elasticsearch.connection import connect
    from abs_index.model.load import load_model

    reader = _reader() if figure_text else None
    client = connect(elasticsearch, insecure=insecure)
    # What follows needs the packages of the client, of which connecting says whether they are there.
    from abs_index.enriching.enrich import EnrichOptions
    from abs_index.enriching.enrich import enrich as enrich_index
    from abs_index.enriching.labelling import LabelSettings

    options = EnrichOptions(
        image_field,
        text_field,
        alt_field=alt_field,
        caption_field=caption_field,
        image_root=image_root,
        allow_hosts=tuple(allow_host or ()),
        query=query,
        target_field=target_field,
        dry_run=dry_run,
        labels=LabelSettings(role=role.value, vectors=vectors, batch_size=batch_size, workers=workers, reader=reader),
        rejects=rejects,
        dead_letters=dead_letters,
    )
    with console.resumable():
        network = load_model(model, device=device.value)
        with client, console.progress("enriching", unit="documents", quiet=quiet) as advance:
            summary = enrich_index(client, name, network, options, advance)
    if json:
        console.write_json(summary)
    else:
        _print(summary)
    raise typer.Exit(_exit_code(summary, dead_letters, strict=strict))


def _reader() -> FigureReader:
    from abs_index.corpus.figure_text import RapidReader

    return RapidReader()


def _exit_code(summary: EnrichSummary, dead_letters: Path, *, strict: bool) -> int:
    out = console.stderr()
    refused = sum(summary.rejects.values())
    if summary.refused:
        out.print(
            f"error: {summary.refused:,} updates were refused by the server; they are in {dead_letters}", markup=False
        )
    elif summary.figures and not (summary.labelled or summary.unchanged):
        reason = next(iter(_most_first(summary.rejects)))
        out.print(f"error: nothing could be done: none of {summary.figures:,} figures ({reason})", markup=False)
    elif strict and refused:
        out.print(f"error: {refused:,} figures got no labels (--strict)", markup=False)
    else:
        return 0
    return 1


def _print(summary: EnrichSummary) -> None:
    table = console.summary_table()
    written = "dry run: nothing was written" if summary.dry_run else f"{summary.written:,} written"
    table.add_row("documents", f"{summary.documents:,}", written)
    table.add_row("figures", f"{summary.figures:,}", f"{summary.unchanged:,} unchanged")
    table.add_row("labelled", f"{summary.labelled:,}")
    for label, count in _most_first(summary.labels).items():
        table.add_row(f"  {label}", f"{count:,}", f"{count / summary.labelled:.0%}")
    table.add_row(
        "rejects", f"{sum(summary.rejects.values()):,}", "listed by --rejects FILE" if summary.rejects else ""
    )
    for reason, count in _most_first(summary.rejects).items():
        table.add_row(f"  {reason}", f"{count:,}")
    if summary.without_vectors:
        table.add_row("without vectors", f"{summary.without_vectors:,}", "several figures in an array not nested")
    if summary.without_words:
        table.add_row("without words", f"{summary.without_words:,}", "words in the figure not read")
    if summary.conflicts:
        table.add_row("conflicts", f"{summary.conflicts:,}", "changed by others meanwhile, read again")
    table.add_row(
        "seconds", f"{summary.seconds:.1f}", f"{summary.documents / max(summary.seconds, 0.001):,.1f} documents/s"
    )
    out = console.stderr()
    out.print(table)
    if summary.added_fields:
        verb = "would be added" if summary.dry_run else "added"
        out.print(f"fields {verb}: {', '.join(summary.added_fields)}", markup=False)
    if summary.dry_run:
        _print_sample(summary)


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _print_sample(summary: EnrichSummary) -> None:
    from rich.table import Table
    from rich.text import Text

    names = ("document", "place", "image", "abs", "kind", "text")
    listing = Table(box=None, pad_edge=False)
    for name in names:
        listing.add_column(name, overflow="fold")
    for row in summary.sample:
        shown = row | {"text": row["text"][:_TEXT_SHOWN], "abs": f"{row['abs']} {row['abs_prob'][row['abs']]:.0%}"}
        listing.add_row(*(Text(str(shown[name])) for name in names))
    out = console.stdout()
    if not out.is_terminal:
        out.width = _WIDE
    out.print(listing)
