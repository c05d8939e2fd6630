"""Command `report`: the paper's tables and figures from one's own corpus, labels and trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abs_index.cli import console
from abs_index.cli.extras import training_extra
from abs_index.cli.options import ImagesOption, LabelsOption, QuietOption


def report(
    output: Annotated[
        Path, typer.Option("--output", help="Folder that the report is written to.", metavar="DIR", show_default=False)
    ],
    corpora: Annotated[
        list[Path] | None,
        typer.Option(
            "--corpus",
            help="Folder or archive of documents, for the table of the corpus. May be repeated.",
            metavar="CORPUS",
            show_default=False,
        ),
    ] = None,
    labels: LabelsOption = None,
    images: ImagesOption = None,
    annotator: Annotated[
        str,
        typer.Option("--annotator", help="Who made the labels, in words.", metavar="TEXT", show_default=False),
    ] = "",
    pretrained: Annotated[
        Path | None,
        typer.Option("--pretrained", help="Folder of `train pretrain`.", metavar="DIR", show_default=False),
    ] = None,
    classifiers: Annotated[
        list[Path] | None,
        typer.Option(
            "--classifier",
            help="Folder of `train classifier`. May be repeated, once a regime.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Name or folder of a model to score beside them. May be repeated.",
            metavar="NAME|DIR",
            show_default=False,
        ),
    ] = None,
    unseen: Annotated[
        list[Path] | None,
        typer.Option(
            "--sources",
            help="Folder of `train sources`, for the table of sources not seen in training. May be repeated.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Make the paper's tables and figures from your own data, with the published values beside them.

    Writes Markdown with plots: corpus, labels, confusion matrix, the three regimes, losses. Each says recipe, schedule,
    hardware and annotator. Figures that show pictures and texts of documents (reconstructions, right and wrong
    answers) go to the folder "third-party" in it, which git leaves alone. What is not given is left out.

    Example:

        abs-index report --output my-report --corpus articles/ --labels labels.jsonl --images articles/ \
--annotator "two students" --pretrained pretrained --classifier scratch --classifier freeze --classifier transfer
    """
    from abs_index.cli.labelled import read_told_labels

    with training_extra():
        from abs_index.training.report.write import ReportSources, write_report
    from abs_index.model.load import load_model

    root = images or (labels.parent if labels else Path())
    sources = ReportSources(
        corpora=corpora or (),
        labels=read_told_labels(labels, root, quiet=quiet) if labels else (),
        images=root,
        annotator=annotator,
        pretraining=pretrained,
        classifiers=classifiers or (),
        models=[load_model(name, device="cpu") for name in models or ()],
        unseen=unseen or (),
    )
    note = console.stderr()
    page = write_report(sources, output, None if quiet else lambda line: note.print(line, markup=False))
    note.print(f"wrote {page}", markup=False)
