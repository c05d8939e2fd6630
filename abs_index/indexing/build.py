"""`abs-index build`: documents to a published index, only what changed, on one machine.

    read ─→ known? ─→ load, read words (threads) ─→ image network ─→ pair network ─→ write
    ─→ vectors of texts, where they are wanted ─→ publish

Each arrow is a bounded queue, so that memory does not grow with the corpus. The table is committed every few seconds;
a build that was killed goes on where the last commit ended.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from threading import Event

from abs_index.corpus.archive import ARCHIVE_SUFFIXES
from abs_index.corpus.document import Document, Reject
from abs_index.corpus.figure_text import FigureReader
from abs_index.corpus.folder import FolderFiles
from abs_index.corpus.read import read_sources
from abs_index.errors import CorpusError, NotAnIndexError
from abs_index.indexing import encode, table, text_vectors
from abs_index.indexing.amend import amend
from abs_index.indexing.clock import Clock
from abs_index.indexing.encode import Job, Loaded, Task
from abs_index.indexing.figure_texts import FigureTexts
from abs_index.indexing.known_texts import known_texts
from abs_index.indexing.local import background, ordered_map
from abs_index.indexing.lock import HOLDER, LOCK, write_lock
from abs_index.indexing.publish import publish
from abs_index.indexing.records import Record, RefusedFile, batches_of, storable
from abs_index.indexing.summary import BuildSummary, Changes, summarise
from abs_index.indexing.table import Table
from abs_index.model.base import ImageFeatures, PairModel, Pixels
from abs_index.model.text_encoder import TextEncoder, load_text_encoder
from abs_index.recipe import CorpusSettings

Found = tuple[str, Document | Reject]
"""What reading yields: a document, or a file that was refused as a whole, with the source that it is from."""
Item = Record | RefusedFile
Progress = Callable[[int], None]
"""Takes the number of documents that are done, unchanged ones and refused files among them."""

_SECONDS_A_COMMIT = 15.0
_DOCUMENT_SUFFIXES = (".xml", ".nxml", ".jats", ".cnxml", ".html", ".htm", ".xhtml")


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a build runs. None of it changes what the index holds, except `corpus`, the limits for untrusted input,
    `reader`, which reads the words in figures (where it is None, those that the index has are kept), and
    `text_vectors`: whether the index has vectors of texts, for search by meaning (where it is None, an index that has
    some gets those that are missing, and another gets none).

    `batch_size` counts images a call of the network; `workers` threads decode them, one a core where it is None.
    `rebuild` embeds everything again, for another model or after damage. A commit is made every `rows_a_commit` rows
    of the table, or 15 seconds. `text_encoder` makes the vectors of texts; None takes that of the extra [semantic].
    """

    batch_size: int = 32
    workers: int | None = None
    rebuild: bool = False
    rows_a_commit: int = 2000
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    reader: FigureReader | None = None
    text_vectors: bool | None = None
    text_encoder: TextEncoder | None = None


def build_index(
    roots: Sequence[Path],
    folder: Path,
    model: PairModel,
    *,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
    text_progress: text_vectors.Progress | None = None,
) -> BuildSummary:
    """Makes `folder` the index of exactly the documents below `roots`: see `index_documents`.

    Raises CorpusError too, where a root is missing or holds no documents.
    """
    documents = read_sources(roots, (options or BuildOptions()).corpus)
    return index_documents(documents, folder, model, options=options, progress=progress, text_progress=text_progress)


def index_documents(
    documents: Iterable[Found],
    folder: Path,
    model: PairModel,
    *,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
    text_progress: text_vectors.Progress | None = None,
) -> BuildSummary:
    """Makes `folder` the index of exactly these documents, embedding only what is new or changed.

    `progress` is told of documents, and then `text_progress` of vectors of texts, where any are to be made.

    Readers go on with what was published before until the end. On Ctrl-C, whole documents are committed before
    KeyboardInterrupt is raised; the next call goes on from there.

    Raises NotAnIndexError (`folder` holds something else), IndexLockedError, ModelMismatchError, DamagedIndexError,
    StorageError, MissingExtraError (vectors of texts), and what reading `documents` raises; then nothing is removed or
    published.
    """
    options = options or BuildOptions()
    start = time.perf_counter()
    clock, changes = Clock(), Changes()
    documents = _started(iter(documents))
    _check_folder(folder)
    with write_lock(folder):
        with clock.stage("check"):
            before = known_texts(folder, None) if options.rebuild else []
            target = _open_table(folder, model, rebuild=options.rebuild)
            before = before if options.rebuild else known_texts(folder, target)
            texts = FigureTexts(target, before, options.reader, options.corpus, clock)
            known = target.fingerprints()
            encoder = _text_encoder(target, options)
        with closing(_records(documents, known, texts, model, options, changes, clock)) as records:
            _write(records, _Writer(target, clock, options.rows_a_commit), changes, progress or (lambda done: None))
        changes.read, changes.words = texts.read, texts.words
        _finish(target, known, encoder, text_progress, options, changes, clock)
    return summarise(target, changes, clock.seconds, time.perf_counter() - start)


def _started(documents: Iterator[Found]) -> Iterator[Found]:
    """Reads the first document: a corpus that is missing or empty is told before an index folder is made for it."""
    first = next(documents, None)
    if first is None:
        raise CorpusError("no document was found in the corpus: JATS, CNXML and HTML are read, also in zip and tar")
    return chain([first], documents)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        if folder.exists():
            raise NotAnIndexError(f"{folder}: is a file, not a folder")
        return
    if not Table.exists(folder) and not {entry.name for entry in folder.iterdir()} <= {LOCK, HOLDER, table.NAME}:
        raise NotAnIndexError(f"{folder}: the folder is not empty and holds no index; name another or a new one")


def _open_table(folder: Path, model: PairModel, *, rebuild: bool) -> Table:
    if rebuild or not Table.exists(folder):
        return Table.create(folder, model.info)
    opened = Table.open(folder)
    opened.check_model(model.info)
    opened.verify()
    return opened


# reading: what is there, and what of it is new


def expected_documents(roots: Sequence[Path], settings: CorpusSettings) -> int | None:
    """About how many documents there are, by the names of files alone: for the time left.

    None where archives are among them, whose content is not known before they are read.
    """
    expected = 0
    for root in roots:
        if not root.is_dir():
            return None
        for name in FolderFiles(root, settings).names():
            if name.lower().endswith(ARCHIVE_SUFFIXES):
                return None
            expected += name.lower().endswith(_DOCUMENT_SUFFIXES)
    return expected


def _jobs(
    found: Iterable[Found], known: dict[str, str], texts: FigureTexts, settings: CorpusSettings, changes: Changes
) -> Iterator[Job | RefusedFile]:
    """What has to be embedded. Everything that comes by is taken out of `known`: what stays there was removed."""
    refused: set[str] = set()
    for source, unit in found:
        if isinstance(unit, Reject):
            changes.refused += 1
            yield from _refuse(source, unit, known, refused)
            continue
        key = storable(unit.id)
        before = known.pop(key, None)
        if before is None:
            changes.new += 1
        elif before != encode.fingerprint(unit, encode.image_contents(unit), settings):
            changes.changed += 1
        elif texts.lacks(key):
            changes.amended += 1
            yield Job(unit, replaces=False, amends=True)
            continue
        else:
            changes.unchanged += 1
            continue
        yield Job(unit, replaces=before is not None)


def _refuse(source: str, reject: Reject, known: dict[str, str], refused: set[str]) -> Iterator[RefusedFile]:
    # One file can be refused for several reasons, an archive for several members.
    key = path = storable(reject.path)
    while key in refused:
        key = f"{path} #{len(refused)}"
    refused.add(key)
    content = json.dumps([source, reject.path, reject.reason, reject.detail, reject.document, reject.figure])
    digest = _REFUSED + blake2b(content.encode(), digest_size=16).hexdigest()
    before = known.pop(key, None)
    if before != digest:
        yield RefusedFile(key, digest, before is not None, reject, source)


_REFUSED = "refused:"


# from documents to records: the threads


def _records(
    documents: Iterable[Found],
    known: dict[str, str],
    texts: FigureTexts,
    model: PairModel,
    options: BuildOptions,
    changes: Changes,
    clock: Clock,
) -> Generator[Item]:
    """Records in the order of the documents, made by threads that run a little ahead."""
    size, settings = options.batch_size, options.corpus
    workers = options.workers or os.cpu_count() or 1
    decode = clock.calls("decode", partial(encode.load_task, model=model, settings=settings))

    def load(task: Task) -> Loaded:
        return encode.read_words(task, decode(task), texts)

    def embed(pixels: Pixels) -> ImageFeatures:
        changes.embedded += len(pixels)
        return model.encode_images(pixels)

    def stages() -> Generator[Item]:
        jobs = clock.items("read", _jobs(documents, known, texts, settings, changes))
        with (
            closing(background(jobs, ahead=8, name="read")) as read,
            closing(ordered_map(load, encode.tasks(read), workers=workers, ahead=3 * size)) as mapped,
            closing(background(mapped, ahead=size, name="load")) as loaded,
        ):
            embedded = encode.embed_images(loaded, clock.calls("image network", embed), size)
            predict = clock.calls("pair network", model.encode_pairs)
            # Many at once: the network takes texts of like length together.
            yield from encode.predict_pairs(embedded, predict, 8 * size, settings)

    return background(stages(), ahead=16, name="network")


# writing


def _write(records: Iterable[Item], writer: _Writer, changes: Changes, progress: Progress) -> None:
    """Commits records as they come. After Ctrl-C, those that are whole; then KeyboardInterrupt."""
    done = 0
    with _interruption() as interrupted:
        for record in records:
            writer.add(record)
            done += 1
            progress(done + changes.unchanged)
            if interrupted.is_set():
                break
        writer.commit()
    if interrupted.is_set():
        raise KeyboardInterrupt


class _Writer:
    """Gathers records and commits them together: many small commits would make many small files."""

    def __init__(self, target: Table, clock: Clock, rows_a_commit: int) -> None:
        self._table, self._clock, self._rows_a_commit = target, clock, rows_a_commit
        self._waiting: list[Item] = []
        self._rows = 0
        self._last = time.monotonic()

    def add(self, item: Item) -> None:
        self._waiting.append(item)
        self._rows += item.rows
        if self._rows >= self._rows_a_commit or time.monotonic() - self._last >= _SECONDS_A_COMMIT:
            self.commit()

    def commit(self) -> None:
        if self._waiting:
            amended = [item for item in self._waiting if isinstance(item, Record) and item.amends]
            whole = [item for item in self._waiting if not isinstance(item, Record) or not item.amends]
            with self._clock.stage("write"):
                self._table.delete_documents(item.key for item in whole if item.replaces)
                if whole:
                    self._table.append(batches_of(whole, self._table.schema))
                if amended:
                    amend(self._table, amended)
        self._waiting = []
        self._rows = 0
        self._last = time.monotonic()


@contextmanager
def _interruption() -> Iterator[Event]:
    """An event that the first Ctrl-C sets, instead of breaking into a commit. The second one breaks."""
    event = Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def note(number: int, frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _text_encoder(target: Table, options: BuildOptions) -> TextEncoder | None:
    """What makes the vectors of texts, loaded before the long work begins; None where none are made."""
    wanted = options.text_vectors
    if not (text_vectors.encoder_of(target) is not None if wanted is None else wanted):
        return None
    return options.text_encoder or load_text_encoder(threads=options.workers)


def _finish(
    target: Table,
    removed: dict[str, str],
    encoder: TextEncoder | None,
    text_progress: text_vectors.Progress | None,
    options: BuildOptions,
    changes: Changes,
    clock: Clock,
) -> None:
    """The corpus was read to its end: drops what is no longer there, makes what is missing, and publishes."""
    changes.removed = sum(not before.startswith(_REFUSED) for before in removed.values())
    with clock.stage("write"):
        target.delete_documents(removed)
        if options.text_vectors is False:
            text_vectors.drop(target)
    if encoder is not None:
        with clock.stage("text vectors"):
            changes.meant = text_vectors.fill(target, encoder, text_progress)
    with clock.stage("write"):
        if target.version != target.published_version:
            target.compact()
    with clock.stage("publish"):
        publish(target, target.folder)
        if target.version != target.published_version:
            target.mark_published()
        target.clean()
