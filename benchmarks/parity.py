"""How many of the first ten figures an index on Elasticsearch has in common with the same index embedded.

    python benchmarks/parity.py                       # starts a server of its own, one node
    python benchmarks/parity.py --url http://127.0.0.1:9200 --json

The corpus and the 50 queries with filters are those of `tests/elasticsearch/test_search_parity.py`, which asks for 0.9
of searches by words and fused, and for 0.98 of those by vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

# The folder of this file must not be searched: it holds a module with the name of the client.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from abs_index.indexing.elasticsearch.connection import connect
from abs_index.search.index import Index
from benchmarks.elasticsearch import server
from tests.elasticsearch.loading import loaded
from tests.elasticsearch.parity import SEARCHES, compare, corpus
from tests.fakes import FakeModel
from tests.search.tables import write_index


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="a server without security; left out, one is started")
    parser.add_argument("--vectors", default="flat", help="how the server keeps them: flat, int8_hnsw, …")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(options.url) as url:
        result = measure(Path(folder) / "index", url, options.vectors)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


def measure(folder: Path, url: str, vectors: str) -> dict[str, float]:
    """Of each kind of search the mean share of figures that both have."""
    write_index(folder, corpus())
    model = FakeModel()
    with (
        connect(url) as client,
        loaded(client, folder, vectors) as name,
        Index.open(folder, model=model) as embedded,
        Index.connect(url, name, model=model) as connected,
    ):
        return {kind: round(compare(embedded, connected, search)[0], 3) for kind, search in SEARCHES.items()}


if __name__ == "__main__":
    main()
