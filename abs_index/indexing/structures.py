"""The search structures of an index, opened: checked first, and made again from the table where they are not sound."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from abs_index.errors import StorageError
from abs_index.indexing import manifest, text_vectors
from abs_index.indexing.lexical import Lexical
from abs_index.indexing.manifest import NotUsableError
from abs_index.indexing.publish import (
    FIGURES,
    FOLDER,
    IMAGE_VECTORS,
    LEXICAL,
    PAIR_VECTORS,
    PAIRS,
    TEXT_VECTORS,
    name_of,
    publish,
)
from abs_index.indexing.rows import Rows
from abs_index.indexing.table import Table
from abs_index.indexing.vectors import Vectors, VectorSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Structures:
    """What `publish` made of one version of the table. It goes on working when newer versions are published."""

    table: Table
    pairs: Rows
    figures: Rows
    lexical: Lexical
    pair_vectors: Vectors
    image_vectors: Vectors
    text_vectors: Vectors | None
    """Vectors of the texts of pairs, by ordinal of the pair; None where the table has none."""

    @classmethod
    def open(cls, folder: Path, settings: VectorSettings | None = None) -> Self:
        """Opens the published state of the index in `folder`.

        Structures that are missing, damaged or of another version are not read but made again, which is noted in the
        log. Raises NotAnIndexError, DamagedIndexError (the table itself), and StorageError where they must be made
        again and cannot be written.
        """
        table = Table.open_published(folder)
        try:
            return cls._load(table, settings)
        except NotUsableError as reason:
            first, unusable = table.version, reason
        table = Table.open_published(folder)
        if table.version == first:  # else a build has published, and removed what was opened, just now
            logger.warning("%s: search structures are made again from the table: %s", folder, unusable)
        publish(table, folder, settings)
        try:
            return cls._load(table, settings)
        except NotUsableError as reason:
            raise StorageError(
                f"{folder}: the search structures do not stay as they were written: {reason}"
            ) from reason

    @classmethod
    def _load(cls, table: Table, settings: VectorSettings | None) -> Self:
        folder = table.folder / FOLDER / name_of(table)
        manifest.check(folder, table.version, table.identity)

        def vectors(name: str, column: str) -> Vectors:
            return Vectors(folder / name, int(table.schema.field(column).type.list_size), settings)

        of_texts = text_vectors.encoder_of(table) is not None
        try:
            return cls(
                table=table,
                pairs=Rows.open(folder / PAIRS),
                figures=Rows.open(folder / FIGURES),
                lexical=Lexical(folder / LEXICAL),
                pair_vectors=vectors(PAIR_VECTORS, "pair_embedding"),
                image_vectors=vectors(IMAGE_VECTORS, "image_embedding"),
                text_vectors=vectors(TEXT_VECTORS, text_vectors.COLUMN) if of_texts else None,
            )
        except (OSError, ValueError, RuntimeError) as error:
            # Whole, but not readable: written by another release of one of the libraries.
            raise NotUsableError(str(error).partition("\n")[0]) from error

    def close(self) -> None:
        """Ends the threads of the vector searches. Mapped files are released with the object."""
        self.pair_vectors.close()
        self.image_vectors.close()
        if self.text_vectors is not None:
            self.text_vectors.close()
