"""Text normalisation as in section 4.2 of the paper, shared by all readers.

A reader walks its markup and tells a `TextBuilder` what it meets; the builder keeps the normalised and the raw form in
step and remembers where references stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from abs_index.corpus.document import Text


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference inside a text: the ids that it points at, and where its words stand in the normalised text."""

    targets: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ReferringText:
    """A text and the references in it, in the order of the text."""

    text: Text
    references: tuple[Reference, ...] = ()


@dataclass(slots=True)
class TextBuilder:
    """Collects one text piece by piece.

    >>> builder = TextBuilder()
    >>> builder.add("Energy is ")
    >>> builder.formula("E = mc^2", display=False)
    >>> builder.add(" (see ")
    >>> builder.reference("", ("f1",))
    >>> builder.add(").")
    >>> built = builder.build()
    >>> built.text.normalised, built.text.raw
    ('Energy is formula (see Figure).', 'Energy is E = mc^2 (see Figure).')
    >>> built.references
    (Reference(targets=('f1',), start=23, end=29),)
    """

    _normalised: _Line = field(default_factory=lambda: _Line())
    _raw: _Line = field(default_factory=lambda: _Line())
    _references: list[Reference] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Running text. White space counts, however much of it there is."""
        self._normalised.add(text)
        self._raw.add(text)

    def block(self) -> None:
        """The end or the start of a block (title, paragraph, line break): parts words, adds nothing else."""
        self.add(" ")

    def formula(self, raw: str, *, display: bool) -> None:
        """A formula: one word of its own in the normalised text, readable in the raw text."""
        if display:
            self.block()
        self._normalised.word("equation" if display else "formula")
        self._raw.add(raw or ("equation" if display else "formula"))

    def reference(self, text: str, targets: tuple[str, ...], *, empty: str = "Figure") -> None:
        """A reference to `targets` whose words are `text`; an empty one reads `empty`, a word of its own."""
        with self.referring(targets):
            if text.strip() or not empty:
                self.add(text)
            else:  # books number figures when they are made: "<link/>b" is printed "Figure 3b"
                self._normalised.word(empty)
                self._raw.word(empty)

    @contextmanager
    def referring(self, targets: tuple[str, ...]) -> Iterator[None]:
        """What is added inside the `with` block are the words of a reference to `targets`."""
        before = len(self._normalised.parts), self._normalised.length
        yield
        words = "".join(self._normalised.parts[before[0] :])
        start = before[1] + len(words) - len(words.lstrip())
        self._references.append(Reference(targets, start, self._normalised.length))

    def build(self) -> ReferringText:
        """The finished text. Positions of references are positions in `text.normalised`."""
        return ReferringText(Text(self._normalised.text(), self._raw.text()), tuple(self._references))


# Soft hyphens, zero-width spaces, invisible operators of formulas: nothing to see, but they would part words in search.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xFEFF])


@dataclass(slots=True)
class _Line:
    """A line with single white space, none at its start; trailing space is kept pending."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    pending_space: bool = False
    glue_word: bool = False

    def add(self, text: str) -> None:
        if not text.isascii():
            text = text.translate(_INVISIBLE)
        words = text.split()
        if not words:
            self.pending_space = self.pending_space or bool(text)
            return
        if text[0].isspace():
            self.pending_space = True
        if self.glue_word and not self.pending_space and words[0][0].isalnum():
            self.pending_space = True
        self.glue_word = False
        piece = " ".join(words)
        if self.pending_space and self.length:
            piece = " " + piece
        self.parts.append(piece)
        self.length += len(piece)
        self.pending_space = text[-1].isspace()

    def word(self, word: str) -> None:
        """A placeholder that must not grow together with letters and digits beside it ("aformulab")."""
        last = self.parts[-1][-1] if self.parts else ""
        if last.isalnum():
            self.pending_space = True
        self.add(word)
        self.glue_word = True

    def text(self) -> str:
        return "".join(self.parts)
