"""Reading all hits of a query in pages, as they are at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import AliasError
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.point_in_time import PointLostError, read_pages

BODY: dict[str, Any] = {"query": {"range": {"n": {"lt": 100}}}, "_source": ["n"]}


def add(client: Elasticsearch, name: str, *numbers: int) -> None:
    for number in numbers:
        client.index(index=name, id=str(number), document={"n": number, "text": "x"})
    client.indices.refresh(index=name)


def numbers(pages: Iterator[list[Any]]) -> list[list[int]]:
    found = [[hit["_source"] for hit in page] for page in pages]
    assert all(source.keys() == {"n"} for page in found for source in page)
    return [[source["n"] for source in page] for page in found]


@pytest.fixture(params=[True, False], ids=["patiently", "once"])
def patience(request: pytest.FixtureRequest) -> Patience | None:
    return Patience(5, "the server") if request.param else None


@pytest.mark.clients
@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (3, [2, 1]), (4, [2, 2, 0])])
def test_all_pages(client: Elasticsearch, name: str, patience: Patience | None, count: int, sizes: list[int]) -> None:
    client.indices.create(index=name, settings={"index.number_of_shards": 2}, mappings={"properties": {}})
    add(client, name, *range(count), 100)
    found = numbers(read_pages(client, name, BODY, 2, keep="1m", patience=patience))
    assert [len(page) for page in found] == sizes
    assert sorted(number for page in found for number in page) == list(range(count))


def test_what_is_written_meanwhile_is_not_seen(client: Elasticsearch, name: str) -> None:
    add(client, name, 0, 1, 2)
    pages = read_pages(client, name, BODY, 2, keep="1m")
    first = next(pages)
    add(client, name, 3)
    client.delete(index=name, id="2", refresh=True)
    assert sorted(hit["_source"]["n"] for page in (first, *pages) for hit in page) == [0, 1, 2]


def test_sizes_may_follow_what_was_read(client: Elasticsearch, name: str) -> None:
    add(client, name, *range(9))
    pages = read_pages(client, name, BODY, 1, keep="1m", next_size=lambda size, hits: 2 * size + len(hits) - 1)
    assert [len(page) for page in pages] == [1, 2, 5, 1]


def test_a_reader_that_stops_leaves_nothing_open(client: Elasticsearch, name: str) -> None:
    add(client, name, *range(9))
    pages = read_pages(client, name, BODY, 1, keep="1m")
    next(pages)
    assert open_searches(client, name) == 1
    pages.close()
    assert open_searches(client, name) == 0


def open_searches(client: Elasticsearch, name: str) -> int:
    answer = client.indices.stats(index=name, metric="search")
    return int(answer["_all"]["total"]["search"]["open_contexts"])


def test_a_moment_that_the_server_has_forgotten(
    client: Elasticsearch, name: str, patience: Patience | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, name, *range(5))
    opened: list[str] = []
    open_point = client.open_point_in_time
    monkeypatch.setattr(client, "open_point_in_time", lambda **given: _kept(opened, open_point(**given)))
    pages = read_pages(client, name, BODY, 2, keep="1m", patience=patience)
    next(pages)
    client.close_point_in_time(id=opened[0])
    with pytest.raises(PointLostError, match=f"{name}: the server has forgotten the search"):
        next(pages)


def _kept(opened: list[str], answer: Any) -> Any:
    opened.append(answer["id"])
    return answer


def test_an_index_that_is_not_there(client: Elasticsearch, name: str, patience: Patience | None) -> None:
    with pytest.raises(AliasError, match=name):
        next(read_pages(client, name, BODY, 2, keep="1m", patience=patience))
