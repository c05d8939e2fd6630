"""How well figures are found, measured without labels: paragraphs look for the figures that they refer to.

    python benchmarks/retrieval.py ../shared/corpora --index retrieval-index
    python benchmarks/retrieval.py ../shared/corpora --index retrieval-index --tune openstax-astronomy

Known-item search. A query is a paragraph that refers to figures, without the reference ("Figure 3.2", and the word
Figure that stands for it); relevant are the figures that it refers to. What is searched are the figures of all corpora
together, each by its caption and its image alone: mentions are taken out of the documents before the index is made, and
a figure without a caption has no text. Figures with the same caption (books share some) count as one.

    words       BM25 of the embedded lexical index, on captions, for the `--words` words around the reference
    meaning     vectors of texts (the encoder of the extra [semantic]), on captions, for `--words-of-meaning` words
    image       image against text: captions and images of all other corpora give a linear map from vectors of texts to
                image embeddings (ridge regression, both sides centred, images whitened); it is the only way there
                is, as the models of abs-index have no space that a text alone and an image alone share
    hybrid      words and meaning, fused by reciprocal rank as in `search --mode hybrid`
    all three   words, meaning and image, fused likewise

MRR@10 and recall@10 (share of the relevant figures among the first ten), by `ir-measures`. Intervals of 95 % are by
bootstrap over documents, as paragraphs of one document are not independent. The corpus that the settings were chosen
on (`--tuned-on`) is shown, and left out of the total. At most `--queries` a corpus are drawn, with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R

from abs_index.corpus.document import Document, Reject
from abs_index.corpus.read import read_sources
from abs_index.indexing.build import BuildOptions, index_documents
from abs_index.indexing.structures import Structures
from abs_index.model.base import Floats
from abs_index.model.load import load_model
from abs_index.model.text_encoder import TextEncoder, load_text_encoder
from abs_index.search.embedded.engine import Embedded
from abs_index.search.filters import Filters
from abs_index.search.fusion import fuse

DEPTH = 100
"""How far down rankings go that are fused, as in `Index.search`."""
RIDGE = 0.1
WHITENED = 128
SAMPLES = 1000
MEASURES = {"MRR@10": RR @ 10, "recall@10": R @ 10}
METHODS = ("words", "meaning", "image", "hybrid", "all three")

_NUMBERS = (
    r"\s*(?:[,;&–—-]|and\b|to\b|or\b|y\b)?\s*(?:figure\s+supplements?\s*)?"
    r"S?\d+(?:\.\d+)*(?:\s?\([a-z]\)|[A-Z](?![a-z])|[a-z]\b)?(?:\s?[,–-]\s?[A-Z]\b)*"
)
_REFERENCE = re.compile(
    rf"\[fig:[^\]]*\]|\b(?:supp(?:l|lementary)?\.?\s+)?(?:figures?|figs?|figuras?)(?![a-z])\.?(?:\s*\[[^\]]*\]|(?:{_NUMBERS})+)?",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\(\s*[,;.&]*\s*\)|\[\s*\]")


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--index", type=Path, required=True, help="folder for the index, which is kept")
    parser.add_argument("--model", default="default", help="name of a shipped model, or a folder")
    parser.add_argument("--queries", type=int, default=200, help="at most so many a corpus")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--words", type=int, default=64)
    parser.add_argument("--words-of-meaning", type=int, default=64)
    parser.add_argument("--tuned-on", default="openstax-astronomy")
    parser.add_argument("--tune", metavar="CORPUS", help="only try numbers of words, on this corpus")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args()
    result = tune(options) if options.tune else measure(options)
    print(json.dumps(result) if options.json else _table(result))


# what is looked for


@dataclass(frozen=True, slots=True)
class Query:
    """A paragraph without its references. `at` is the number of words before the first; `figures` are whole ids."""

    words: tuple[str, ...]
    at: int
    source: str
    document: str
    figures: tuple[str, ...]

    def around(self, count: int) -> str:
        """So many words, with the place of the reference in their middle as far as the paragraph has them."""
        start = max(0, min(self.at - count // 2, len(self.words) - count))
        return " ".join(self.words[start : start + count])


def without_references(text: str) -> tuple[tuple[str, ...], int]:
    """The words of a paragraph without "Figure 3.2" and the like, and how many stand before the first of these."""
    first = _REFERENCE.search(text)
    before = _REFERENCE.sub(" ", text[: first.start()]) if first else ""
    rest = _NOTHING.sub(" ", _REFERENCE.sub(" ", text))
    return tuple(rest.split()), len(before.split())


@dataclass
class Corpora:
    """The documents without their mentions, as an index gets them; what the mentions ask is noted on the way."""

    roots: Sequence[Path]
    queries: list[Query] = field(default_factory=list)

    def documents(self) -> Iterator[tuple[str, Document | Reject]]:
        """All documents, once."""
        for source, unit in read_sources(self.roots):
            if isinstance(unit, Document):
                self.queries += _queries(source, unit)
                unit = replace(unit, mentions=())
            yield source, unit


def _queries(source: str, document: Document) -> Iterator[Query]:
    for mention in document.mentions:
        words, at = without_references(mention.text.normalised)
        if words:
            figures = tuple(f"{document.id}#{figure}" for figure in mention.figures)
            yield Query(words, at, source, document.id, figures)


def draw(queries: Sequence[Query], count: int, seed: int) -> list[Query]:
    """At most so many a corpus."""
    by_source: defaultdict[str, list[Query]] = defaultdict(list)
    for query in queries:
        by_source[query.source].append(query)
    draws = random.Random(seed)
    return [query for _, some in sorted(by_source.items()) for query in draws.sample(some, min(count, len(some)))]


# what is searched


class Figures:
    """The figures of the index, by ordinal: `items` are numbers that figures with the same caption share."""

    def __init__(self, structures: Structures) -> None:
        columns = ["document", "figure", "source", "caption", "group_caption", "image_embedding"]
        rows = [row for batch in structures.table.batches("figure", columns) for row in batch.to_pylist()]
        self.keys = [f"{row['document']}#{row['figure']}" for row in rows]
        self.sources = np.array([row["source"] for row in rows])
        self.captions = [row["caption"] or row["group_caption"] or "" for row in rows]
        numbers: dict[str, int] = {}
        self.items = [
            numbers.setdefault(caption or key, len(numbers))
            for key, caption in zip(self.keys, self.captions, strict=True)
        ]
        self.ordinals = {key: ordinal for ordinal, key in enumerate(self.keys)}
        dim = structures.table.schema.field("image_embedding").type.list_size
        self.images = np.array([row["image_embedding"] or [np.nan] * dim for row in rows], dtype=np.float32)

    def relevant(self, query: Query) -> set[int]:
        """The items that a query refers to."""
        return {self.items[self.ordinals[key]] for key in query.figures if key in self.ordinals}

    def items_of(self, ranking: Iterable[int]) -> list[int]:
        """A ranking of figures as one of items."""
        return list(dict.fromkeys(self.items[figure] for figure in ranking))


def open_index(options: argparse.Namespace, corpora: Corpora, encoder: TextEncoder) -> Structures:
    """Builds the index, or brings it up to date, and opens it."""
    build = BuildOptions(workers=options.threads, text_vectors=True, text_encoder=encoder)
    model = load_model(options.model, device="cpu", threads=options.threads)
    index_documents(corpora.documents(), options.index, model, options=build)
    return Structures.open(options.index)


# how it is ranked

Ranking = list[int]


class Rankings:
    """Rankings of figures (ordinals), the first `DEPTH`, for each way to look."""

    def __init__(self, structures: Structures, figures: Figures, encoder: TextEncoder) -> None:
        self._engine = Embedded(structures)
        self._figures = figures
        self._encoder = encoder
        self._maps: dict[str, Callable[[Floats], Floats] | None] = {}
        self._vectors = _caption_vectors(structures, figures)

    def words(self, queries: Sequence[Query], count: int) -> list[Ranking]:
        """By BM25 on captions."""
        asked = [" ".join(re.findall(r"\w+", query.around(count).lower())) for query in queries]
        found = [self._engine.match(f"text:({words})" if words else "", DEPTH, Filters()) for words in asked]
        return [[each.figure for each in ranking] for ranking in found]

    def encode(self, queries: Sequence[Query], count: int) -> Floats:
        """Vectors (N, d) of the queries."""
        return self._encoder.encode([query.around(count) for query in queries])

    def meaning(self, vectors: Floats) -> list[Ranking]:
        """By vectors of texts, on captions."""
        found = [self._engine.near_text("", vector, DEPTH, Filters()) for vector in vectors]
        return [[each.figure for each in ranking] for ranking in found]

    def image(self, queries: Sequence[Query], vectors: Floats) -> list[Ranking]:
        """By image embeddings, to which a map learnt on other corpora takes the vectors."""
        rankings: list[Ranking] = []
        for query, vector in zip(queries, vectors, strict=True):
            if query.source not in self._maps:
                self._maps[query.source] = self._learn(query.source)
            score = self._maps[query.source]
            rankings.append([] if score is None else np.argsort(-score(vector))[:DEPTH].tolist())
        return rankings

    def _learn(self, source: str) -> Callable[[Floats], Floats] | None:
        """Scores (F,) of all figures for a vector (d,), learnt from figures that `source` has no copy of.

        None where there are too few.
        """
        figures = self._figures
        here = figures.sources == source
        copies = {figures.items[ordinal] for ordinal in np.flatnonzero(here)}
        other = np.array([item not in copies for item in figures.items])
        usable = np.isfinite(figures.images).all(axis=1)
        seen = {row.tobytes() for row in figures.images[here & usable]}
        other &= np.array([row.tobytes() not in seen for row in figures.images])
        train = other & usable & self._vectors.any(axis=1)
        if train.sum() < 2 * WHITENED:
            return None
        texts, images = self._vectors[train], figures.images[train]
        text_mean, image_mean = texts.mean(axis=0), images.mean(axis=0)
        _, sizes, axes = np.linalg.svd(images - image_mean, full_matrices=False)
        whiten = axes[:WHITENED].T / sizes[:WHITENED] * np.sqrt(len(images))
        inputs, targets = texts - text_mean, (images - image_mean) @ whiten
        covariance = inputs.T @ inputs / len(inputs)
        ridge = RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        weights = np.linalg.solve(covariance + ridge, inputs.T @ targets / len(inputs))
        looks = (figures.images - image_mean) @ whiten
        looks = looks / np.linalg.norm(looks, axis=1, keepdims=True)
        looks[~usable] = 0
        return lambda vector: looks @ ((vector - text_mean) @ weights)


def _caption_vectors(structures: Structures, figures: Figures) -> Floats:
    """Vectors (F, d) of captions by ordinal of the figure, zeros where there is none."""
    owners = {key: ordinal for ordinal, key in enumerate(figures.keys)}
    dim = structures.table.schema.field("text_embedding").type.list_size
    vectors = np.zeros((len(figures.keys), dim), dtype=np.float32)
    for batch in structures.table.batches("pair", ["document", "figure", "text_embedding"]):
        for row in batch.to_pylist():
            vectors[owners[f"{row['document']}#{row['figure']}"]] = row["text_embedding"]
    return vectors


def _fused(*rankings: Sequence[Ranking]) -> list[Ranking]:
    return [[figure for figure, _ in fuse(together)] for together in zip(*rankings, strict=True)]


# what comes out


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Builds, asks, and gives what is printed."""
    start, cpu = time.perf_counter(), time.process_time()
    corpora, encoder = Corpora(options.corpus), load_text_encoder(threads=options.threads)
    structures = open_index(options, corpora, encoder)
    figures = Figures(structures)
    queries = [q for q in draw(corpora.queries, options.queries, options.seed) if figures.relevant(q)]
    rankings = Rankings(structures, figures, encoder)
    vectors = rankings.encode(queries, options.words_of_meaning)
    by_words, by_meaning = rankings.words(queries, options.words), rankings.meaning(vectors)
    by_image = rankings.image(queries, vectors)
    found = {
        "words": by_words,
        "meaning": by_meaning,
        "image": by_image,
        "hybrid": _fused(by_words, by_meaning),
        "all three": _fused(by_words, by_meaning, by_image),
    }
    values = {method: _values(queries, figures, found[method]) for method in METHODS}
    return {
        "figures": len(figures.keys),
        "without_caption": sum(not caption for caption in figures.captions),
        "paragraphs": len(corpora.queries),
        "queries": len(queries),
        "settings": {
            name: getattr(options, name) for name in ("queries", "seed", "words", "words_of_meaning", "tuned_on")
        },
        "corpora": dict(_by_corpus(queries, values, options.tuned_on, options.seed)),
        "seconds": round(time.perf_counter() - start),
        "cpu_seconds": round(time.process_time() - cpu),
    }


def tune(options: argparse.Namespace) -> dict[str, Any]:
    """MRR@10 on one corpus for several numbers of words."""
    corpora, encoder = Corpora(options.corpus), load_text_encoder(threads=options.threads)
    structures = open_index(options, corpora, encoder)
    figures = Figures(structures)
    some = [query for query in corpora.queries if query.source == options.tune and figures.relevant(query)]
    queries = draw(some, options.queries, options.seed)
    rankings = Rankings(structures, figures, encoder)
    tried = {}
    for count in (16, 32, 48, 64, 96, 1000):
        found = {"words": rankings.words(queries, count)}
        if count <= 96:  # the encoder reads no more
            found["meaning"] = rankings.meaning(rankings.encode(queries, count))
            found["hybrid"] = _fused(found["words"], found["meaning"])
        scores = {name: _values(queries, figures, ranked)["MRR@10"].mean() for name, ranked in found.items()}
        tried[count] = {name: round(float(score), 3) for name, score in scores.items()}
    return {"corpus": options.tune, "queries": len(queries), "MRR@10": tried}


def _values(queries: Sequence[Query], figures: Figures, rankings: Sequence[Ranking]) -> dict[str, Floats]:
    """Measure → its value (N,) for each query."""
    qrels = {str(n): {str(item): 1 for item in figures.relevant(query)} for n, query in enumerate(queries)}
    run = {
        str(n): {str(item): 1.0 / rank for rank, item in enumerate(figures.items_of(ranking)[:10], start=1)}
        for n, ranking in enumerate(rankings)
    }
    values = {name: np.zeros(len(queries)) for name in MEASURES}
    names = {measure: name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        values[names[metric.measure]][int(metric.query_id)] = metric.value
    return values


def _by_corpus(
    queries: Sequence[Query], values: dict[str, dict[str, Floats]], tuned_on: str, seed: int
) -> Iterator[tuple[str, Any]]:
    sources = np.array([query.source for query in queries])
    documents = np.array([query.document for query in queries])
    chosen = {source: sources == source for source in sorted(set(sources))} | {"all": sources != tuned_on}
    for name, mask in chosen.items():
        resampled = _resampled(documents[mask], seed)
        yield (
            name,
            {
                "queries": int(mask.sum()),
                "documents": len(set(documents[mask])),
                **{
                    method: {measure: _interval(each[mask], resampled) for measure, each in values[method].items()}
                    for method in METHODS
                },
                "gain": {
                    method: {
                        measure: _interval((each - values["words"][measure])[mask], resampled)
                        for measure, each in values[method].items()
                    }
                    for method in METHODS[1:]
                },
            },
        )


def _resampled(documents: np.ndarray, seed: int) -> Floats:
    """How often each query is drawn (SAMPLES, N) where whole documents are drawn with replacement."""
    _, owners = np.unique(documents, return_inverse=True)
    count = owners.max() + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), SAMPLES)
    return draws[:, owners].astype(np.float32)


def _interval(values: Floats, resampled: Floats) -> tuple[float, float, float]:
    """The mean, and the bounds of its interval of 95 %."""
    means = resampled @ values / np.maximum(resampled.sum(axis=1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(values.mean()), 3), round(float(low), 3), round(float(high), 3)


def _table(result: dict[str, Any]) -> str:
    if "corpora" not in result:
        return json.dumps(result, indent=2)
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    lines = [
        f"{result['queries']:,} queries of {result['paragraphs']:,} paragraphs; {result['figures']:,} figures, "
        f"{result['without_caption']} without caption; {settings}; {result['seconds']} s",
    ]
    for measure in MEASURES:
        lines += ["", f"{measure:42}" + "".join(f"{method:>22}" for method in METHODS)]
        for name, row in result["corpora"].items():
            cells = ("{:.3f} ({:.3f}–{:.3f})".format(*row[method][measure]) for method in METHODS)
            mark = " *" if name == result["settings"]["tuned_on"] else ""
            lines.append(f"{name + mark:36}{row['queries']:6}" + "".join(f"{cell:>22}" for cell in cells))
        gains = (
            "{:+.3f} ({:+.3f} {:+.3f})".format(*gain[measure]) for gain in result["corpora"]["all"]["gain"].values()
        )
        lines.append(f"{'all, gain over words':42}" + " " * 22 + "".join(f"{cell:>22}" for cell in gains))
    return "\n".join([*lines, "", "* settings were chosen on it; not in all"])


if __name__ == "__main__":
    sys.exit(main())
