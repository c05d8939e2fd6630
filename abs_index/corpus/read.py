"""The way through a corpus: folders, archives and single files → documents and rejects, one after the other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import chain, count
from pathlib import Path
from typing import Literal, NamedTuple

from abs_index.corpus.archive import (
    ARCHIVE_SUFFIXES,
    OTHER_ARCHIVE_SUFFIXES,
    ArchiveKind,
    archive_kind,
    is_empty_archive,
    is_zip,
    open_archive,
)
from abs_index.corpus.archive_tar import TarFiles
from abs_index.corpus.archive_zip import ZipFiles
from abs_index.corpus.document import Document, Reject
from abs_index.corpus.folder import FolderFiles
from abs_index.corpus.images import is_picture
from abs_index.corpus.readers import READERS
from abs_index.corpus.readers.base import Reader
from abs_index.corpus.rejects import DAMAGED_ARCHIVE, DUPLICATE, EMPTY_FILE, NESTED_ARCHIVE, NOT_A_DOCUMENT
from abs_index.errors import CorpusError, RejectedError
from abs_index.recipe import CorpusSettings

Files = FolderFiles | ZipFiles | TarFiles

_DEFAULTS = CorpusSettings()
_HEAD = 64 * 2**10
_DOCUMENT_SUFFIXES = (".xml", ".nxml", ".jats", ".cnxml", ".html", ".htm", ".xhtml")
_EXPECTED_SUFFIXES = _DOCUMENT_SUFFIXES + ARCHIVE_SUFFIXES + OTHER_ARCHIVE_SUFFIXES
_DOI = re.compile(r"10\.\d{4,9}(\.\d+)*/\S+")

# Well-known files that are named like documents and describe a package.
_DESCRIPTIONS = re.compile(
    rb"(\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)*+"
    rb"<(\w+:)?(collection|container|package|manifest|mets|urlset|sitemapindex)[\s>]",
    re.DOTALL,
)


def read_corpus(roots: Sequence[Path], settings: CorpusSettings = _DEFAULTS) -> Iterator[Document | Reject]:
    """All documents below the roots, lazily, and a reject for everything that looked like one and is refused.

    A root is a folder, an archive or a single document. Files are told by content: documents by the readers, archives
    (zip, tar, tar.gz) are read in place, everything else is passed over; only a file that is named like a document or
    an archive and is none is a reject. The order is that of the roots, in each that of the sorted paths.

    Ids are unique in one run and depend on the corpus alone: the DOI, where there is one and no other document has
    taken it, else the path below the root, else (several roots) that path with the root's name in front. The same
    content with the same DOI a second time is a reject. `Document.source` is the first folder below the root; for
    CNXML the folder that holds `modules`; for what lies in the root itself, the root's name.

    Raises CorpusError, at once, where a root is missing, empty or cannot be read.
    """
    return (item for _, item in read_sources(roots, settings))


def read_sources(
    roots: Sequence[Path], settings: CorpusSettings = _DEFAULTS
) -> Iterator[tuple[str, Document | Reject]]:
    """As `read_corpus`, each item with its source, which rejects do not know themselves."""
    checked = _without_nested([_check_root(Path(root), settings) for root in roots])
    if not checked:
        raise CorpusError("no corpus is given: name at least one folder, archive or document")
    return _read_roots(checked, settings)


def read_some(folder: Path, names: Iterable[str], settings: CorpusSettings = _DEFAULTS) -> Iterator[Document]:
    """The documents among some files of a folder, in the order of their names; what is none is passed over.

    Other files of the folder are read only as far as these documents need them.
    """
    walk, files = _Walk(_Root(folder.name, folder, ""), settings, _Identities()), FolderFiles(folder, settings)
    items = chain.from_iterable(walk.read(files, name) for name in names)
    return (item for _, item in items if isinstance(item, Document))


class _Root(NamedTuple):
    """A root that exists: its folder, and the name of the one file in it that is meant, "" for all."""

    name: str
    folder: Path
    file: str


def _check_root(path: Path, settings: CorpusSettings) -> _Root:
    try:
        path.stat()
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}; name a folder, an archive or a document") from None
    full = Path(os.path.abspath(path))  # noqa: PTH100  keeps the name of a link
    if path.is_file():
        folder = _folder_of(full)
        return _Root(folder.name, folder, full.relative_to(folder).as_posix())
    if not path.is_dir():
        raise CorpusError(f"{path}: neither a file nor a folder")
    first = next(FolderFiles(full, settings).walk(), None)
    if first is None:
        raise CorpusError(f"{path}: the folder is empty")
    if isinstance(first, Reject) and not first.path:
        raise CorpusError(f"{path}: {first.detail}")
    return _Root(full.name, full, "")


def _folder_of(file: Path) -> Path:
    """Where the files lie that a single document needs: beside it; of a module of CNXML, beside `modules`."""
    is_module = file.suffix == ".cnxml" and file.parent.parent.name == "modules"
    return file.parents[2] if is_module else file.parent


def _without_nested(roots: list[_Root]) -> list[_Root]:
    """The roots that are not the same as another one, or inside it: nothing is read twice."""
    kept: dict[str, _Root] = {}
    for root in roots:
        kept.setdefault(os.path.realpath(root.folder / root.file), root)
    folders = {Path(real) for real, root in kept.items() if not root.file}
    return [root for real, root in kept.items() if not folders.intersection(Path(real).parents)]


def _read_roots(roots: list[_Root], settings: CorpusSettings) -> Iterator[tuple[str, Document | Reject]]:
    identities = _Identities()
    for root in roots:
        files = FolderFiles(root.folder, settings)
        walk = _Walk(root, settings, identities)
        for entry in [root.file] if root.file else files.walk():
            yield from walk.read(files, entry)


class _Walk:
    """The way through one root."""

    def __init__(self, root: _Root, settings: CorpusSettings, identities: _Identities) -> None:
        self._root = root
        self._settings = settings
        self._identities = identities
        self._readers: dict[type[Reader], Reader] = {}

    def read(self, files: Files, entry: str | Reject) -> Iterator[tuple[str, Document | Reject]]:
        """What one file of `files` holds."""
        if isinstance(entry, Reject):
            yield self._refuse(entry)
            return
        try:
            head = files.head(entry, _HEAD)
        except RejectedError as error:
            if self._is_expected(files, entry):
                yield self._refuse(Reject(files.prefix + entry, error.reason, error.detail))
            return
        if is_picture(head):
            return
        kind = archive_kind(head) or self._is_odd_zip(files, entry)
        reader = None if kind else next((reader for reader in READERS if reader.recognises(head)), None)
        if reader:
            read = self._read_document(files, entry, head, reader)
            if self._is_expected(files, entry) or not _is_refused(read[1], NOT_A_DOCUMENT):
                yield read
        elif kind and isinstance(files, FolderFiles):
            yield from self._read_archive(files, entry, kind)
        elif kind:
            yield self._refuse(Reject(files.prefix + entry, NESTED_ARCHIVE))
        elif self._is_expected(files, entry) and not _DESCRIPTIONS.match(head):
            yield self._refuse(Reject(files.prefix + entry, *_why_not(entry, head)))

    @staticmethod
    def _is_odd_zip(files: Files, entry: str) -> Literal["zip"] | None:
        odd = isinstance(files, FolderFiles) and entry.lower().endswith(".zip") and is_zip(files.path(entry))
        return "zip" if odd else None

    def _is_expected(self, files: Files, name: str) -> bool:
        """Whether a file ought to be a document or an archive: by its name, or because it was named as the corpus."""
        is_root = files.prefix + name == self._root.file
        return is_root or name.lower().endswith(_EXPECTED_SUFFIXES)

    def _read_archive(
        self, files: FolderFiles, name: str, kind: ArchiveKind
    ) -> Iterator[tuple[str, Document | Reject]]:
        try:
            archive = open_archive(files.path(name), kind, f"{name}/", self._settings)
        except RejectedError as error:
            yield self._refuse(Reject(name, error.reason, error.detail))
            return
        if not archive.rejects and next(archive.names(), None) is None:
            yield self._refuse(Reject(name, EMPTY_FILE, "an archive without files"))
        for reject in archive.rejects:
            yield self._refuse(reject)
        readers_outside, self._readers = self._readers, {}
        for member in archive.names():
            yield from self.read(archive, member)
        self._readers = readers_outside

    def _read_document(
        self, files: Files, name: str, head: bytes, reader: type[Reader]
    ) -> tuple[str, Document | Reject]:
        path = files.prefix + name
        try:
            content = head if len(head) < _HEAD else files.read(name)
            document = self._reader(files, reader).read(name, content)
        except RejectedError as error:
            return self._refuse(Reject(path, error.reason, error.detail, document=path))
        identity = self._identities.take(document, content, self._root.name)
        source = self._source(path, document.format == "cnxml")
        if identity is None:
            return source, Reject(path, DUPLICATE, f"DOI {document.doi}", document=document.doi)
        rejects = tuple(replace(reject, document=identity) for reject in document.rejects)
        return source, replace(document, id=identity, source=source, rejects=rejects)

    def _reader(self, files: Files, reader: type[Reader]) -> Reader:
        """The one instance of a reader for these files: some look at all files of a corpus, once."""
        if reader not in self._readers:
            self._readers[reader] = reader(files)
        return self._readers[reader]

    def _refuse(self, reject: Reject) -> tuple[str, Reject]:
        return self._source(reject.path, reject.path.endswith(".cnxml")), reject

    def _source(self, path: str, is_book: bool) -> str:
        folders = [self._root.name, *path.split("/")[:-1]]
        if is_book and "modules" in folders[1:]:
            return folders[folders.index("modules", 1) - 1]
        in_root = len(folders) == 1 or folders[1].lower().endswith(ARCHIVE_SUFFIXES)
        return folders[0] if in_root else folders[1]


class _Identities:
    """Gives each document an id of its own. Keeps hashes only, as a corpus may hold millions."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._contents: set[int] = set()

    def take(self, document: Document, content: bytes, root_name: str) -> str | None:
        """A free id for a document, None where the same content has come under the same DOI."""
        doi = document.doi.lower().encode()
        if _DOI.fullmatch(document.doi):
            if not self._is_new(self._contents, doi + b"\0" + content):
                return None
            if self._is_new(self._taken, doi):
                return document.doi
        path = f"{root_name}/{document.path}"
        numbered = (f"{path}#{number}" for number in count(2))
        return next(each for each in chain((document.path, path), numbered) if self._is_new(self._taken, each.encode()))

    @staticmethod
    def _is_new(seen: set[int], content: bytes) -> bool:
        key = int.from_bytes(blake2b(content, digest_size=12).digest(), "big")
        if key in seen:
            return False
        seen.add(key)
        return True


def _is_refused(item: Document | Reject, reason: str) -> bool:
    return isinstance(item, Reject) and item.reason == reason


def _why_not(name: str, head: bytes) -> tuple[str, str]:
    if not head:
        return EMPTY_FILE, ""
    if name.lower().endswith(ARCHIVE_SUFFIXES):
        if is_empty_archive(head):
            return EMPTY_FILE, "an archive without files"
        return DAMAGED_ARCHIVE, "neither a zip nor a tar file"
    other = name.lower().endswith(OTHER_ARCHIVE_SUFFIXES)
    return NOT_A_DOCUMENT, "of archives, zip, tar and tar.gz are read" if other else ""
