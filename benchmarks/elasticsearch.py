"""How fast pairs go to Elasticsearch and searches come back, beside the bare client on the same server in the same run.

    python benchmarks/elasticsearch.py                      # starts a server of its own, one node
    python benchmarks/elasticsearch.py --url http://127.0.0.1:9200 --json
    python benchmarks/elasticsearch.py --only bulk --documents 50000
    python benchmarks/elasticsearch.py --only size --index figures
    python benchmarks/elasticsearch.py --only memory --memory-pairs 1000000

Pairs are generated (see `benchmarks/generated.py`).

    bulk     documents per second of our bulk load over those of the client's `streaming_bulk`, both with the same
             prepared documents (bytes), the same size of requests, and new indices of the same template, in turn
    queries  50th and 95th percentile of whole searches, over those of the same requests sent by the bare client: what
             a search sent is recorded, and sent again by itself, in turn
    size     bytes a pair on disk, and of vectors in memory, by quantisation
    memory   peak memory of a process that pushes so many pairs, at a tenth of them and at the end
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# The folder of this file must not be searched: it holds a module with the name of the client.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk

from abs_index.indexing.elasticsearch import aliases
from abs_index.indexing.elasticsearch.bulk import MB, BulkSettings, Operation, load
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.dead_letters import DeadLetters
from abs_index.indexing.elasticsearch.documents import Documents
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.push import PushOptions, push
from abs_index.indexing.elasticsearch.templates import Layout, put_templates, templates
from abs_index.indexing.publish import publish
from abs_index.indexing.table import Table
from abs_index.recipe import ElasticsearchSettings
from abs_index.search.index import Index
from abs_index.server.cluster import Cluster
from benchmarks.generated import FIRST_YEAR, YEARS, word, write_table

PARTS = ("bulk", "queries", "size", "memory")
PAIRS_A_FIGURE = 2.5
YEARS_LET_PASS = 10
NAME = "bench"
K = 10


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="a server without security; left out, one is started")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the other parts out")
    parser.add_argument("--documents", type=int, default=20_000, help="pairs of bulk, queries and size")
    parser.add_argument(
        "--index", type=Path, help="measure the size of this index that was built, not of generated pairs"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the bulk load")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--memory-pairs", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256, help="of both embeddings")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    parser.add_argument("--push", nargs=2, metavar=("FOLDER", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.push:
        _push_and_tell(Path(options.push[0]), options.push[1])
        return
    with tempfile.TemporaryDirectory() as folder, server(options.url) as url:
        result = measure(Path(folder), url, options)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


def measure(folder: Path, url: str, options: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for."""
    parts = options.only or PARTS
    client = connect(url)
    result: dict[str, Any] = {"pairs": options.documents, "dim": options.dim}
    if set(parts) & {"bulk", "queries", "size"}:
        table = _published(folder / "index", options.documents, options.dim)
        if "bulk" in parts:
            result["bulk"] = _bulk(table, client, folder, options.rounds)
        if "queries" in parts:
            result["queries"] = _queries(table, client, url, options)
        if "size" in parts:
            result["size"] = _sizes(Table.open_published(options.index) if options.index else table, client)
    if "memory" in parts:
        result["memory"] = _memory(folder / "large", url, options)
    _remove(client)
    return result


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The address of a server: the one given, or one that is started and goes away again."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Cluster.start(Path(folder), heap="1g") as cluster:
            yield cluster.url


def _published(folder: Path, pairs: int, dim: int) -> Table:
    table = write_table(folder, pairs, int(pairs / PAIRS_A_FIGURE), dim, dim)
    publish(table, folder)
    table.mark_published()
    return table


def _remove(client: Elasticsearch) -> None:
    for index in client.indices.get(index=f"{NAME}*", expand_wildcards="all"):
        client.indices.delete(index=index)


# bulk


def _bulk(table: Table, client: Elasticsearch, folder: Path, rounds: int) -> dict[str, Any]:
    layout = Layout(_dim(table, "pair_embedding"), _dim(table, "image_embedding"))
    put_templates(client, templates(NAME, layout))
    documents = [(each.id, each.body) for each in Documents(table, {}, vectors=True)]
    operations = [Operation(id, body) for id, body in documents]  # noqa: A001
    sends: dict[str, Callable[[str], None]] = {
        "streaming_bulk": lambda index: _stream(client, index, documents),
        "one_worker": lambda index: _load(client, index, operations, folder, workers=1),
        "two_workers": lambda index: _load(client, index, operations, folder, workers=2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sends}
    for number in range(rounds):
        for name in sorted(sends, reverse=bool(number % 2)):
            index = aliases.new_index(NAME)
            client.indices.create(index=index, settings={"index": {"refresh_interval": "-1"}})
            start = time.perf_counter()
            sends[name](index)
            seconds[name].append(time.perf_counter() - start)
            client.indices.refresh(index=index)
            assert client.count(index=index)["count"] == len(documents)
            client.indices.delete(index=index)
    rates = {name: len(documents) / float(np.median(times)) for name, times in seconds.items()}
    return {
        "documents": len(documents),
        "bytes_a_document": round(sum(len(body) for _, body in documents) / len(documents)),
        "documents_per_second": {name: round(rate) for name, rate in rates.items()},
        "ratio_one_worker": round(rates["one_worker"] / rates["streaming_bulk"], 2),
        "ratio_two_workers": round(rates["two_workers"] / rates["streaming_bulk"], 2),
    }


def _stream(client: Elasticsearch, index: str, documents: list[tuple[str, bytes]]) -> None:
    actions = ({"_index": index, "_id": name, "_source": body} for name, body in documents)
    for _ in streaming_bulk(client, actions, chunk_size=len(documents), max_chunk_bytes=8 * MB):
        pass


def _load(client: Elasticsearch, index: str, operations: list[Operation], folder: Path, workers: int) -> None:
    with DeadLetters(folder / "dead-letters.jsonl") as letters:
        settings = BulkSettings(workers=workers)
        load(client, index, operations, settings, Patience(60, "benchmark"), letters)


def _dim(table: Table, column: str) -> int:
    return int(table.schema.field(column).type.list_size)


# queries


def _queries(table: Table, client: Elasticsearch, url: str, options: argparse.Namespace) -> dict[str, Any]:
    push(table.folder, connect(url), PushOptions(name=NAME))
    random = np.random.default_rng(11)
    figures = _figures_with_texts(table)
    with Index.connect(url, NAME) as index:
        used: Elasticsearch = index._engine._server.client  # type: ignore[attr-defined]
        return {
            name: _compare(search, used, client, [_query(random, figures) for _ in range(options.queries)])
            for name, search in _searches(index).items()
        }


Query = tuple[str, str, dict[str, Any]]
"""Words, a figure, filters."""


def _figures_with_texts(table: Table) -> list[str]:
    batches = table.batches("pair", ["document", "figure"])
    rows = ((batch["document"].to_pylist(), batch["figure"].to_pylist()) for batch in batches)
    return sorted({f"{document}#{figure}" for row in rows for document, figure in zip(*row, strict=True)})


def _query(random: np.random.Generator, figures: list[str]) -> Query:
    words = " ".join(word(number) for number in random.integers(20, 2000, 2))
    first = int(random.integers(FIRST_YEAR, FIRST_YEAR + YEARS - YEARS_LET_PASS))
    filters = {"abs": "image_more_abstract", "year": (first, first + YEARS_LET_PASS - 1)}
    return words, str(random.choice(figures)), filters


def _searches(index: Index) -> dict[str, Callable[[Query], object]]:
    return {
        "text": lambda q: index.search(q[0], k=K),
        "text, filtered": lambda q: index.search(q[0], k=K, **q[2]),
        "knn": lambda q: index.similar(q[1], k=K),
        "knn, filtered": lambda q: index.similar(q[1], k=K, **q[2]),
        "fused": lambda q: index.search(q[0], figure=q[1], k=K),
        "fused, filtered": lambda q: index.search(q[0], figure=q[1], k=K, **q[2]),
    }


def _compare(
    search: Callable[[Query], object], used: Elasticsearch, bare: Elasticsearch, queries: list[Query]
) -> dict[str, Any]:
    """Times of searches, and of the requests that they sent, sent once more by the bare client."""
    ours, raw, requests = [], [], 0
    for number, query in enumerate(queries[:10] + queries):
        with _recorded(used) as sent:
            search(query)
        timings = {}
        for turn in (0, 1) if number % 2 else (1, 0):
            start = time.perf_counter()
            if turn:
                search(query)
            else:
                for args, keywords in sent:
                    bare.perform_request(*args, **keywords)
            timings[turn] = time.perf_counter() - start
        if number >= 10:
            ours.append(timings[1])
            raw.append(timings[0])
            requests += len(sent)
    result: dict[str, Any] = {"requests": requests / len(queries)}
    for name, share in (("p50", 50), ("p95", 95)):
        mine, theirs = float(np.percentile(ours, share)), float(np.percentile(raw, share))
        result |= {
            f"{name}_ms": round(mine * 1e3, 2),
            f"raw_{name}_ms": round(theirs * 1e3, 2),
            f"ratio_{name}": round(mine / theirs, 2),
        }
    return result


@contextmanager
def _recorded(client: Elasticsearch) -> Iterator[list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """What the client sends meanwhile."""
    sent: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    perform = client.perform_request

    def record(*args: Any, **keywords: Any) -> Any:
        sent.append((args, keywords))
        return perform(*args, **keywords)

    client.perform_request = record  # type: ignore[assignment, method-assign]
    try:
        yield sent
    finally:
        del client.perform_request  # the class has its own


# size


def _sizes(table: Table, client: Elasticsearch) -> dict[str, Any]:
    """Bytes a pair when everything is in one segment; of vectors, what a search wants to have in memory."""
    made = {"no vectors": PushOptions(name=f"{NAME}-none", vectors="faiss")}
    for kind in ("flat", "hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw"):
        settings = ElasticsearchSettings.model_validate({"quantisation": kind})
        made[kind] = PushOptions(name=f"{NAME}-{kind.replace('_', '-')}", settings=settings)
    result = {}
    for name, options in made.items():
        report = push(table.folder, client, options)
        assert not report.refused
        client.options(request_timeout=600).indices.forcemerge(index=report.index, max_num_segments=1)
        client.indices.flush(index=report.index)
        stats = client.indices.stats(index=report.index, metric=["store", "dense_vector"])["_all"]["primaries"]
        result[name] = {
            "disk_bytes_a_pair": round(stats["store"]["size_in_bytes"] / report.pairs),
            "off_heap": stats.get("dense_vector", {}).get("off_heap", {}),
        }
        client.indices.delete(index=report.index)
    return result


# memory


def _memory(folder: Path, url: str, options: argparse.Namespace) -> dict[str, Any]:
    pairs = options.memory_pairs
    table = write_table(folder, pairs, int(pairs / PAIRS_A_FIGURE), options.dim, options.dim)
    table.mark_published()
    child = [sys.executable, str(Path(__file__).resolve()), "--push", str(folder), url]
    told = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    return {"pairs": pairs, **told}


def _push_and_tell(folder: Path, url: str) -> None:
    """Pushes, and prints the peak memory of this process on the way. Vectors stay out: they only take time here."""
    peaks: dict[str, int] = {}

    def note(done: int, total: int | None) -> None:
        for tenths in (1, 2, 5, 10):
            if total and done * 10 >= total * tenths:
                peaks.setdefault(f"{tenths * 10} %", _peak_megabytes())

    report = push(folder, connect(url), PushOptions(name=f"{NAME}-large", vectors="faiss"), note)
    peaks["end"] = _peak_megabytes()
    print(json.dumps({"peak_megabytes": peaks, "documents_per_second": report.docs_per_second, "sent": report.sent}))


def _peak_megabytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1000  # type: ignore[index]


if __name__ == "__main__":
    main()
