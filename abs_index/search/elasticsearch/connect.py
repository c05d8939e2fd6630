"""Opening an index on a cluster: everything is checked here, so that searches find what they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from abs_index.errors import UsageError
from abs_index.indexing.elasticsearch.aliases import LiveIndex, live_index
from abs_index.indexing.elasticsearch.connection import connect, server_errors
from abs_index.search.elasticsearch.engine import ElasticsearchEngine
from abs_index.search.elasticsearch.server import Server
from abs_index.search.elasticsearch.vectors import NoVectors, ServerVectors, VectorSource

if TYPE_CHECKING:
    from abs_index.indexing.elasticsearch.credentials import Credentials

VectorsFrom = Literal["elasticsearch", "faiss"]
"""Where vectors are searched: on the cluster, or by FAISS in the folder of the index."""


def open_engine(
    url: str,
    name: str,
    *,
    credentials: Credentials | None = None,
    insecure: bool = False,
    vectors: VectorsFrom | None = None,
    folder: Path | None = None,
    only: Mapping[str, Any] | None = None,
) -> ElasticsearchEngine:
    """See `Index.connect`."""
    if vectors is not None and vectors not in get_args(VectorsFrom):
        raise UsageError(f"vectors: {vectors!r} does not exist; valid are {', '.join(get_args(VectorsFrom))}")
    if folder is not None and vectors == "elasticsearch":
        raise UsageError("a folder is for vectors from FAISS; leave it out, or ask for vectors='faiss'")
    client = connect(url, credentials=credentials, insecure=insecure)
    try:
        live = live_index(client, name)
        server = Server(client, live.index)
        query = None if only is None else dict(only)
        if query is not None:
            _check_filter(server, query)
        return ElasticsearchEngine(server, live, _vectors(server, live, name, vectors, folder), query)
    except BaseException:
        client.close()
        raise


def _vectors(
    server: Server, live: LiveIndex, name: str, vectors: VectorsFrom | None, folder: Path | None
) -> VectorSource:
    there = live.meta.vectors in ("elasticsearch", "both")
    if vectors == "elasticsearch" and not there:
        raise UsageError(f"{name!r} was pushed without vectors; search them with FAISS (--vectors faiss)")
    if vectors == "elasticsearch" or (vectors is None and folder is None and there):
        return ServerVectors(live.meta.quantisation, live.meta.text_encoder or None)
    if folder is None:
        if vectors == "faiss":
            raise UsageError("vectors from FAISS need the folder of the index that was pushed (--index DIR)")
        return NoVectors(name)
    from abs_index.search.elasticsearch.faiss import FaissVectors

    return FaissVectors.open(server, folder, live.meta, name)


def _check_filter(server: Server, query: dict[str, Any]) -> None:
    """Raises UsageError for a filter that the server does not understand, in its words."""
    with server_errors(server.client):
        answer = server.client.indices.validate_query(index=server.index, query=query, explain=True)
    if not answer["valid"]:
        reasons = [each["error"] for each in answer.get("explanations", ()) if "error" in each]
        reason = (reasons or [answer.get("error", "no reason given")])[0]
        raise UsageError(f"filter: the cluster does not understand it ({' '.join(str(reason).split())[:300]})")
