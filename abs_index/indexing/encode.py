"""The stages between documents and records, each a function of the one before; where they run is not their affair.

    Job ─tasks→ (Job, Figure) ─load_figure, read_words→ LoadedFigure ─embed_images→ LoadedFigure ─predict_pairs→ Record

A stream holds the figures of a document in order and then its `Job`, which closes the document. Files that were
refused as a whole travel in the same stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from itertools import chain

import numpy as np

from abs_index.corpus.document import Document, Figure, Reject
from abs_index.corpus.images import decode_image
from abs_index.corpus.pairs import Pair, pair_document
from abs_index.corpus.rejects import BAD_VECTOR, FIGURE_TEXT
from abs_index.errors import RejectedError
from abs_index.indexing.figure_texts import FigureTexts
from abs_index.indexing.records import FigureRecord, Record, RefusedFile, storable
from abs_index.labels import ABS, KINDS, Role
from abs_index.model.base import FigureWords, Floats, ImageFeatures, PairModel, PairPredictions, Pixels
from abs_index.recipe import CorpusSettings

_PIPELINE = 2
"""Raised whenever the same document and images would give other vectors or rows, so that all are embedded again."""

_RECENT_IMAGES = 512
_DOCUMENTS_A_BATCH = 64
_SECONDS_A_BATCH = 5.0
"""What was made is not kept waiting longer for others to fill a batch: it would be lost if the build were killed."""

ImageEncoder = Callable[[Pixels], ImageFeatures]
PairEncoder = Callable[[ImageFeatures, Sequence[str], Sequence[Role], Sequence[FigureWords]], PairPredictions]


@dataclass(frozen=True, slots=True)
class Job:
    """A document that is to be embedded; `replaces` where the table holds an older state of it.

    Where it `amends`, the table holds it as it is, but for words in its figures, and only what those change is made.
    """

    document: Document
    replaces: bool
    amends: bool = False


@dataclass(slots=True)
class LoadedFigure:
    """A figure with its image, on its way through the network.

    `contents` are hashes of the bytes of all its images; `digest` is that of the one that is to be embedded, `bytes`
    are its bytes until its words were read. `pixels` is uint8 (image_size, image_size, 3) until it was embedded,
    `context` what the pair network needs from then on.
    """

    record: FigureRecord
    contents: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    digest: str = ""
    bytes: bytes = b""
    pixels: Pixels | None = None
    context: Floats | None = None


Task = tuple[Job, Figure] | Job | RefusedFile
Loaded = LoadedFigure | Job | RefusedFile


# which document it is


def fingerprint(document: Document, contents: Iterable[str], settings: CorpusSettings) -> str:
    """A hash of all that a document's rows are made from: what was read, the bytes of its images, the limits.

    The bytes of the XML are not in it: a change that the reader does not see embeds nothing again.
    """
    parts = [_PIPELINE, settings.model_dump(), document, list(contents)]
    return _digest(json.dumps(parts, default=_plain, sort_keys=True).encode())


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, column.name) for column in fields(value) if column.compare]
    raise TypeError(f"{type(value).__name__} has no place in a document")


def image_contents(document: Document) -> Iterator[str]:
    """Hashes of the bytes of all images of a document, in the order of `fingerprint`; reads them, decodes nothing."""
    for figure in document.figures:
        for name in figure.images:
            yield _read(document, name)[0]


def _read(document: Document, name: str) -> tuple[str, bytes | RejectedError]:
    try:
        content = document.files.read(name)
    except RejectedError as error:
        return error.reason, error
    return _digest(content), content


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


# images


def tasks(jobs: Iterable[Job | RefusedFile]) -> Iterator[Task]:
    """Documents taken apart into their figures, each followed by its job."""
    for job in jobs:
        if isinstance(job, Job):
            for figure in job.document.figures:
                yield job, figure
        yield job


def load_task(task: Task, model: PairModel, settings: CorpusSettings) -> Loaded:
    """`load_figure` for figures; everything else passes."""
    return load_figure(task[0].document, task[1], model, settings) if isinstance(task, tuple) else task


def load_figure(document: Document, figure: Figure, model: PairModel, settings: CorpusSettings) -> LoadedFigure:
    """Reads the images of a figure once and decodes the first that can be; those before it are rejects."""
    loaded = LoadedFigure(FigureRecord(figure))
    for name in figure.images:
        content, found = _read(document, name)
        loaded.contents.append(content)
        if loaded.pixels is not None:
            continue
        path = document.files.prefix + name
        try:
            _decode(loaded, path, found, model, settings)
            loaded.digest = loaded.record.image_digest = content
        except RejectedError as error:
            loaded.rejects.append(Reject(path, error.reason, error.detail, document.id, figure.id))
    return loaded


def _decode(
    loaded: LoadedFigure, path: str, found: bytes | RejectedError, model: PairModel, settings: CorpusSettings
) -> None:
    if isinstance(found, RejectedError):
        raise found
    decoded = decode_image(found, settings=settings, target=model.info.image_size)
    loaded.bytes = found
    loaded.pixels = model.preprocess(decoded.image)
    record = loaded.record
    record.image, record.width, record.height, record.format = path, decoded.width, decoded.height, decoded.format


def read_words(task: Task, item: Loaded, texts: FigureTexts) -> Loaded:
    """Adds the words in the image of a loaded figure; everything else passes.

    Where the table has the figure with the same words already, there is nothing that the networks could add.
    """
    if not isinstance(item, LoadedFigure) or not isinstance(task, tuple) or not item.bytes:
        return item
    job, record = task[0], item.record
    found = texts.of(record.image_digest, item.bytes)
    item.bytes = b""
    record.figure_text, record.figure_text_reader = found.text, found.reader
    if found.problem is not None:
        document, figure = job.document.id, record.figure.id
        item.rejects.append(Reject(record.image, found.problem.reason, found.problem.detail, document, figure))
    if job.amends and texts.has(storable(job.document.id), storable(record.figure.id), found.text):
        item.digest, item.pixels = "", None
    return item


def embed_images(stream: Iterable[Loaded], encode: ImageEncoder, batch_size: int) -> Iterator[Loaded]:
    """Embeds images in batches across documents; an image that came lately with the same bytes is not embedded again.

    The order is kept. A vector that is zero or not finite becomes a reject of its figure.
    """
    recent: dict[str, tuple[Floats, Floats]] = {}
    fresh: dict[str, Pixels] = {}
    waiting: list[Loaded] = []
    since = time.monotonic()
    for item in stream:
        waiting.append(item)
        if isinstance(item, LoadedFigure) and item.pixels is not None:
            if item.digest not in recent:
                fresh[item.digest] = item.pixels
            item.pixels = None
        # Documents without new images must not pile up behind a batch that does not fill.
        if len(fresh) >= batch_size or len(waiting) >= 8 * batch_size or time.monotonic() - since > _SECONDS_A_BATCH:
            yield from _embed(waiting, fresh, recent, encode)
            since = time.monotonic()
    yield from _embed(waiting, fresh, recent, encode)


def _embed(
    waiting: list[Loaded],
    fresh: dict[str, Pixels],
    recent: dict[str, tuple[Floats, Floats]],
    encode: ImageEncoder,
) -> Iterator[Loaded]:
    if fresh:
        features = encode(np.stack(list(fresh.values())))
        # Copies, so that one remembered image does not keep its whole batch in memory.
        vectors = zip(map(np.copy, features.embedding), map(np.copy, features.context), strict=True)
        recent.update(zip(fresh, vectors, strict=True))
        fresh.clear()
    for item in waiting:
        if isinstance(item, LoadedFigure) and item.digest:
            _set_vectors(item, *recent[item.digest])
    yield from waiting
    waiting.clear()
    for digest in list(recent)[:-_RECENT_IMAGES]:
        del recent[digest]


def _set_vectors(figure: LoadedFigure, embedding: Floats, context: Floats) -> None:
    if _usable(embedding[None])[0] and np.isfinite(context).all():
        figure.record.embedding, figure.context = embedding, context
    else:
        figure.rejects.append(Reject(figure.record.image, BAD_VECTOR, "image", figure=figure.record.figure.id))


def _usable(vectors: Floats) -> Sequence[bool]:
    """Which rows of (N, dim) can be compared by angle: finite and not zero."""
    flags: list[bool] = (np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1, initial=0) > 1e-6)).tolist()
    return flags


# pairs


@dataclass(slots=True)
class _Draft:
    """A document with its images embedded and its pairs made, before the pair network has seen them."""

    job: Job
    figures: list[LoadedFigure]
    pairs: list[Pair]
    owners: list[int]


def predict_pairs(
    stream: Iterable[Loaded], encode: PairEncoder, batch_size: int, settings: CorpusSettings
) -> Iterator[Record | RefusedFile]:
    """Closes documents: makes their pairs and predicts them in batches across documents, in order.

    Figures whose image has no vector give no pairs. A pair whose prediction is not usable becomes a reject.
    """
    figures: list[LoadedFigure] = []
    ready: list[_Draft | RefusedFile] = []
    since = time.monotonic()
    for item in stream:
        if isinstance(item, LoadedFigure):
            figures.append(item)
            continue
        ready.append(_draft(item, figures) if isinstance(item, Job) else item)
        figures = []
        late = time.monotonic() - since > _SECONDS_A_BATCH
        if late or len(ready) >= _DOCUMENTS_A_BATCH or _count_pairs(ready) >= batch_size:
            yield from _predict(ready, encode, batch_size, settings)
            ready = []
            since = time.monotonic()
    yield from _predict(ready, encode, batch_size, settings)


def _draft(job: Job, figures: list[LoadedFigure]) -> _Draft:
    positions = {loaded.record.figure.id: at for at, loaded in enumerate(figures) if loaded.context is not None}
    pairs = [pair for pair in pair_document(job.document) if pair.figure in positions]
    return _Draft(job, figures, pairs, [positions[pair.figure] for pair in pairs])


def _count_pairs(ready: list[_Draft | RefusedFile]) -> int:
    return sum(len(item.pairs) for item in ready if isinstance(item, _Draft))


def _predict(
    ready: list[_Draft | RefusedFile], encode: PairEncoder, batch_size: int, settings: CorpusSettings
) -> Iterator[Record | RefusedFile]:
    drafts = [item for item in ready if isinstance(item, _Draft)]
    pairs = [
        (draft.figures[owner], pair) for draft in drafts for owner, pair in zip(draft.owners, draft.pairs, strict=True)
    ]
    calls = max(1, round(len(pairs) / batch_size))  # of about the same size: a small rest would take as long as a batch
    size = max(1, -(-len(pairs) // calls))
    predictions = _join([_encode_batch(pairs[start : start + size], encode) for start in range(0, len(pairs), size)])
    start = 0
    for item in ready:
        if isinstance(item, RefusedFile):
            yield item
        else:
            yield _record(item, predictions.take(slice(start, start + len(item.pairs))), settings)
            start += len(item.pairs)


def _encode_batch(pairs: list[tuple[LoadedFigure, Pair]], encode: PairEncoder) -> PairPredictions:
    # One row a figure, taken as often as the figure has pairs: contexts may be large.
    rows: dict[int, int] = {}
    figures: list[LoadedFigure] = []
    for figure, _ in pairs:
        if id(figure) not in rows:
            rows[id(figure)] = len(figures)
            figures.append(figure)
    features = ImageFeatures(
        np.stack([figure.record.embedding for figure in figures if figure.record.embedding is not None]),
        np.stack([figure.context for figure in figures if figure.context is not None]),
    ).take([rows[id(figure)] for figure, _ in pairs])
    texts, roles = [pair.text.normalised for _, pair in pairs], [pair.role for _, pair in pairs]
    words = [FigureWords.of(figure.record.figure, figure.record.figure_text or "") for figure in figures]
    return encode(features, texts, roles, [words[rows[id(figure)]] for figure, _ in pairs])


def _join(parts: list[PairPredictions]) -> PairPredictions:
    if not parts:
        return PairPredictions(*(np.zeros((0, *size), np.float32) for size in ((0,), (len(ABS),), (len(KINDS),), ())))
    return PairPredictions.join(parts)


def _record(draft: _Draft, predictions: PairPredictions, settings: CorpusSettings) -> Record:
    document, figures = draft.job.document, draft.figures
    good = [
        at
        for at, flags in enumerate(
            zip(
                _usable(predictions.embedding),
                _usable(predictions.abs_prob),
                _usable(predictions.kind_prob),
                np.isfinite(predictions.cmi).tolist(),
                strict=True,
            )
        )
        if all(flags)
    ]
    bad = sorted(set(range(len(draft.pairs))) - set(good))
    rejects = [*document.rejects, *chain.from_iterable(figure.rejects for figure in figures)]
    rejects += [_bad_pair(figures[draft.owners[at]], draft.pairs[at]) for at in bad]
    if draft.job.amends:
        rejects = [reject for reject in rejects if reject.reason == FIGURE_TEXT]
    return Record(
        document,
        fingerprint(document, chain.from_iterable(figure.contents for figure in figures), settings),
        draft.job.replaces,
        [figure.record for figure in figures],
        rejects,
        [draft.pairs[at] for at in good],
        [draft.owners[at] for at in good],
        predictions.take(good),
        amends=draft.job.amends,
    )


def _bad_pair(figure: LoadedFigure, pair: Pair) -> Reject:
    return Reject(figure.record.image, BAD_VECTOR, f"pair {pair.id} ({pair.role})", figure=figure.record.figure.id)
