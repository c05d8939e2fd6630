"""Options that several commands share, each defined once: the same flag means the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from abs_index.labels import ABS, KINDS, ROLES


class Device(StrEnum):
    """Where a network runs: `auto` takes a GPU where there is one and the extra for it is installed."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class VectorPlace(StrEnum):
    """Where the vectors of an index on Elasticsearch are: on the cluster, in the folder of the index, or in both."""

    ELASTICSEARCH = "elasticsearch"
    FAISS = "faiss"
    BOTH = "both"


Corpora = Annotated[
    list[Path],
    typer.Argument(
        help="Folders or archives (.zip, .tar, .tar.gz) of documents.", metavar="CORPUS", show_default=False
    ),
]
IndexOption = Annotated[Path, typer.Option("--index", help="Folder of the index.", metavar="DIR", show_default=False)]
IndexArgument = Annotated[Path, typer.Argument(help="Folder of the index.", metavar="INDEX", show_default=False)]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="Name of a shipped recipe, or a recipe file (.toml).", metavar="NAME|FILE")
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Folder of a model, or hf:ORG/NAME of the hub, instead of the one that the recipe ships.",
        metavar="DIR",
        show_default=False,
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the network runs.")]
BatchSizeOption = Annotated[
    int | None,
    typer.Option("--batch-size", help="Images a batch; left out, the recipe says.", min=1, show_default=False),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", help="Threads that decode images; left out, one a core.", min=1, show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
LimitOption = Annotated[int, typer.Option("-k", "--limit", help="Figures to return at most.", min=1)]

_LABELS = typer.Option("--labels", help="File of labelled pairs, JSON lines.", metavar="FILE", show_default=False)
LabelsOption = Annotated[Path | None, _LABELS]
LabelsRequired = Annotated[Path, _LABELS]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        help="Folder that the image paths start from; left out, the folder of the labels.",
        metavar="DIR",
        show_default=False,
    ),
]
FigureTextOption = Annotated[
    bool, typer.Option("--figure-text", help="Read the words in the images first; needs the extra [figure-text].")
]

_URL = typer.Option(
    "--elasticsearch",
    metavar="URL",
    help="Elasticsearch server, such as https://host:9200. Credentials come from ABS_INDEX_ES_API_KEY, or _USER and "
    "_PASSWORD, or from a file (see the documentation), never from the URL.",
    show_default=False,
)
ElasticsearchOption = Annotated[str | None, _URL]
ElasticsearchRequired = Annotated[str, _URL]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="Name on the cluster: the alias to search in.")]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Allow plain HTTP to other machines than this one.")]
VectorsOption = Annotated[
    VectorPlace,
    typer.Option("--vectors", help="Where the vectors are: on the cluster, in the folder of the index, or in both."),
]
AnalyzerOption = Annotated[
    str, typer.Option("--analyzer", metavar="NAME", help="Analyser of the texts; the cluster must have it.")
]

AbsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--abs",
        metavar="LABEL",
        help=f"Only pairs with this label: {', '.join(ABS)}. May be repeated.",
        show_default=False,
    ),
]
MinProbOption = Annotated[
    float | None,
    typer.Option(
        "--min-prob",
        metavar="P",
        help="Only pairs whose label has at least this probability.",
        min=0,
        max=1,
        show_default=False,
    ),
]
MinCmiOption = Annotated[
    float | None,
    typer.Option(
        "--min-cmi",
        metavar="X",
        help="Only pairs of picture and text that have at least so much in common, from 0 to 1.",
        min=0,
        max=1,
        show_default=False,
    ),
]
MaxCmiOption = Annotated[
    float | None,
    typer.Option(
        "--max-cmi",
        metavar="X",
        help="Only pairs of picture and text that have at most so much in common, from 0 to 1.",
        min=0,
        max=1,
        show_default=False,
    ),
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role", metavar="ROLE", help=f"Only pairs with a text of this role: {', '.join(ROLES)}.", show_default=False
    ),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help=f"Only figures of this kind: {', '.join(KINDS)}. May be repeated.",
        show_default=False,
    ),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="Only figures from this part of the corpus. May be repeated.",
        show_default=False,
    ),
]
YearOption = Annotated[
    str | None,
    typer.Option(
        "--year",
        metavar="YEARS",
        help="Only documents of this year, or of a range: 2015, 2010..2020, 2010.., ..2020.",
        show_default=False,
    ),
]
