"""Reading all that a query finds, as it is at one moment, in pages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from abs_index.errors import ElasticsearchError
from abs_index.indexing.elasticsearch.connection import error_type, server_errors
from abs_index.indexing.elasticsearch.patience import Patience

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Json = dict[str, Any]


class PointLostError(ElasticsearchError):
    """Raised when the point in time is gone, by a restart or because it was not used for long."""


def read_pages(
    client: Elasticsearch,
    index: str,
    body: Json,
    size: int,
    *,
    keep: str,
    patience: Patience | None = None,
    next_size: Callable[[int, Sequence[Json]], int] | None = None,
) -> Generator[list[Json]]:
    """All hits of the search `body`, of `index` as it is when this begins, in no order; the last page may be empty.

    Pages hold `size` hits, or as many as `next_size` makes of the size and the hits before. The server keeps the moment
    for `keep` ("2m") from one page to the next. With `patience`, what fails for now is asked again; a page that lacks
    a part of the index is never taken. Raises PointLostError, and the errors of `connection.server_errors`.
    """

    def ask(request: Callable[[], Any]) -> Any:
        if patience:
            return patience.call(request)
        with server_errors(client):
            return request()

    point = ask(lambda: client.open_point_in_time(index=index, keep_alive=keep))["id"]
    body = {**body, "sort": ["_shard_doc"], "track_total_hits": False}
    try:
        while True:
            page = {**body, "size": size, "pit": {"id": point, "keep_alive": keep}}
            answer = ask(partial(_search, client, index, page))
            hits, point = answer["hits"]["hits"], answer.get("pit_id", point)
            whole = len(hits) == size
            if whole:
                body["search_after"] = hits[-1]["sort"]
                size = next_size(size, hits) if next_size else size
            yield hits
            if not whole:
                return
    finally:
        _close(client, point)


def _search(client: Elasticsearch, index: str, page: Json) -> Any:
    from elasticsearch import NotFoundError

    try:
        return client.search(body=page, allow_partial_search_results=False)
    except NotFoundError as error:
        if error_type(error) == "index_not_found_exception":
            raise
        raise PointLostError(f"{index}: the server has forgotten the search; run the same command again") from error


def _close(client: Elasticsearch, point: str) -> None:
    from elastic_transport import ApiError, TransportError

    try:
        client.close_point_in_time(id=point)
    except (ApiError, TransportError):
        return  # it ends by itself
