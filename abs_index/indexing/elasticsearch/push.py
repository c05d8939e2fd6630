"""`abs-index push`: a table to an index on a cluster, only what changed, behind an alias that moves at the end.

    templates ─→ index: new, a clone of the live one, or one left unfinished ─→ difference ─→ bulk ─→ count ─→ alias

Searches see the old index until the new one is whole. A push that was stopped leaves an index that says so; the next
push compares it with the table as it would the live one, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from abs_index.errors import AliasError, PushError
from abs_index.indexing import text_vectors
from abs_index.indexing.elasticsearch import aliases, indices
from abs_index.indexing.elasticsearch.aliases import IndexMeta, LiveIndex, Vectors
from abs_index.indexing.elasticsearch.bulk import MB, BulkSettings, Loaded, Operation, largest_request, load
from abs_index.indexing.elasticsearch.dead_letters import DeadLetters
from abs_index.indexing.elasticsearch.difference import Difference, Held, compare, held, ids_of
from abs_index.indexing.elasticsearch.documents import Documents, Version, versions
from abs_index.indexing.elasticsearch.patience import Patience
from abs_index.indexing.elasticsearch.templates import (
    DEFAULT_ANALYZER,
    Layout,
    check_layout,
    put_templates,
    templates,
)
from abs_index.indexing.table import Table
from abs_index.recipe import ElasticsearchSettings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Progress = Callable[[int, int | None], None]
"""Takes how many operations are done, and how many there are."""

_SHARE_REFUSED: Final = 0.01


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How a push runs, and what the index looks like.

    `keep` earlier indices stay. `in_place` changes the live index instead of a copy. Requests hold `chunk_bytes` at
    most and are sent by `workers` threads. After `patience` seconds without any success the push is given up. Refused
    documents are written to `dead_letters`, where None to a file in the folder of the index.
    """

    name: str = "figures"
    vectors: Vectors = "elasticsearch"
    analyzer: str = DEFAULT_ANALYZER
    settings: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    keep: int = 1
    in_place: bool = False
    chunk_bytes: int = 8 * MB
    workers: int = 2
    patience: float = 300.0
    dead_letters: Path | None = None


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, in numbers of pairs; `pairs` is what the index holds now.

    `vectors_left_out` counts those without a direction, `numbers_left_out` probabilities that are no numbers. `bytes`
    is JSON that was written, `docs_per_second` is over `seconds`, the whole time; `removed` are indices that were
    deleted.
    """

    alias: str
    index: str
    pairs: int
    sent: int = 0
    deleted: int = 0
    unchanged: int = 0
    refused: int = 0
    vectors_left_out: int = 0
    numbers_left_out: int = 0
    bytes: int = 0
    seconds: float = 0.0
    docs_per_second: float = 0.0
    removed: tuple[str, ...] = ()
    dead_letters: Path | None = None


def push(
    folder: Path,
    client: Elasticsearch,
    options: PushOptions | None = None,
    progress: Progress = lambda done, total: None,
) -> PushReport:
    """Makes the alias `options.name` show exactly what was last published in `folder`.

    Raises NotAnIndexError and DamagedIndexError (the folder), MappingError (analyser, templates), AliasError (the name
    is not ours, or another push changed it), AccessError, PushError (refused documents, a full disk, no answer for too
    long). Whatever happens, searches go on with what they saw, and the next call goes on where this one ended.
    """
    return _Push(Table.open_published(folder), client, options or PushOptions(), progress).run()


class _Push:
    """One push: what its steps share."""

    def __init__(self, table: Table, client: Elasticsearch, options: PushOptions, progress: Progress) -> None:
        self._start = time.perf_counter()
        self._table = table
        self._client = client
        self._options = options
        self._progress = progress
        self._name = aliases.check_name(options.name)
        self._patience = Patience(options.patience, next(iter(client.transport.node_pool.all())).base_url)
        self._layout = Layout.of(table, options.vectors, options.analyzer, options.settings)

    def run(self) -> PushReport:
        wanted_templates = templates(self._name, self._layout)
        check_layout(self._client, wanted_templates, self._layout.analyzer)
        live = self._find_live()
        usable = live is not None and indices.is_whole(self._client, live.index, self._patience)
        if live is not None and usable and self._is_up_to_date(live):
            return self._report(live.index, live.meta.pairs, Loaded(), unchanged=live.meta.pairs)
        put_templates(self._client, wanted_templates)
        wanted = versions(self._table)
        with DeadLetters(self._dead_letters()) as letters:
            index, there = self._target(live, usable=usable)
            difference = compare(wanted, there)
            loaded, documents = self._load(index, wanted, difference, letters)
        pairs = self._finish(index, live, sum(version.pairs for version in wanted.values()) - loaded.refused)
        removed = self._remove_old(index)
        return self._report(
            index, pairs, loaded, unchanged=difference.unchanged, documents=documents, removed=removed,
            letters=letters.path if letters.ids else None,
        )  # fmt: skip

    # which index

    def _find_live(self) -> LiveIndex | None:
        live = aliases.find_index(self._client, self._name)
        if live is not None and live.index == self._name:
            raise AliasError(f"{self._name!r} is an index, not an alias; choose another name by --name")
        if self._options.in_place and live is None:
            raise AliasError(
                f"no alias {self._name!r} on this cluster that could be changed in place; leave --in-place out"
            )
        if self._options.in_place and live is not None and not self._fits(live.meta):
            raise AliasError(
                f"alias {self._name!r} cannot be changed in place: model, analyser, vectors or shards are others now; "
                "leave --in-place out"
            )
        return live

    def _meta(self, pairs: int | None = None) -> IndexMeta:
        """What the index says of itself while it is loaded, and with `pairs` when it is whole."""
        return IndexMeta(
            model=self._table.model_name,
            model_fingerprint=self._table.model_fingerprint,
            pair_dim=self._layout.pair_dim,
            image_dim=self._layout.image_dim,
            text_encoder=text_vectors.encoder_of(self._table) or "",
            vectors=self._layout.vectors,
            similarity=self._layout.settings.similarity,
            quantisation=self._layout.settings.quantisation,
            analyzer=self._layout.analyzer,
            shards=self._layout.settings.shards,
            table="" if pairs is None else self._table.identity,
            complete=pairs is not None,
            pairs=pairs or 0,
        )

    def _fits(self, meta: IndexMeta) -> bool:
        """Whether an index can be brought up to date: all that cannot be changed is as it should be."""
        return _fixed(meta) == _fixed(self._meta())

    def _is_up_to_date(self, live: LiveIndex) -> bool:
        """Whether nothing has to be done; documents that were refused before are tried again."""
        pairs = self._table.count("pair")
        return live.meta == self._meta(pairs) and indices.count(self._client, live.index, self._patience) == pairs

    def _target(self, live: LiveIndex | None, *, usable: bool) -> tuple[str, Held]:
        """The index that will be made whole, and what it holds. `usable` says whether all of `live` is there."""
        if self._options.in_place and live is not None:
            self._write_meta(live.index, self._meta())
            return live.index, self._held(live.index)
        for index in self._unfinished(live):
            there = self._held(index)
            if None not in there:
                return index, there
        if live is not None and usable and self._fits(live.meta):
            there = self._held(live.index)
            if None not in there:
                return self._clone(live.index), there
        index = aliases.new_index(self._name)
        indices.create(self._client, index, self._meta(), self._patience)
        indices.wait_for_copies(self._client, index, self._patience)
        return index, {}

    def _held(self, index: str) -> Held:
        indices.refresh(self._client, index, self._patience)
        return held(self._client, index, self._patience)

    def _unfinished(self, live: LiveIndex | None) -> Iterator[str]:
        """What earlier pushes left behind, the newest first; what is of no use is deleted.

        A whole index that is newer than the live one was left just before the alias would have moved.
        """
        for left in reversed(self._own_indices()):
            was_live = left.meta.complete and live is not None and left.index < live.index
            if left.aliases or was_live:
                continue
            if self._fits(left.meta) and indices.is_whole(self._client, left.index, self._patience):
                yield left.index
            elif not left.meta.complete:
                indices.delete(self._client, left.index, self._patience)

    def _clone(self, source: str) -> str:
        index = aliases.new_index(self._name)
        indices.clone(self._client, source, index, self._layout.copies, self._patience)
        self._write_meta(index, self._meta())
        indices.wait_for_copies(self._client, index, self._patience)
        return index

    # loading

    def _dead_letters(self) -> Path:
        return self._options.dead_letters or self._table.folder / f"dead-letters-{self._name}.jsonl"

    def _load(
        self, index: str, wanted: dict[str, Version], difference: Difference, letters: DeadLetters
    ) -> tuple[Loaded, Documents]:
        """Does what the difference asks for; gives what was done, and what it was made from."""
        old = ids_of(self._client, index, difference.replace, self._patience)
        documents = Documents(
            self._table, {name: version.fingerprint for name, version in wanted.items()},
            vectors=self._layout.sends_vectors, wanted=difference.send,
        )  # fmt: skip
        total = sum(version.pairs for version in wanted.values())
        settings = BulkSettings(
            self._options.chunk_bytes, self._options.workers, largest_request(self._client), int(total * _SHARE_REFUSED)
        )

        def send(operations: Iterator[Operation]) -> Loaded:
            return load(
                self._client, index, operations, settings, self._patience, letters,
                lambda loaded: self._progress(loaded.sent + loaded.refused, difference.pairs),
            )  # fmt: skip

        loaded = send(_operations(documents, set(old)))
        # Where the new version of a pair was refused, the old one must not stand for it.
        loaded.add(send(Operation(each, None) for each in letters.ids if each in old))
        return loaded, documents

    # finishing

    def _finish(self, index: str, live: LiveIndex | None, expected: int) -> int:
        """Makes the index visible, if it holds what it should. Gives how many pairs it holds."""
        in_place = live is not None and live.index == index
        if not in_place:
            indices.make_searchable(self._client, index, self._layout.copies, self._patience)
        indices.refresh(self._client, index, self._patience)
        found = indices.count(self._client, index, self._patience)
        if found != expected:
            raise PushError(
                f"index {index!r} holds {found} pairs, {expected} were expected; searches see what they saw before, "
                "run the same command again to go on"
            )
        self._write_meta(index, self._meta(found))
        if not in_place:
            old = live.index if live else None
            self._patience.call(lambda: aliases.flip(self._client, self._name, old, index))
        return found

    def _write_meta(self, index: str, meta: IndexMeta) -> None:
        self._patience.call(lambda: aliases.write_meta(self._client, index, meta))

    def _own_indices(self) -> list[LiveIndex]:
        return self._patience.call(lambda: aliases.own_indices(self._client, self._name))

    def _remove_old(self, index: str) -> tuple[str, ...]:
        """Deletes indices of ours that are older than this one, but for the last that are kept, and those in use."""
        older = [each for each in self._own_indices() if each.index < index and not each.aliases]
        whole = [each.index for each in older if each.meta.complete]
        kept = whole[len(whole) - self._options.keep :] if self._options.keep else []
        removed = tuple(each.index for each in older if each.index not in kept)
        for name in removed:
            indices.delete(self._client, name, self._patience)
        return removed

    def _report(
        self,
        index: str,
        pairs: int,
        loaded: Loaded,
        *,
        unchanged: int,
        documents: Documents | None = None,
        removed: tuple[str, ...] = (),
        letters: Path | None = None,
    ) -> PushReport:
        seconds = time.perf_counter() - self._start
        return PushReport(
            alias=self._name,
            index=index,
            pairs=pairs,
            sent=loaded.sent,
            deleted=loaded.deleted,
            unchanged=unchanged,
            refused=loaded.refused,
            vectors_left_out=documents.vectors_left_out if documents else 0,
            numbers_left_out=documents.numbers_left_out if documents else 0,
            bytes=loaded.bytes,
            seconds=round(seconds, 3),
            docs_per_second=round((loaded.sent + loaded.deleted) / seconds, 1),
            removed=removed,
            dead_letters=letters,
        )


def _fixed(meta: IndexMeta) -> tuple[object, ...]:
    return (
        meta.schema_version, meta.model_fingerprint, meta.pair_dim, meta.image_dim, meta.text_encoder,
        meta.vectors == "faiss", meta.similarity, meta.quantisation, meta.analyzer, meta.shards,
    )  # fmt: skip


def _operations(documents: Documents, old: set[str]) -> Iterator[Operation]:
    """Writes all documents, then deletes what is left of `old`, the ids of pairs that they replace."""
    for document in documents:
        old.discard(document.id)
        yield Operation(document.id, document.body)
    for id in sorted(old):  # noqa: A001
        yield Operation(id, None)
