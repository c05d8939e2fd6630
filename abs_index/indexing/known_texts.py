"""What was read in figures before: by the bytes of the image, and by the figure, from the table itself.

Only numbers are held in memory, sixteen bytes an image; words are fetched when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from abs_index.errors import IndexError_
from abs_index.indexing.table import Table

_KEY_DIGITS = 16
_COLUMNS = ["image_digest", "figure_text_reader"]


class KnownTexts:
    """The words that one version of a table knows of images. Safe to use from several threads."""

    def __init__(self, table: Table) -> None:
        self._table = table
        keys: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
        places: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        start = 0
        for batch in table.batches(None, _COLUMNS):
            known = np.flatnonzero(batch["figure_text_reader"].is_valid().to_numpy(zero_copy_only=False))
            digests = batch["image_digest"].take(pa.array(known)).to_pylist()
            keys.append(np.array([_key(digest) for digest in digests], np.uint64))
            places.append(start + known)
            start += batch.num_rows
        order = np.argsort(np.concatenate(keys), kind="stable")
        self._keys = np.concatenate(keys)[order]
        self._places = np.concatenate(places)[order]

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, digest: str, reader: str | None) -> tuple[str, str] | None:
        """The words of the image with this digest and who read them; with `reader`, only what that one read."""
        first, last = np.searchsorted(self._keys, _key(digest)), np.searchsorted(self._keys, _key(digest), "right")
        if first == last:
            return None
        rows = self._table.take(self._places[first:last].tolist(), [*_COLUMNS, "figure_text"])
        for row in rows.to_pylist():
            text, by = row["figure_text"], row["figure_text_reader"]
            if row["image_digest"] == digest and text is not None and reader in (None, by):
                return text, by
        return None


def _key(digest: str) -> int:
    return int(digest[:_KEY_DIGITS], 16)


class LackingTexts:
    """The documents of a table in which some image was not read by one reader, with what it has of their figures."""

    def __init__(self, table: Table, reader: str) -> None:
        self._figures: dict[str, dict[str, int]] = {}
        for document, figure, text in _not_read(table, reader):
            said = self._figures.setdefault(document, {})
            if text:
                said[figure] = _hash(text)

    def __contains__(self, document: str) -> bool:
        return document in self._figures

    def same(self, document: str, figure: str, text: str | None) -> bool:
        """Whether the table has these words of a figure in one of the documents; "" and None are the same."""
        return self._figures[document].get(figure) == (_hash(text) if text else None)


def _not_read(table: Table, reader: str) -> Iterator[tuple[str, str, str | None]]:
    """The figures of all documents in which some image was not read: document, figure and what the table has."""
    columns = ["document", "figure", "image", "figure_text_reader", "figure_text"]
    rows = (
        row
        for batch in table.batches("figure", columns)
        for row in zip(*(batch[name].to_pylist() for name in columns), strict=True)
    )
    for document, figures in groupby(rows, key=itemgetter(0)):
        made = list(figures)
        if any(image is not None and by != reader for _, _, image, by, _ in made):
            yield from ((document, figure, text) for _, figure, _, _, text in made)


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def known_texts(folder: Path, sound: Table | None) -> list[KnownTexts]:
    """What is known from the last version of an index and from the published one, as far as they are not damaged.

    They differ where a build was interrupted. `sound` is a version that need not be checked any more.
    """
    try:
        last = sound or Table.open(folder)
        versions = {last.version, last.published_version or last.version}
    except IndexError_:
        return []
    found = (_known(folder, version, sound) for version in sorted(versions, reverse=True))
    return [known for known in found if known]


def _known(folder: Path, version: int, sound: Table | None) -> KnownTexts | None:
    if sound and sound.version == version:
        return KnownTexts(Table.open(folder, version))
    try:
        table = Table.open(folder, version)
        table.verify()
        return KnownTexts(table)
    except IndexError_:
        return None
