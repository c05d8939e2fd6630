"""How long searches take, beside bare Tantivy and bare FAISS on the same data in the same run.

    python benchmarks/search_latency.py            # 100,000 pairs of 40,000 figures
    python benchmarks/search_latency.py --json

Pairs are generated: words of a Zipf distribution, random vectors. Each kind of query runs `--queries` times, in turn
with its bare counterpart, one at a time; reported are the 50th and the 95th percentile, and their ratio to the bare
ones.

    text            two words, against Tantivy's own parser and search, over the same fields
    text, filtered  the same with a label and a range of years, another one each time
    image           the vector of a figure, against one flat FAISS index in memory
    image, filtered the same with a label and a range of years, against FAISS with a selector that is made before
    fused           both, against the sum of both bare searches

What is timed of abs-index is the whole call: parsing, filters, grouping by figure, reciprocal rank, and complete hits
with snippets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

sys.path[0] = str(Path(__file__).resolve().parents[1])  # `benchmarks` is no package that is installed

from abs_index.indexing.lexical import Lexical
from abs_index.indexing.publish import IMAGE_VECTORS, LEXICAL, publish
from abs_index.indexing.table import Table
from abs_index.search.index import Index
from abs_index.search.terms import DEFAULT_FIELDS
from benchmarks.generated import key, word, write_table

faiss: Any = import_module("faiss")

K = 10
YEARS = 10
"""How many years the filter lets pass, of 24."""
LABEL = "image_more_abstract"


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--pairs-a-figure", type=float, default=2.5)
    parser.add_argument("--image-dim", type=int, default=1280)
    parser.add_argument("--pair-dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder) / "index", options)
    print(json.dumps(result) if options.json else _table(result))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Builds the index, runs all queries, and gives what is printed."""
    random = np.random.default_rng(7)
    figures = int(options.pairs / options.pairs_a_figure)
    table = write_table(folder, options.pairs, figures, options.image_dim, options.pair_dim)
    start = time.perf_counter()
    structures = publish(table, folder)
    seconds = time.perf_counter() - start
    table.mark_published()
    start = time.perf_counter()
    with Index.open(folder) as index:
        opening = time.perf_counter() - start
        bare = _Bare(structures, options.image_dim, table)
        queries = [_query(random, figures) for _ in range(options.queries)]
        timed = {name: _compare(ours, theirs, queries) for name, ours, theirs in _kinds(index, bare)}
    return {
        "pairs": options.pairs,
        "figures": figures,
        "publish_seconds": round(seconds, 1),
        "open_seconds": round(opening, 2),
        "queries": timed,
    }


@dataclass(frozen=True)
class Query:
    """Words, a figure, and the first year that the filter lets pass."""

    words: str
    figure: int
    year: int

    @property
    def key(self) -> str:
        """The figure, as a search names it."""
        return key(self.figure)

    @property
    def filters(self) -> dict[str, Any]:
        """Restrictions of the filtered searches."""
        return {"abs": LABEL, "year": (self.year, self.year + YEARS - 1)}


def _query(random: np.random.Generator, figures: int) -> Query:
    words = " ".join(word(number) for number in random.integers(20, 2000, 2))
    return Query(words, int(random.integers(0, figures)), int(random.integers(1995, 2020)))


Search = Callable[[Query], object]


def _kinds(index: Index, bare: _Bare) -> Iterator[tuple[str, Search, Search]]:
    yield "text", lambda q: index.search(q.words, k=K), bare.text
    yield "text, filtered", lambda q: index.search(q.words, k=K, **q.filters), lambda q: bare.text(q, filtered=True)
    yield "image", lambda q: index.similar(q.key, k=K), bare.image
    yield "image, filtered", lambda q: index.similar(q.key, k=K, **q.filters), lambda q: bare.image(q, filtered=True)
    yield "fused", lambda q: index.search(q.words, figure=q.key, k=K), lambda q: (bare.text(q), bare.image(q))


class _Bare:
    """Tantivy and FAISS by themselves, on what abs-index published."""

    def __init__(self, structures: Path, dim: int, table: Table) -> None:
        lexical = Lexical(structures / LEXICAL)
        self._searcher = lexical._searcher
        self._index = tantivy.Index.open(str(structures / LEXICAL))
        self._index.register_tokenizer("english", lexical._analyzer)
        self._flat = faiss.IndexFlatIP(dim)
        for path in sorted((structures / IMAGE_VECTORS).glob("shard-*.faiss")):
            shard = faiss.read_index(str(path))
            self._flat.add(shard.reconstruct_n(0, shard.ntotal))
        self._selectors = {
            year: faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little")) for year, mask in _passing(table).items()
        }

    def text(self, query: Query, *, filtered: bool = False) -> object:
        words = query.words
        if filtered:
            words = f"+({words}) +abs:{LABEL} +year:[{query.year} TO {query.year + YEARS - 1}]"
        parsed = self._index.parse_query(words, list(DEFAULT_FIELDS))
        return self._searcher.search(parsed, K, count=False)

    def image(self, query: Query, *, filtered: bool = False) -> object:
        selector = self._selectors[query.year] if filtered else None
        vector = self._flat.reconstruct(query.figure)[None]
        return self._flat.search(vector, K, params=faiss.SearchParameters(sel=selector))


def _passing(table: Table) -> dict[int, np.ndarray]:
    """The figures that pass the filters of this benchmark, by first year."""
    passing = {year: np.zeros(table.count("figure"), dtype=bool) for year in range(1995, 2020)}
    for batch in table.batches("pair", ["figure", "abs", "year"]):
        figures = np.array([int(name[1:]) for name in batch["figure"].to_pylist()])
        labelled = np.array(batch["abs"].to_pylist()) == LABEL
        years = batch["year"].to_numpy()
        for first, mask in passing.items():
            mask[figures[labelled & (first <= years) & (years < first + YEARS)]] = True
    return passing


def _compare(ours: Search, theirs: Search, queries: list[Query]) -> dict[str, float]:
    for query in queries[:5]:
        ours(query)
        theirs(query)
    mine, bare = [], []
    for query in queries:
        mine.append(_seconds(ours, query))
        bare.append(_seconds(theirs, query))
    p50, p95 = (np.percentile(mine, share) for share in (50, 95))
    bare50, bare95 = (np.percentile(bare, share) for share in (50, 95))
    return {
        "p50_ms": round(p50 * 1e3, 2),
        "p95_ms": round(p95 * 1e3, 2),
        "bare_p50_ms": round(bare50 * 1e3, 2),
        "bare_p95_ms": round(bare95 * 1e3, 2),
        "ratio_p50": round(p50 / bare50, 2),
        "ratio_p95": round(p95 / bare95, 2),
    }


def _seconds(search: Search, query: Query) -> float:
    start = time.perf_counter()
    search(query)
    return time.perf_counter() - start


def _table(result: dict[str, Any]) -> str:
    head = (
        f"{result['pairs']:,} pairs, {result['figures']:,} figures: published in {result['publish_seconds']} s, "
        f"opened in {result['open_seconds']} s\n\n"
        f"{'query':18}{'p50 ms':>9}{'p95 ms':>9}{'bare p50':>10}{'bare p95':>10}{'ratio':>8}{'ratio95':>9}\n"
    )
    return head + "\n".join(
        f"{name:18}{timed['p50_ms']:9.2f}{timed['p95_ms']:9.2f}{timed['bare_p50_ms']:10.2f}{timed['bare_p95_ms']:10.2f}"
        f"{timed['ratio_p50']:8.2f}{timed['ratio_p95']:9.2f}"
        for name, timed in result["queries"].items()
    )


if __name__ == "__main__":
    main()
