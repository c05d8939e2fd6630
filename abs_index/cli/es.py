"""Run an Elasticsearch for trying out, and see what abs-index puts on one.

Example:

    abs-index es up
    abs-index es down
    abs-index es template
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import AnalyzerOption, JsonOption, NameOption, RecipeOption, VectorPlace, VectorsOption

if TYPE_CHECKING:
    from abs_index.server.trial import Trial


def up(
    nodes: Annotated[int, typer.Option("--nodes", help="Nodes; each takes its heap and 0.3 GB.", min=1, max=9)] = 1,
    secure: Annotated[bool, typer.Option("--secure", help="With TLS, users, roles and API keys.")] = False,
    version: Annotated[str, typer.Option("--version", help="Version, 8.19 or newer.", metavar="V")] = "9.5.0",
    port: Annotated[
        int, typer.Option("--port", help="Port of the first node; the others follow.", min=1, max=65535)
    ] = 9200,
    heap: Annotated[
        str, typer.Option("--heap", help="Java heap of a node, such as 512m or 2g.", metavar="SIZE")
    ] = "512m",
    as_json: JsonOption = False,
) -> None:
    """Start a real Elasticsearch on this machine to try things with.

    It runs in the background, answers on this machine only, and is gone with its data after `abs-index es down`. The
    first start downloads it through Maven, about 130 MB. It needs Java (a JDK): 21 or newer for Elasticsearch 9, 17 or
    newer for 8.19. It is the ordinary program of the free licence with fewer modules: no scripts, no ingest, no
    snapshots to the cloud.

    Example:

        abs-index es up
        abs-index es up --nodes 3 --heap 1g
        abs-index es up --secure --version 8.19.8
    """
    from abs_index.server.trial import start_trial

    def tell(line: str) -> None:
        console.stderr().print(line, markup=False)

    trial = start_trial(nodes=nodes, secure=secure, version=version, port=port, heap=heap, tell=tell)
    if as_json:
        console.write_json(_public(trial))
        return
    console.write(f"{trial} is ready")
    if trial.config:
        console.write(f"export ABS_INDEX_ES_CONFIG={shlex.quote(str(trial.config))}")
    console.write(f"abs-index push INDEX --elasticsearch {trial.urls[0]}")


def down(as_json: JsonOption = False) -> None:
    """Stop the Elasticsearch that `abs-index es up` started, and delete its data.

    Example:

        abs-index es down
    """
    from abs_index.server.trial import stop_trial

    trial = stop_trial()
    if as_json:
        console.write_json(_public(trial) if trial else None)
        return
    console.stderr().print(f"{trial} is stopped" if trial else "no Elasticsearch of `es up` is here", markup=False)


def template(
    name: NameOption = "figures",
    vectors: VectorsOption = VectorPlace.ELASTICSEARCH,
    analyzer: AnalyzerOption = "english",
    recipe: RecipeOption = "default",
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            help="Folder of an index whose vectors say how long they are, instead of the recipe.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the templates that a push puts on the cluster, as JSON by the path of each request.

    `abs-index push` puts them there by itself. They say which fields there are, and how texts and vectors are kept.

    Example:

        abs-index es template
        abs-index es template --name figures-2025 --analyzer german --vectors faiss
    """
    from abs_index.indexing.elasticsearch.aliases import check_name
    from abs_index.indexing.elasticsearch.templates import Layout, templates
    from abs_index.recipe import load_recipe

    chosen = load_recipe(recipe)
    if index is None:
        layout = Layout(
            chosen.pair.embedding_dim, chosen.image.embedding_dim, vectors.value, analyzer, chosen.elasticsearch
        )
    else:
        from abs_index.indexing.table import Table

        layout = Layout.of(Table.open(index), vectors.value, analyzer, chosen.elasticsearch)
    console.write_json(templates(check_name(name), layout).as_json())


def _public(trial: Trial) -> dict[str, object]:
    return {"version": trial.version, "urls": trial.urls, "config": trial.config}


COMMANDS = (up, down, template)
