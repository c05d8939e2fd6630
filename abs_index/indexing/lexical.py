"""The embedded lexical index: Tantivy, one document a pair, scored by BM25.

Texts are analysed as English (lower case, without accents, stemmed); a script that writes without spaces is cut into
its characters, so that its words are found as phrases. Keywords are kept whole. Values are always passed as terms of
query objects, never pasted into a query string.
"""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from tantivy import (
    Document,
    Filter,
    Index,
    Query,
    Schema,
    SchemaBuilder,
    SnippetGenerator,
    TextAnalyzer,
    TextAnalyzerBuilder,
    Tokenizer,
)

from abs_index.indexing.rows import Ordinals
from abs_index.model.base import Floats

TEXT_FIELDS: Final = ("text", "caption", "title", "section", "alt", "figure_text", "keywords", "authors")
"""Analysed fields. `text` is the pair's own text, `caption` its figure's, `figure_text` what stands in the picture."""

KEYWORD_FIELDS: Final = (
    "abs", "kind", "role", "source", "container", "language", "licence", "doi", "document", "figure", "pair"
)  # fmt: skip
"""Fields that are kept whole. `figure` matches the id in the document and "document#figure"."""

NUMBER_FIELDS: Final = ("year", "abs_prob", "kind_prob", "cmi")
"""Fields for ranges; `abs_prob` and `kind_prob` are the probabilities of the predicted labels."""

COLUMNS: Final = (
    "pair", "document", "figure", "text", "caption", "title", "section", "alt", "figure_text", "keywords",
    "authors", "abs", "abs_prob", "kind", "kind_prob", "cmi", "role", "source", "container", "language", "licence",
    "doi", "year",
)  # fmt: skip
"""Columns of the table that a row for `LexicalWriter.add` holds; `abs_prob` is a struct there."""

_ORDINAL = "ordinal"
_ANALYZER = "english"
_LONGEST_TOKEN = 255
_LONGEST_KEYWORD = 1000
_HEAP_BYTES = 32_000_000
_UNSPACED = re.compile(  # Thai, Lao, Burmese, Khmer, kana, Chinese characters
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_SPACE = "\u200b"


def spaced(text: str) -> str:
    """The text in the form that is analysed: composed characters, unspaced scripts with (invisible) spaces.

    >>> spaced("cafe\\u0301"), spaced("交通").split("\\u200b")
    ('café', ['', '交', '', '通', ''])
    """
    if text.isascii():
        return text
    return _UNSPACED.sub(f"{_SPACE}\\1{_SPACE}", unicodedata.normalize("NFC", text))


def keyword(value: str) -> str:
    """The term of a keyword: the value itself, or a hash where it is longer than Tantivy can hold."""
    if len(value) <= _LONGEST_KEYWORD:
        return value
    return f"{value[:100]}#{xxhash.xxh3_128_hexdigest(value.encode())}"


def _schema() -> Schema:
    builder = SchemaBuilder()
    for name in TEXT_FIELDS:
        builder.add_text_field(name, tokenizer_name=_ANALYZER)
    for name in KEYWORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("year", indexed=True, fast=True)
    for name in ("abs_prob", "kind_prob", "cmi"):
        builder.add_float_field(name, indexed=True, fast=True)
    builder.add_integer_field(_ORDINAL, fast=True)
    return builder.build()


def _analyzer() -> TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        # Tantivy refuses terms above 65,530 bytes; nobody searches for words this long.
        .filter(Filter.remove_long(_LONGEST_TOKEN))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
        .filter(Filter.stemmer("English"))
        .build()
    )


class LexicalWriter:
    """Writes pairs into a new folder. Call `add` in the order of the ordinals, then `close`.

    Raises ValueError or OSError (Tantivy) where the disk does not take it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        index = Index(_schema(), str(folder))
        index.register_tokenizer(_ANALYZER, _analyzer())
        # One thread, so that documents lie in the order in which they came.
        self._writer = index.writer(_HEAP_BYTES, 1)
        self._next_ordinal = 0

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The next pairs, each with the values of `COLUMNS`."""
        for row in rows:
            self._writer.add_document(Document(**_fields(row), ordinal=[self._next_ordinal]))
            self._next_ordinal += 1

    def close(self) -> None:
        """Makes everything durable and waits for the merging of segments."""
        self._writer.commit()
        self._writer.wait_merging_threads()

    def discard(self) -> None:
        """Stops the threads that write, so that the folder can be removed."""
        with suppress(ValueError):  # they have stopped already
            self._writer.rollback()


def _fields(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields of one pair; a missing value gives an empty list."""
    fields: dict[str, list[Any]] = {name: [spaced(text) for text in _all(row[name])] for name in TEXT_FIELDS}
    fields |= {name: [keyword(value) for value in _all(row[name])] for name in KEYWORD_FIELDS}
    fields["figure"].append(keyword(f"{row['document']}#{row['figure']}"))
    fields |= {name: [] if row[name] is None else [row[name]] for name in ("year", "kind_prob", "cmi")}
    fields["abs_prob"] = [row["abs_prob"][row["abs"]]] if row["abs"] else []
    return fields


def _all(value: str | list[str] | None) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if text]


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs that match a query, best first: `ordinals` int64 (n,), `scores` float32 (n,)."""

    ordinals: Ordinals
    scores: Floats


class Lexical:
    """The lexical index opened for searching."""

    def __init__(self, folder: Path) -> None:
        """Opens what a `LexicalWriter` wrote. Raises ValueError or OSError (Tantivy) where it is damaged."""
        self._analyzer = _analyzer()
        with _lockable(folder) as place:
            index = Index.open(str(place))
            index.register_tokenizer(_ANALYZER, self._analyzer)
            # Nobody writes here any more, so nothing has to be watched.
            index.config_reader(reload_policy="manual")
            index.reload()
            self._searcher = index.searcher()
        self.schema: Schema = index.schema

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def analyse(self, text: str) -> list[str]:
        """The terms that a text of `TEXT_FIELDS` is found by, in their order."""
        terms: list[str] = self._analyzer.analyze(spaced(text))
        return terms

    def search(self, query: Query, limit: int) -> Matches:
        """The `limit` best pairs at most. Pairs of one score are in the order of their ordinals."""
        limit = min(limit, len(self))
        hits = self._searcher.search(query, limit, count=False).hits if limit > 0 else []
        scores = np.array([score for score, _ in hits], dtype=np.float32)
        values = self._searcher.fast_field_values(_ORDINAL, [address for _, address in hits])
        ordinals = np.array(values, dtype=np.int64)
        order = np.lexsort((ordinals, -scores))
        return Matches(ordinals[order], scores[order])

    def highlighter(self, query: Query) -> Highlighter:
        """Finds the words of `query` in texts."""
        return Highlighter(SnippetGenerator.create(self._searcher, query, self.schema, "text"))


@contextmanager
def _lockable(folder: Path) -> Iterator[Path]:
    """A folder with these files in which a lock can be made: even to open them, Tantivy makes one.

    Of a folder that cannot be written, links to its files; once they are open, they can go.
    """
    if os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="abs-index-") as links:
        for path in folder.iterdir():
            if not path.name.endswith(".lock"):
                (Path(links) / path.name).symlink_to(path.resolve())
        yield Path(links)


class Highlighter:
    """Finds the words of one query in texts."""

    def __init__(self, generator: SnippetGenerator) -> None:
        """Wraps a generator for the field `text`."""
        generator.set_max_num_chars(2**31)
        self._generator = generator

    def find(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each word of the query in `text`, in its order.

        In a text that is changed before it is analysed (decomposed characters) nothing is found.
        """
        analysed = spaced(text)
        if analysed.replace(_SPACE, "") != text:
            return []
        snippet = self._generator.snippet_from_doc(Document(text=[analysed]))
        # Tantivy counts bytes, Python characters; the fragment starts behind words that are too long.
        content = analysed.encode()[snippet.fragment_range().start :]
        skipped = len(analysed) - len(content.decode())

        def position(byte: int) -> int:
            before = content[:byte].decode()
            return skipped + len(before) - analysed[: skipped + len(before)].count(_SPACE)

        return [(position(found.start), position(found.end)) for found in snippet.highlighted()]
