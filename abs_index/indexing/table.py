"""The table: one Lance dataset at INDEX/table.lance, the only truth of an index.

Versions. Every `append` and `delete_documents` is one atomic commit and makes a new version; a reader that opened a
version goes on seeing exactly that version. Two tags stand on versions: `published`, what readers open, and
`previous`, what was published before and may still be open somewhere. Versions without a tag are removed by
`clean`.

Order. Within one version, rows come in a stable order: that of their commits. It depends on the history of the table
(a changed document moves to the end), so two tables with the same content need not have it in common, and nothing that
is made from the table may depend on it. Two indexes are the same when they hold the same documents and pair ids with
the same labels, and vectors that agree to 1e-3.

One process writes at a time: see `abs_index.indexing.lock`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

import lance
import pyarrow as pa
import xxhash

from abs_index.errors import IndexError_, ModelMismatchError, NotAnIndexError
from abs_index.indexing.schema import FORMAT_VERSION, Row, table_schema
from abs_index.indexing.table_errors import damaged, table_errors
from abs_index.model.base import ModelInfo

NAME: Final = "table.lance"
PUBLISHED: Final = "published"
PREVIOUS: Final = "previous"

_IDS_A_CONDITION = 1000
_FRAGMENTS_TO_COMPACT = 16
# Lance holds what it merges in memory: the size of a merged file bounds it.
_ROWS_A_FRAGMENT = 16 * 1024
_SCAN_BUFFER = 8 * 2**20
_CACHE = 16 * 2**20
_ROWS_A_BATCH = 512


class Table:
    """One version of the table of an index. Writing moves the object to the version that it made.

    Every method raises DamagedIndexError where files of the table are damaged, and StorageError where the disk is full
    or writing is not permitted.
    """

    def __init__(self, folder: Path, dataset: Any) -> None:
        """Use `create`, `open` or `open_published`."""
        self.folder = folder
        self._dataset = dataset

    # opening

    @classmethod
    def create(cls, folder: Path, model: ModelInfo) -> Self:
        """Makes the table of an index empty, for the vectors of `model`.

        A table that is there already gets a new, empty version; readers of its published version are not disturbed.
        One that is too damaged for that is removed.
        """
        path = folder / NAME
        empty = pa.Table.from_batches([], schema=table_schema(model))
        with table_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            mode = "overwrite" if cls._usable(folder) else "create"
            if mode == "create" and path.exists():
                shutil.rmtree(path)
            lance.write_dataset(empty, str(path), mode=mode)
            return cls(folder, _dataset(folder))

    @classmethod
    def _usable(cls, folder: Path) -> bool:
        try:
            cls._load(folder, None)
        except IndexError_:
            return False
        return True

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether `folder` holds a table, sound or not. A table whose creation was cut off does not count."""
        versions = folder / NAME / "_versions"
        return versions.is_dir() and any(versions.glob("*.manifest"))

    @classmethod
    def open(cls, folder: Path, version: int | None = None) -> Self:
        """The table of an index, at its last version or at `version`.

        Raises NotAnIndexError (no index here, or one of another format version) and DamagedIndexError (a file is
        missing, cut off or unreadable).
        """
        table = cls._load(folder, version)
        table._check_format()
        table._check_files()
        return table

    @classmethod
    def open_published(cls, folder: Path) -> Self:
        """The table as it was last published: what readers use, also while a build runs.

        Raises NotAnIndexError, also where no build was finished yet, and DamagedIndexError.
        """
        version = cls._load(folder, None).published_version
        if version is None:
            raise NotAnIndexError(f"{folder}: the first build of this index is not finished; run `abs-index build`")
        return cls.open(folder, version)

    @classmethod
    def _load(cls, folder: Path, version: int | None) -> Self:
        if not cls.exists(folder):
            what = "holds no index" if folder.is_dir() else "does not exist"
            raise NotAnIndexError(f"{folder}: {what}; `abs-index build CORPUS --index {folder}` makes one")
        with table_errors(folder):
            return cls(folder, _dataset(folder, version))

    def _check_format(self) -> None:
        found = self.metadata("abs_index.format")
        if found == str(FORMAT_VERSION):
            return
        if found is None:
            raise NotAnIndexError(f"{self.folder}: {NAME} is a Lance table, but not one of abs-index")
        raise NotAnIndexError(
            f"{self.folder}: index of format version {found}, this abs-index reads version {FORMAT_VERSION}; "
            "build it again into a new folder, or with --rebuild"
        )

    def _check_files(self) -> None:
        """Finds missing and cut-off files at once; reading a whole file to find a flipped bit is `verify`."""
        for name, size in self._data_files():
            path = self.folder / NAME / "data" / name
            found = path.stat().st_size if path.is_file() else None
            if found is None or (size and found != size):
                raise damaged(self.folder, f"data file {name} " + ("is missing" if found is None else "is cut off"))

    # facts

    @property
    def version(self) -> int:
        """The version that this object shows."""
        return int(self._dataset.version)

    @property
    def schema(self) -> pa.Schema:
        """The columns, as in `schema.table_schema`."""
        with table_errors(self.folder):
            return self._dataset.schema

    @property
    def identity(self) -> str:
        """A hash of exactly this content: two versions, or tables, that share it hold the same rows in the same order.

        Search structures keep it to know whether they belong to the table.
        """
        fragments = [fragment.metadata.to_json() for fragment in self._dataset.get_fragments()]
        content = json.dumps([self.metadata("abs_index.model_fingerprint"), fragments], sort_keys=True)
        return xxhash.xxh3_128_hexdigest(content.encode())

    @property
    def published_version(self) -> int | None:
        """The version that readers use, or None before the first build is finished."""
        return self._tags().get(PUBLISHED)

    @property
    def model_name(self) -> str:
        """Name of the model that made the vectors."""
        return self.metadata("abs_index.model") or ""

    @property
    def model_fingerprint(self) -> str:
        """Fingerprint of the model that made the vectors."""
        return self.metadata("abs_index.model_fingerprint") or ""

    def check_model(self, model: ModelInfo) -> None:
        """Raises ModelMismatchError unless `model` is the one that made the vectors."""
        if self.model_fingerprint != model.fingerprint:
            raise ModelMismatchError(
                f"{self.folder}: index built with model {self.model_name!r} ({self.model_fingerprint[:12]}), "
                f"given was {model.name!r} ({model.fingerprint[:12]}); use that one, or --rebuild to embed all again"
            )

    def metadata(self, key: str) -> str | None:
        """What the table says of itself under this key."""
        value = (self.schema.metadata or {}).get(key.encode())
        return None if value is None else value.decode("utf-8", "replace")

    def _tags(self) -> dict[str, int]:
        with table_errors(self.folder):
            return {name: tag["version"] for name, tag in self._dataset.tags.list().items()}

    def _data_files(self) -> Iterator[tuple[str, int | None]]:
        for fragment in self._dataset.get_fragments():
            for file in fragment.metadata.files:
                yield file.path, file.file_size_bytes

    # reading

    def count(self, row: Row | None = None) -> int:
        """Number of rows, of one kind or of all."""
        with table_errors(self.folder):
            return int(self._dataset.count_rows(filter=_is(row)))

    def fingerprints(self) -> dict[str, str]:
        """Document id → fingerprint, of all documents and of the files that were refused as a whole."""
        known: dict[str, str] = {}
        where = "fingerprint IS NOT NULL"
        for batch in self._scan(["document", "fingerprint"], where, 8192):
            known.update(zip(batch["document"].to_pylist(), batch["fingerprint"].to_pylist(), strict=True))
        return known

    def batches(self, row: Row | None, columns: Sequence[str], batch_rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """Streams rows of one kind (or all), at most `batch_rows` at a time, in the order of this version."""
        return self._scan(list(columns), _is(row), batch_rows)

    def take(self, places: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows at these places, counted from 0 over all rows in the order of this version."""
        with table_errors(self.folder):
            return self._dataset.take(list(places), columns=list(columns))

    def _scan(self, columns: list[str], where: str | None, rows: int) -> Iterator[pa.RecordBatch]:
        with table_errors(self.folder):
            scanner = self._dataset.scanner(
                columns=columns,
                filter=where,
                batch_size=min(rows, _ROWS_A_BATCH),
                scan_in_order=True,
                # Without these limits Lance reads gigabytes ahead of a slow consumer.
                batch_readahead=2,
                fragment_readahead=1,
                io_buffer_size=_SCAN_BUFFER,
            )
            batches = iter(scanner.to_batches())
        while True:
            with table_errors(self.folder):
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def verify(self) -> None:
        """Reads every file that was there at the last publishing and compares its hash: finds flipped bits.

        Raises DamagedIndexError. Costs one reading of the whole table.
        """
        for name, expected in self._published_hashes().items():
            if _hash_file(self.folder / NAME / "data" / name) != expected:
                raise damaged(self.folder, f"data file {name} was changed")

    def _published_hashes(self) -> dict[str, str]:
        with table_errors(self.folder):
            tag = self._dataset.tags.list().get(PUBLISHED)
        known: dict[str, str] = tag["metadata"] if tag else {}
        return {name: known[name] for name, _ in self._data_files() if name in known}

    # writing

    def append(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Adds rows in one commit: all of them, or none where it fails. They are in memory together."""
        rows = pa.Table.from_batches(batches, schema=self.schema)
        with table_errors(self.folder):
            self._dataset = lance.write_dataset(rows, self._dataset, mode="append")

    def delete_documents(self, ids: Iterable[str]) -> None:
        """Removes all rows of these documents, also of files refused as a whole. Ids are data: any text is safe."""
        for where in _in_documents(ids):
            with table_errors(self.folder):
                self._dataset.delete(where)

    def delete_rejects(self, ids: Iterable[str], reason: str) -> None:
        """Removes the rejects of these documents that have this reason."""
        for where in _in_documents(ids):
            with table_errors(self.folder):
                self._dataset.delete(f"{_is('reject')} AND reason = {_quoted(reason)} AND {where}")

    def update_rows(self, row: Row, key: str, values: pa.Table) -> None:
        """Gives rows of one kind other values in some columns, in one commit; all else stays as and where it is.

        `values` holds `document` and the column `key`, which say together which rows are meant, and the columns that
        change. What the table does not have is passed over.
        """
        places = {names: at for at, names in enumerate(_names(values, key))}
        changes = values.drop_columns(["document", key])
        updated, modified = [], set[int]()
        for fragment in self._dataset.get_fragments():
            rows = self._rows_of(fragment, row, key, values["document"].to_pylist())
            found = [(at, places[names]) for at, names in enumerate(_names(rows, key)) if names in places]
            if found:
                here, there = map(list, zip(*found, strict=True))
                with table_errors(self.folder):
                    made = changes.take(there).append_column("_rowid", rows["_rowid"].take(here)).combine_chunks()
                    metadata, fields = fragment.update_columns(made)
                updated.append(metadata)
                modified |= set(fields)
        if updated:
            self._commit(lance.LanceOperation.Update(updated_fragments=updated, fields_modified=sorted(modified)))

    def _rows_of(self, fragment: Any, row: Row, key: str, documents: Iterable[str]) -> pa.Table:
        with table_errors(self.folder):
            return pa.concat_tables(
                fragment.scanner(
                    columns=["document", key], filter=f"{_is(row)} AND {where}", with_row_id=True
                ).to_table()
                for where in _in_documents(documents)
            )

    def _commit(self, operation: Any) -> None:
        with table_errors(self.folder):
            self._dataset = lance.LanceDataset.commit(self._dataset, operation, read_version=self._dataset.version)

    def add_column(self, column: pa.Field, metadata: Mapping[str, str]) -> None:
        """Adds a column of nulls, which writes no row again; `metadata` is what the table says of itself from then on.

        A column of that name that is there already goes first, with all that is in it.
        """
        self.drop_column(column.name)
        with table_errors(self.folder):
            self._dataset.add_columns(column)
            self._dataset.update_schema_metadata(dict(metadata))

    def drop_column(self, name: str) -> None:
        """Removes a column, where there is one of that name."""
        if name in self.schema.names:
            with table_errors(self.folder):
                self._dataset.drop_columns([name])

    def fill_column(
        self, name: str, row: Row, reads: Sequence[str], make: Callable[[pa.RecordBatch], pa.Array], rows_a_commit: int
    ) -> Iterator[int]:
        """Gives a value to the rows of one kind that have none in a column; all others stay as and where they are.

        `make` gives the values for a batch of the columns `reads`. Commits after so many rows, and at the end of each
        file, and yields how many rows it were.
        """
        where = f"{_is(row)} AND {name} IS NULL"
        for number in [fragment.fragment_id for fragment in self._dataset.get_fragments()]:
            while (rows := self._lacking(number, reads, where, rows_a_commit)).num_rows:
                values = make(rows.select(list(reads)).to_batches()[0])
                with table_errors(self.folder):
                    made = pa.table({"_rowid": rows["_rowid"], name: values})
                    changed, fields = self._dataset.get_fragment(number).update_columns(made)
                self._commit(lance.LanceOperation.Update(updated_fragments=[changed], fields_modified=fields))
                yield rows.num_rows

    def count_lacking(self, name: str, row: Row) -> int:
        """How many rows of one kind have no value in a column."""
        with table_errors(self.folder):
            return int(self._dataset.count_rows(filter=f"{_is(row)} AND {name} IS NULL"))

    def _lacking(self, fragment: int, columns: Sequence[str], where: str, limit: int) -> pa.Table:
        with table_errors(self.folder):
            scanner = self._dataset.get_fragment(fragment).scanner(
                columns=list(columns), filter=where, limit=limit, with_row_id=True
            )
            return scanner.to_table().combine_chunks()

    def mark_published(self) -> None:
        """Makes this version the one that readers open; the one before it stays for those who have it open."""
        tags = self._tags()
        last = tags.get(PUBLISHED)
        hashes = self._published_hashes()
        data = self.folder / NAME / "data"
        with table_errors(self.folder):
            hashes |= {name: _hash_file(data / name) for name, _ in self._data_files() if name not in hashes}
            if last is not None and last != self.version:
                self._set_tag(PREVIOUS, last, exists=PREVIOUS in tags)
            self._set_tag(PUBLISHED, self.version, exists=last is not None)
            self._dataset.tags.replace_metadata(PUBLISHED, hashes)

    def _set_tag(self, name: str, version: int, *, exists: bool) -> None:
        (self._dataset.tags.update if exists else self._dataset.tags.create)(name, version)

    def compact(self) -> None:
        """Where there are many small files, merges them and drops deleted rows for good. Makes a new version then."""
        small = [f for f in self._dataset.get_fragments() if f.metadata.num_rows < _ROWS_A_FRAGMENT // 2]
        if len(small) < _FRAGMENTS_TO_COMPACT:
            return
        with table_errors(self.folder):
            self._dataset.optimize.compact_files(
                target_rows_per_fragment=_ROWS_A_FRAGMENT, num_threads=1, batch_size=1024
            )

    def clean(self) -> None:
        """Removes versions that have no tag, and files of writers that were killed. Only under the lock."""
        with table_errors(self.folder):
            self._dataset.cleanup_old_versions(
                older_than=timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False
            )


def _dataset(folder: Path, version: int | None = None) -> Any:
    # By default Lance remembers up to gigabytes of what it has read of files, so that memory grows with the table.
    session = lance.Session(index_cache_size_bytes=_CACHE, metadata_cache_size_bytes=_CACHE)
    return lance.dataset(str(folder / NAME), version=version, session=session)


def _in_documents(ids: Iterable[str]) -> Iterator[str]:
    """Conditions that together hold for the rows of these documents."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), _IDS_A_CONDITION):
        yield f"document IN ({', '.join(map(_quoted, ordered[start : start + _IDS_A_CONDITION]))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _names(rows: pa.Table, key: str) -> Iterator[tuple[str, str]]:
    return zip(rows["document"].to_pylist(), rows[key].to_pylist(), strict=True)


def _is(row: Row | None) -> str | None:
    return None if row is None else f"row = '{row}'"


def _hash_file(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
