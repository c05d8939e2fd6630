"""Whatever the network and the server do, every pair is on the server once: nothing is lost, nothing is there twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from elasticsearch import Elasticsearch

from abs_index.errors import AliasError, PushError, StorageError, UnreachableError
from abs_index.indexing.elasticsearch.aliases import find_index, own_indices
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.push import PushOptions, PushReport, push
from tests.elasticsearch.proxy import LATE, Fault, Proxy, in_turn
from tests.elasticsearch.pushing import assert_same, change, documents, on_server, write_index
from tests.search.tables import DocumentRow, FigureRow, PairRow


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 120 pairs, which tests do not change: some thirty requests of 4 kB."""
    return write_index(tmp_path_factory.mktemp("faults") / "index", documents(30))


@pytest.fixture
def options(name: str, tmp_path: Path) -> PushOptions:
    return PushOptions(name, chunk_bytes=4000, patience=20, dead_letters=tmp_path / "dead.jsonl")


def push_through(proxy: Proxy, folder: Path, options: PushOptions, timeout: float = 60) -> PushReport:
    with proxy, connect(proxy.url, timeout=timeout) as client:
        return push(folder, client, options)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.TOO_LARGE])
def test_a_request_that_goes_wrong_is_sent_again(
    client: Elasticsearch, index: Path, options: PushOptions, fault: Fault
) -> None:
    proxy = Proxy(_url(client), in_turn([None, fault, fault, None, fault]))
    report = push_through(proxy, index, options, timeout=LATE - 0.5 if fault is Fault.LATE_RESPONSE else 60)
    assert proxy.done == [fault] * 3
    assert (report.sent, report.refused) == (120, 0)
    assert_same(client, options.name, index)


def _url(client: Elasticsearch) -> str:
    return next(iter(client.transport.node_pool.all())).base_url


def test_a_request_that_is_too_large_for_what_stands_between_is_cut_up(
    client: Elasticsearch, index: Path, options: PushOptions
) -> None:
    proxy = Proxy(_url(client), in_turn([Fault.TOO_LARGE] * 5))
    push_through(proxy, index, replace(options, chunk_bytes=50_000))
    assert len(proxy.done) == 5
    assert_same(client, options.name, index)


def test_a_document_that_is_too_large_for_what_stands_between_is_a_dead_letter(
    client: Elasticsearch, options: PushOptions, tmp_path: Path
) -> None:
    folder = write_index(tmp_path / "index", documents(60))
    proxy = Proxy(_url(client), in_turn([Fault.TOO_LARGE]))
    report = push_through(proxy, folder, replace(options, chunk_bytes=1))
    assert (report.sent, report.refused) == (239, 1)
    (letter,) = letters(options)
    assert (letter["status"], letter["id"] in on_server(client, options.name)) == (413, False)
    assert letter["document"]["pair"] == letter["id"]


def letters(options: PushOptions) -> list[dict]:
    assert options.dead_letters is not None
    return [orjson.loads(line) for line in options.dead_letters.read_bytes().splitlines()]


def test_every_other_step_may_lose_its_answer(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    """Of each step that changes something, the first answer is lost: the new index, the clone, settings, the alias."""
    folder = write_index(tmp_path / "index", documents(4))
    seen: set[tuple[str, str]] = set()

    def first_of_each(method: str, path: str) -> Fault | None:
        step = (method, path.partition("?")[0].rpartition("/")[2].partition("-abs-")[0])
        if method == "GET" or step in seen or "template" in path or "_analyze" in path:
            return None
        seen.add(step)
        return Fault.LOSE_RESPONSE

    for number in range(2):
        seen.clear()
        proxy = Proxy(_url(client), first_of_each)
        push_through(proxy, folder, options)
        assert len(proxy.done) > 5
        assert_same(client, options.name, folder)
        change(folder, ["d1"], documents(2, 10 + number))
    assert ("PUT", "write") in seen and ("POST", "_aliases") in seen
    assert len(own_indices(client, options.name)) == 2


def test_a_server_that_does_not_come_back_is_given_up(client: Elasticsearch, index: Path, options: PushOptions) -> None:
    proxy = Proxy(_url(client), lambda method, path: Fault.UNAVAILABLE if "_bulk" in path else None)
    with pytest.raises(PushError, match=r"no progress for 1 s \(503 too much to do\).*run the same command again"):
        push_through(proxy, index, replace(options, patience=1))
    assert find_index(client, options.name) is None
    report = push(index, client, options)
    assert report.sent == 120
    assert_same(client, options.name, index)


def test_a_server_that_is_not_there(index: Path, options: PushOptions) -> None:
    with pytest.raises(UnreachableError, match="connection refused"):
        connect("http://127.0.0.1:1")


# what the server refuses


TOO_LONG = "x" * 40_000
"""More than a keyword can hold: `abs` and `kind` are kept whole whatever their length."""


def spoilt(number: int) -> DocumentRow:
    return DocumentRow(f"bad{number}", [FigureRow("f1", [PairRow("text", kind=TOO_LONG)])])


def test_a_few_refused_documents_are_dead_letters(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", [*documents(50), spoilt(1), *documents(20, 50), spoilt(2)])
    report = push(folder, client, replace(options, chunk_bytes=10**6))
    assert (report.sent, report.refused, report.pairs) == (280, 2, 280)
    first, second = letters(options)
    assert {first["id"], second["id"]} == {"bad1-f1-0", "bad2-f1-0"}
    assert first["status"] == 400
    assert "32766" in first["reason"]
    assert first["document"]["kind"] == TOO_LONG
    assert len(on_server(client, options.name)) == 280
    # They are tried again, and only they.
    again = push(folder, client, options)
    assert (again.sent, again.refused, again.unchanged) == (0, 2, 280)


def test_many_refused_documents_stop_a_push(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", documents(20))
    push(folder, client, options)
    before = on_server(client, options.name)
    change(folder, add=[spoilt(1), spoilt(2)])
    with pytest.raises(PushError, match=r"too many documents were refused .* bad\d-f1-0: .*dead.jsonl"):
        push(folder, client, options)
    assert on_server(client, options.name) == before
    change(folder, ["bad1", "bad2"])
    push(folder, client, options)
    assert_same(client, options.name, folder)


def test_an_old_pair_does_not_stand_for_a_refused_one(
    client: Elasticsearch, options: PushOptions, tmp_path: Path
) -> None:
    folder = write_index(tmp_path / "index", [*documents(60), spoilt(1)])
    table_before = spoilt(1)
    table_before.figures[0].pairs[0].kind = "plot"
    change(folder, ["bad1"], [table_before])
    push(folder, client, options)
    assert "bad1-f1-0" in on_server(client, options.name)
    worse = spoilt(1)
    worse.figures[0].pairs.append(PairRow("one more"))
    change(folder, ["bad1"], [worse])
    report = push(folder, client, options)
    assert (report.refused, report.deleted, report.sent) == (1, 1, 1)
    found = on_server(client, options.name)
    assert "bad1-f1-0" not in found
    assert "bad1-f1-1" in found


def test_dead_letters_that_cannot_be_written(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", [*documents(60), spoilt(1)])
    with pytest.raises(StorageError, match="--dead-letters"):
        push(folder, client, replace(options, dead_letters=tmp_path / "none" / "dead.jsonl"))


def test_a_text_of_ten_megabytes(client: Elasticsearch, options: PushOptions, tmp_path: Path) -> None:
    text = "turbine " * 1_250_000
    folder = write_index(tmp_path / "index", [DocumentRow("d", [FigureRow("f1", [PairRow(text)])]), *documents(2, 5)])
    report = push(folder, client, options)
    assert report.refused == 0
    assert len(client.get(index=options.name, id="d-f1-0")["_source"]["text"]) == 10_000_000


# what the cluster does meanwhile


def at_first_progress(action: Callable[[], object]) -> Callable[[int, int | None], None]:
    """A progress function that does something, once, when the first documents have arrived."""
    waiting = [action]

    def progress(done: int, total: int | None) -> None:
        if waiting:
            waiting.pop()()

    return progress


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("read_only_allow_delete", "disk of the cluster is too full.*free space.*run the same command again"),
        ("read_only", "takes no documents.*lift the block"),
    ],
)
def test_a_cluster_that_takes_no_documents(
    client: Elasticsearch, index: Path, options: PushOptions, block: str, message: str
) -> None:
    """As a full disk does it: the index becomes read-only by the flood-stage watermark."""

    def set_block(value: bool | None) -> None:
        client.indices.put_settings(index=f"{options.name}-abs-*", settings={f"index.blocks.{block}": value})

    with pytest.raises(PushError, match=message):
        push(index, client, options, progress=at_first_progress(lambda: set_block(True)))
    set_block(None)
    assert find_index(client, options.name) is None
    report = push(index, client, options)
    assert report.unchanged > 0
    assert_same(client, options.name, index)


def test_an_index_that_vanishes_while_it_is_loaded(client: Elasticsearch, index: Path, options: PushOptions) -> None:
    def remove() -> None:
        for each in own_indices(client, options.name):
            client.indices.delete(index=each.index)

    with pytest.raises(AliasError, match="is gone"):
        push(index, client, options, progress=at_first_progress(remove))
    assert own_indices(client, options.name) == []  # and it was not made again by the requests that followed


def test_somebody_else_deletes_documents_meanwhile(client: Elasticsearch, index: Path, options: PushOptions) -> None:
    def remove() -> None:
        (loading,) = own_indices(client, options.name)
        client.indices.refresh(index=loading.index)
        hits = client.search(index=loading.index, size=1, source=False)["hits"]["hits"]
        client.delete(index=loading.index, id=hits[0]["_id"])

    with pytest.raises(PushError, match=r"holds 119 pairs, 120 were expected"):
        push(index, client, options, progress=at_first_progress(remove))
    assert push(index, client, options).pairs == 120
    assert_same(client, options.name, index)


def test_threads_end_with_the_push(client: Elasticsearch, index: Path, options: PushOptions) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    # Progress is told in order, and any of the four may come first: each must get through in the end.
    proxy = Proxy(_url(client), in_turn([None, Fault.UNAVAILABLE, Fault.UNAVAILABLE] * 40))
    with proxy, connect(proxy.url) as slow, pytest.raises(KeyboardInterrupt):
        push(index, slow, replace(options, workers=4), progress=at_first_progress(interrupt))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker")]
