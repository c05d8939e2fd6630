"""Commands `search`, `similar` and `show`: figures of an index, found and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abs_index.cli import console, results
from abs_index.cli.options import (
    AbsOption,
    ElasticsearchOption,
    InsecureOption,
    JsonOption,
    KindOption,
    LimitOption,
    MaxCmiOption,
    MinCmiOption,
    MinProbOption,
    NameOption,
    RoleOption,
    SourceOption,
    YearOption,
)
from abs_index.errors import QueryError, UsageError

if TYPE_CHECKING:
    from abs_index import Index
    from abs_index.search.hits import Hit


class Mode(StrEnum):
    """How words find figures."""

    LEXICAL = "lexical"
    SEMANTIC = "semantic"
    HYBRID = "hybrid"


class VectorSource(StrEnum):
    """Where vectors are searched when texts are on Elasticsearch."""

    ELASTICSEARCH = "elasticsearch"
    FAISS = "faiss"


IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index",
        help="Folder of the index. With --elasticsearch: the folder that was pushed, for vectors from FAISS.",
        metavar="DIR",
        show_default=False,
    ),
]
VectorsOption = Annotated[
    VectorSource | None,
    typer.Option(
        "--vectors",
        help="With --elasticsearch, where vectors are searched: on the cluster, or by FAISS in the folder --index.",
        show_default=False,
    ),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--es-filter",
        help="With --elasticsearch, a query in its own language that all results match, beside other filters.",
        metavar="JSON",
        show_default=False,
    ),
]

JournalOption = Annotated[
    list[str] | None,
    typer.Option("--journal", help="Only documents of this journal or book (whole name).", show_default=False),
]
LanguageOption = Annotated[
    list[str] | None, typer.Option("--language", help="Only documents in this language.", show_default=False)
]
DocumentOption = Annotated[
    list[str] | None, typer.Option("--document", help="Only figures of this document (its id).", show_default=False)
]
ImageOption = Annotated[
    Path | None, typer.Option("--image", help="A picture of your own.", metavar="FILE", show_default=False)
]
QueryModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Model for pictures of your own: the one that the index was built with, if it is not a shipped one.",
        metavar="NAME|DIR",
        show_default=False,
    ),
]

ModeOption = Annotated[
    Mode | None,
    typer.Option(
        "--mode",
        help="How words find figures: as words, by what they mean, or by both. Left out, it is hybrid, which finds "
        "most, where the index has vectors of texts (build --text-vectors), and lexical elsewhere.",
        show_default=False,
    ),
]
FacetsOption = Annotated[
    bool,
    typer.Option(
        "--facets", help="Also count all pairs that match by label, kind, role, source, year and quarters of cmi."
    ),
]


def search(
    query: Annotated[
        str, typer.Argument(help="What to look for, in Lucene's syntax.", metavar="QUERY", show_default=False)
    ] = "",
    index: IndexOption = None,
    elasticsearch: ElasticsearchOption = None,
    name: NameOption = "figures",
    image: ImageOption = None,
    like: Annotated[
        str | None,
        typer.Option("--like", help="A figure of the index.", metavar="FIGURE_ID", show_default=False),
    ] = None,
    limit: LimitOption = 10,
    mode: ModeOption = None,
    facets: FacetsOption = False,
    abs: AbsOption = None,  # noqa: A002 (the name of the field everywhere)
    min_prob: MinProbOption = None,
    min_cmi: MinCmiOption = None,
    max_cmi: MaxCmiOption = None,
    role: RoleOption = None,
    kind: KindOption = None,
    source: SourceOption = None,
    year: YearOption = None,
    journal: JournalOption = None,
    language: LanguageOption = None,
    document: DocumentOption = None,
    vectors: VectorsOption = None,
    es_filter: FilterOption = None,
    insecure: InsecureOption = False,
    model: QueryModelOption = None,
    json: JsonOption = False,
) -> None:
    """Find figures by words, by a picture, or by both.

    Words are looked for in the texts of a figure, its caption, and the titles above it. A query may use AND, OR, NOT,
    "phrases", wild*cards, fuzzy~ words, ranges and fields: text, caption, title, section, alt, figure_text (words that
    stand in the picture), keywords, authors, abs, abs_prob, kind, kind_prob, cmi (how much picture and text have in
    common, 0 to 1), role, source, journal, language, licence, doi, document, figure, year. Without a query, everything
    that passes the filters is listed, the newest first. With a picture as well, all rankings are fused. --facets
    counts everything that the words find, not only the figures that are listed. What a query requires or excludes
    holds in every --mode.

    Example:

        abs-index search 'traffic AND abs:image_more_abstract' --index figures
        abs-index search '"gel electrophoresis" year:[2010 TO 2020]' --index figures --kind photo --min-prob 0.6
        abs-index search 'traffic figure_text:density cmi:>0.5' --index figures --facets
        abs-index search 'why queues form without a cause' --index figures --mode semantic
        abs-index search turbine --image sketch.png --index figures
        abs-index search turbine --elasticsearch https://search.example.org:9200 --name figures
    """
    from abs_index import Filters

    filters = Filters.of(
        abs=abs, min_prob=min_prob, min_cmi=min_cmi, max_cmi=max_cmi, role=role, kind=kind, source=source, year=year,
        journal=journal, language=language, document=document,
    )  # fmt: skip
    place = _Place(index, elasticsearch, name, insecure, vectors, es_filter)
    with _open(place, model) as opened, _pointing_into(query):
        hits = opened.search(
            query, k=limit, mode=None if mode is None else mode.value, image=image, figure=like, filters=filters
        )
        said = opened.default_mode if mode is None else mode.value
        counts = opened.facets(query, image=image, figure=like, filters=filters) if facets else None
    if json and counts is not None:
        console.write_json({"hits": hits, "facets": counts})
        return
    if said != "lexical" and query.strip() and not json:
        console.stderr().print(f"mode: {said}", style="dim")
    _print_hits(hits, json=json)
    if counts is not None:
        results.print_facets(counts)


def similar(
    figure: Annotated[
        str | None,
        typer.Argument(help="A figure of the index, as a search prints it.", metavar="FIGURE_ID", show_default=False),
    ] = None,
    index: IndexOption = None,
    elasticsearch: ElasticsearchOption = None,
    name: NameOption = "figures",
    image: ImageOption = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="A text to the picture: both are compared together.", show_default=False),
    ] = None,
    limit: LimitOption = 10,
    abs: AbsOption = None,  # noqa: A002 (the name of the field everywhere)
    min_prob: MinProbOption = None,
    min_cmi: MinCmiOption = None,
    max_cmi: MaxCmiOption = None,
    role: RoleOption = None,
    kind: KindOption = None,
    source: SourceOption = None,
    year: YearOption = None,
    journal: JournalOption = None,
    language: LanguageOption = None,
    document: DocumentOption = None,
    vectors: VectorsOption = None,
    es_filter: FilterOption = None,
    insecure: InsecureOption = False,
    model: QueryModelOption = None,
    json: JsonOption = False,
) -> None:
    """Find figures that look like a figure of the index, or like a picture of your own.

    With a text to the picture, picture and text together are compared with the figures and their texts.

    Example:

        abs-index similar '10.1234/abc#fig2' --index figures --abs text_more_abstract
        abs-index similar --image sketch.png --text 'waves in dense traffic' --index figures
    """
    from abs_index import Filters

    filters = Filters.of(
        abs=abs, min_prob=min_prob, min_cmi=min_cmi, max_cmi=max_cmi, role=role, kind=kind, source=source, year=year,
        journal=journal, language=language, document=document,
    )  # fmt: skip
    place = _Place(index, elasticsearch, name, insecure, vectors, es_filter)
    with _open(place, model) as opened:
        _print_hits(opened.similar(figure, image=image, text=text, k=limit, filters=filters), json=json)


def show(
    figure: Annotated[str, typer.Argument(help="A figure of the index, as a search prints it.", metavar="FIGURE_ID")],
    index: IndexOption = None,
    elasticsearch: ElasticsearchOption = None,
    name: NameOption = "figures",
    insecure: InsecureOption = False,
    json: JsonOption = False,
) -> None:
    """Show a figure with all its texts, and how abstract it is beside each.

    The same image can be more abstract than one text and less abstract than another.

    Example:

        abs-index show '10.1234/abc#fig2' --index figures
    """
    with _open(_Place(index, elasticsearch, name, insecure)) as opened:
        details = opened.figure(figure)
    if json:
        console.write_json(details)
    else:
        results.print_details(details)


@dataclass(frozen=True)
class _Place:
    """Where an index is: a folder or a cluster, or texts there and vectors here."""

    folder: Path | None
    url: str | None
    name: str
    insecure: bool
    vectors: VectorSource | None = None
    es_filter: str | None = None


def _open(place: _Place, model: str | None = None) -> Index:
    from abs_index import Index

    if place.url is not None:
        return Index.connect(
            place.url,
            place.name,
            insecure=place.insecure,
            vectors=None if place.vectors is None else place.vectors.value,
            folder=place.folder,
            model=model,
            es_filter=None if place.es_filter is None else _json(place.es_filter),
        )
    if place.vectors is not None or place.es_filter is not None:
        raise UsageError("--vectors and --es-filter are for an index on a cluster; give --elasticsearch URL too")
    if place.folder is None:
        raise UsageError("give the folder of an index (--index DIR), or a cluster (--elasticsearch URL --name NAME)")
    return Index.open(place.folder, model=model)


def _json(text: str) -> dict[str, Any]:
    try:
        value = loads(text)
    except ValueError as error:
        raise UsageError(f"--es-filter: is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise UsageError('--es-filter: give an object, such as {"term": {"image_format": "PNG"}}')
    return value


@contextmanager
def _pointing_into(query: str) -> Iterator[None]:
    """Shows the place of an error in the query, above the message."""
    try:
        yield
    except QueryError as error:
        if error.position is not None and "\n" not in query:
            start = max(0, error.position - 60)
            shown = query[start : error.position + 20]
            console.stderr().print(f"  {shown}\n  {' ' * (error.position - start)}^", markup=False)
        raise


def _print_hits(hits: Sequence[Hit], *, json: bool) -> None:
    if json:
        console.write_json(hits)
    else:
        results.print_hits(hits)
