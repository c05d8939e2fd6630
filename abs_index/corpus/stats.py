"""Counts of a corpus per source: the paper's Table 2."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abs_index.corpus.document import Document, Reject
from abs_index.corpus.images import decode_figure
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.read import read_sources
from abs_index.labels import ROLES, Role
from abs_index.recipe import CorpusSettings

_DEFAULTS = CorpusSettings()
_SIZE_ENOUGH = 32
_AHEAD = 32


@dataclass(slots=True)
class SourceStats:
    """Counts of one source. Figures are those with an image that decodes; pairs are pairs of these figures."""

    source: str
    documents: int = 0
    figures: int = 0
    pairs: Counter[Role] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """As `{source, documents, figures, pairs: {caption, mention}, rejects: {reason: n}}`."""
        return {
            "source": self.source,
            "documents": self.documents,
            "figures": self.figures,
            "pairs": {role: self.pairs[role] for role in ROLES},
            "rejects": dict(sorted(self.rejects.items())),
        }


def collect_stats(
    roots: Sequence[Path],
    settings: CorpusSettings = _DEFAULTS,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[SourceStats]:
    """Reads a whole corpus, decodes its images in `workers` threads (one a core), and counts; sorted by source.

    `progress` is called with the number of documents read so far. Raises CorpusError as `read_corpus`.
    """
    stats: dict[str, SourceStats] = {}
    documents = 0
    for source, item, usable in _decoded(read_sources(roots, settings), settings, workers):
        counts = stats.setdefault(source, SourceStats(source))
        if isinstance(item, Reject):
            counts.rejects[item.reason] += 1
            continue
        _count(counts, item, usable)
        documents += 1
        if progress:
            progress(documents)
    return [stats[source] for source in sorted(stats)]


def _count(counts: SourceStats, document: Document, usable: _Usable) -> None:
    counts.documents += 1
    counts.figures += len(usable.figures)
    counts.pairs.update(pair.role for pair in pair_document(document) if pair.figure in usable.figures)
    counts.rejects.update(reject.reason for reject in (*document.rejects, *usable.rejects))


@dataclass(frozen=True, slots=True)
class _Usable:
    """Of one document: the ids of the figures whose image decodes, and what was refused on the way."""

    figures: frozenset[str] = frozenset()
    rejects: tuple[Reject, ...] = ()


def _decoded(
    items: Iterator[tuple[str, Document | Reject]], settings: CorpusSettings, workers: int | None
) -> Iterator[tuple[str, Document | Reject, _Usable]]:
    """Decodes the images of documents in threads, a few documents ahead, while the caller's thread parses."""
    waiting: deque[tuple[str, Document | Reject, Future[_Usable] | None]] = deque()
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for source, item in items:
            future = pool.submit(_decode, item, settings) if isinstance(item, Document) else None
            waiting.append((source, item, future))
            if len(waiting) > _AHEAD:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def _finished(
    source: str, item: Document | Reject, future: Future[_Usable] | None
) -> tuple[str, Document | Reject, _Usable]:
    return source, item, future.result() if future else _Usable()


def _decode(document: Document, settings: CorpusSettings) -> _Usable:
    usable, refused = set(), list[Reject]()
    for figure in document.figures:
        _, image, rejects = decode_figure(document, figure, settings=settings, target=_SIZE_ENOUGH)
        refused += rejects
        if image:
            usable.add(figure.id)
    return _Usable(frozenset(usable), tuple(refused))
