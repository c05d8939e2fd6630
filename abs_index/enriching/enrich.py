"""Labels for the figures of an Elasticsearch index that is already there.

    documents ─find_elements→ elements ─Labeller→ labels ─write_updates→ the same documents

What is done stands in the documents themselves: a run that was stopped goes on where it was, and one on unchanged
documents writes nothing. Documents that somebody changes meanwhile are read again, never overwritten.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abs_index.enriching.elements import FIGURE_TEXT, Element, Fields, Json, find_elements, partial_document
from abs_index.enriching.fetch import AddressRule, Fetcher, is_public
from abs_index.enriching.images import ImageSource
from abs_index.enriching.labelling import Labeller, LabelSettings
from abs_index.enriching.mapping import Additions, known_fields, label_fields, plan_additions, resolve_fields
from abs_index.enriching.reading import UserDocument, count_documents, parse_query, read_again, read_documents
from abs_index.enriching.reasons import CHANGING, GONE, NO_IMAGE, REFUSED
from abs_index.enriching.summary import EnrichSummary, RejectsFile
from abs_index.enriching.target import TargetIndex, add_fields, open_target
from abs_index.enriching.writing import Refused, Written, write_updates
from abs_index.errors import AccessError, MappingError, UnreachableError, UsageError
from abs_index.indexing.elasticsearch.dead_letters import DeadLetters
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.point_in_time import PointLostError
from abs_index.indexing.local import background

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from abs_index.model.base import PairModel

Progress = Callable[[int, int], None]
"""Is told how many documents are done, and how many there are."""

_SCANS = 10
_TURNS = 6
_PAUSE = 0.02
_TEXT = 200


@dataclass(frozen=True, slots=True)
class EnrichOptions:
    """What to enrich and how.

    `image_field` and `text_field` are names as in the mapping; so are `alt_field` and, with role mention,
    `caption_field`, of what else the model is told of a figure, "" for none. Images are read below `image_root`, and by
    URL from `allow_hosts`; `addresses` says which addresses these may have. `query` restricts documents (Lucene's
    syntax, or a JSON clause). Labels stand beside the image, or in an object `target_field` there. `rejects` and
    `dead_letters` are files for JSON lines: figures that were left out, updates that the server refused (made with the
    first). `patience` is how many seconds the server may be away.
    """

    image_field: str
    text_field: str
    alt_field: str = ""
    caption_field: str = ""
    image_root: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    query: str = ""
    target_field: str = ""
    dry_run: bool = False
    labels: LabelSettings = field(default_factory=LabelSettings)
    rejects: Path | None = None
    dead_letters: Path = Path("dead-letters.jsonl")
    patience: float = 300.0
    addresses: AddressRule = is_public


def enrich(
    client: Elasticsearch, name: str, model: PairModel, options: EnrichOptions, progress: Progress | None = None
) -> EnrichSummary:
    """Predicts labels for the figures in the documents of an index, and writes them beside the images.

    Raises UsageError, QueryError, AliasError (no such index, or several), MappingError (fields that are missing or of
    another type; also where no document has an image), PushError (read-only, or the server stays away).
    """
    start = time.monotonic()
    run = _Run(client, name, model, options)
    with RejectsFile(options.rejects) as rejects:
        run.everything(rejects, progress or (lambda done, total: None))
    run.summary.seconds = round(time.monotonic() - start, 3)
    return run.summary


class _Run:
    """One run over an index."""

    def __init__(self, client: Elasticsearch, name: str, model: PairModel, options: EnrichOptions) -> None:
        self._client = client
        self._options = options
        if options.caption_field and options.labels.role == "caption":
            raise UsageError(
                "--caption-field goes with --role mention: with --role caption, --text-field is the caption"
            )
        if options.image_root is None and not options.allow_hosts:
            raise UsageError("where are the images? give --image-root, --allow-host, or both")
        fetcher = Fetcher(options.allow_hosts, allowed=options.addresses) if options.allow_hosts else None
        images = ImageSource(options.image_root, fetcher, options.labels.corpus)
        self._query = parse_query(options.query)
        self._patience = Patience(options.patience, name)
        self._target = open_target(client, self._patience, name, writing=not options.dry_run)
        self._fields, self._additions = _plan(self._target, model, options)
        self._total = count_documents(client, self._patience, name, self._query)
        self._labeller = Labeller(model, images, options.labels)
        self._fields_are_there = False
        self.summary = EnrichSummary(
            index=self._target.index, dry_run=options.dry_run, added_fields=self._additions.names
        )

    def everything(self, rejects: RejectsFile, progress: Progress) -> None:
        """All documents. Where the server forgets the point in time, they are read again; what is done is skipped."""
        self._rejects = rejects
        for _ in range(_SCANS):
            try:
                with DeadLetters(self._options.dead_letters) as self._dead:
                    self._scan(progress)
                break
            except PointLostError:
                self._begin_again()
        else:
            raise UnreachableError(f"{self._target.name}: the server keeps losing the search; run the command again")
        self.summary.encoded = self._labeller.encoded
        if self.summary.documents and self.summary.rejects.get(NO_IMAGE) == self.summary.figures:
            known = known_fields(self._target.mapping)
            raise MappingError(
                f"{self._target.name}: none of {self.summary.documents:,} documents has an image in "
                f"{self._options.image_field}; it has the fields: {known}"
            )
        if self.summary.written:
            self._refresh()

    def _begin_again(self) -> None:
        """Counts as before the scan; what was labelled in it will be found unchanged."""
        kept = self.summary
        self.summary = EnrichSummary(index=kept.index, dry_run=kept.dry_run, added_fields=kept.added_fields)
        if not kept.dry_run:
            self.summary = replace(
                kept, documents=0, figures=0, unchanged=-kept.labelled, rejects={}, refused=0, without_vectors=0
            )
        self._rejects.restart()

    def _refresh(self) -> None:
        """Lets searches see what was written; where we have no right to, they see it a little later."""
        with suppress(AccessError):
            self._patience.call(lambda: self._client.indices.refresh(index=self._target.index))

    def _scan(self, progress: Progress) -> None:
        if not self._options.dry_run:
            self._refresh()  # what a run before this one wrote last must not be predicted again
        documents = read_documents(self._client, self._patience, self._target, self._query, self._fields)
        with closing(background(documents, 1, "reading")) as read, self._hurrying():
            for batch in self._labeller.label(self._find(read)):
                self._finish(batch)
                progress(self.summary.documents, max(self._total, self.summary.documents))

    @contextmanager
    def _hurrying(self) -> Iterator[None]:
        """Where a run ends early, by Ctrl-C or an error, the thread that reads must not go on to wait for a server."""
        try:
            yield
        except PointLostError:
            raise
        except BaseException:
            self._patience.stop()
            raise

    def _find(self, documents: Iterable[UserDocument]) -> Iterator[UserDocument]:
        for document in documents:
            document.elements = find_elements(document.source, self._fields)
            yield document

    def _finish(self, documents: Sequence[UserDocument]) -> None:
        """Writes a batch, again and again where somebody else writes the same documents."""
        if self._options.dry_run:
            self._settle(documents)
            return
        self._patience.progressed()  # the network may have been at work for long
        changed = self._write(documents).changed
        for turn in range(_TURNS):
            if not changed:
                return
            self.summary.conflicts += len(changed)
            time.sleep(random.uniform(0.5, 1) * _PAUSE * 2**turn)  # noqa: S311 (no secret)
            changed = self._write(self._again(changed)).changed
        self._give_up(changed, CHANGING)

    def _again(self, documents: Sequence[UserDocument]) -> list[UserDocument]:
        fresh = read_again(self._client, self._patience, self._target, self._fields, documents)
        there = {document.id for document in fresh}
        self._give_up([document for document in documents if document.id not in there], GONE)
        labelled = [document for batch in self._labeller.label(self._find(fresh)) for document in batch]
        return [document for document in labelled if not self._has_arrived(document)]

    def _has_arrived(self, document: UserDocument) -> bool:
        """Whether an update was done though its answer was lost: then the document was changed, but by us."""
        if any(element.labels for element in document.elements):
            return False
        for element in document.elements:
            element.labels = self._labeller.made(element.mark)
        ours = any(element.labels for element in document.elements)
        if ours:
            self._settle([document])
            self.summary.written += 1
        return ours

    def _write(self, documents: Sequence[UserDocument]) -> Written:
        changed = [document for document in documents if any(element.labels for element in document.elements)]
        ids = {document.id for document in changed}
        self._settle([document for document in documents if document.id not in ids])
        if not changed:
            return Written()
        if not self._fields_are_there and self._additions.names:
            add_fields(self._client, self._patience, self._target, self._additions.properties)
        self._fields_are_there = True
        updates = [(document, self._update(document)) for document in changed]
        written = write_updates(self._client, self._patience, self._target, updates)
        self._settle(written.done)
        self.summary.written += len(written.done)
        self._give_up(written.gone, GONE)
        for refused in written.refused:
            self._refuse(refused)
        return written

    def _update(self, document: UserDocument) -> Json:
        labelled = (element for element in document.elements if element.labels)
        return partial_document(document.source, labelled, self._fields.target)

    def _refuse(self, refused: Refused) -> None:
        self.summary.refused += 1
        self._give_up([refused.document], REFUSED, refused.reason)
        self._dead.add(refused.document.id, refused.body, refused.status, refused.reason)

    # counting: once a document is settled, whatever became of it

    def _settle(self, documents: Iterable[UserDocument]) -> None:
        for document in documents:
            self.summary.documents += 1
            if not document.elements:
                self._reject(document, None, NO_IMAGE)
            for element in document.elements:
                self._count(document, element)

    def _give_up(self, documents: Iterable[UserDocument], reason: str, detail: str = "") -> None:
        for document in documents:
            for element in document.elements:
                if not element.reason:
                    element.reason, element.detail, element.labels = reason, detail, None
            self._settle([document])

    def _count(self, document: UserDocument, element: Element) -> None:
        if element.reason:
            self._reject(document, element, element.reason, element.detail)
            return
        self.summary.without_vectors += self._options.labels.vectors and not element.alone
        if element.labels is None:
            self.summary.figures += 1
            self.summary.unchanged += 1
            return
        row = {"document": document.id, "place": element.place, "image": element.image, "text": element.text[:_TEXT]}
        self.summary.without_words += self._options.labels.reader is not None and element.labels[FIGURE_TEXT] is None
        said = {name: element.labels[name] for name in ("abs", "abs_prob", "kind", "kind_prob", "cmi")}
        self.summary.add_label(row | said)

    def _reject(self, document: UserDocument, element: Element | None, reason: str, detail: str = "") -> None:
        self.summary.add_reject(reason)
        self._rejects.write(
            {
                "document": document.id,
                "place": element.place if element else "",
                "image": element.image if element else "",
                "reason": reason,
                "detail": detail,
            }
        )


def _plan(target: TargetIndex, model: PairModel, options: EnrichOptions) -> tuple[Fields, Additions]:
    mapping = target.mapping
    fields = resolve_fields(
        mapping,
        options.image_field,
        options.text_field,
        options.target_field,
        where=f"index {target.index!r}",
        alt=options.alt_field,
        caption=options.caption_field,
    )
    wanted = label_fields(model.info, vectors=options.labels.vectors, words=options.labels.reader is not None)
    return fields, plan_additions(mapping, fields, wanted)
