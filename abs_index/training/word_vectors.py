"""The vocabulary of the paper's network and its word vectors: learnt from the corpus by fastText, or from a file."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from torch import Tensor

from abs_index.errors import CorpusError, MissingExtraError, ModelError, UsageError
from abs_index.model.sentences import PAD, SPECIAL, UNKNOWN, PaperVocabulary, count_words, split_sentences
from abs_index.paper_settings import PaperTextSettings
from abs_index.training.checkpoint import read_tensors, write_tensors

WORDS = "words.safetensors"
FORMAT = "abs-index-words-1"

_MOST_LINE_BYTES = 2**20
_MOST_WORDS = 100_000_000


class WordTable:
    """A vocabulary and its vectors float32 (V, word_dim); `coverage` is the share of the corpus' running words in it.

    The vector of `<pad>` is zero, that of `<unk>` the mean of all words'.
    """

    def __init__(self, vocabulary: PaperVocabulary, vectors: Tensor, coverage: float) -> None:
        self.vocabulary = vocabulary
        self.vectors = vectors
        self.coverage = coverage

    @classmethod
    def build(cls, texts: Iterable[str], settings: PaperTextSettings) -> Self:
        """The most frequent words of the texts, with vectors as the settings say. `texts` is gone through once or twice
        and must give the same each time.

        A word that a file of vectors lacks is not in the vocabulary. Raises CorpusError for texts without words,
        ModelError for a file of vectors that is damaged or has another length of vectors, UsageError for one of an
        unknown kind, MissingExtraError without fastText.
        """
        counts = count_words(texts)
        if not counts:
            raise CorpusError("the texts of the corpus have no words: there is nothing to train on")
        wanted = PaperVocabulary.most_frequent(counts, settings.vocabulary).words[len(SPECIAL) :]
        found = _find_vectors(texts, wanted, settings)
        known = [word for word in wanted if word in found]
        if not known:
            raise ModelError(f"{settings.vectors}: has a vector for none of the corpus' {len(wanted):,} words")
        vocabulary = PaperVocabulary((*SPECIAL, *known))
        table = torch.zeros(len(vocabulary), settings.word_dim)
        table[len(SPECIAL) :] = torch.from_numpy(np.stack([found[word] for word in known]))
        if settings.centre_vectors:
            counted = torch.tensor([float(counts[word]) for word in known])
            table[len(SPECIAL) :] -= counted @ table[len(SPECIAL) :] / counted.sum()
        table[UNKNOWN] = table[len(SPECIAL) :].mean(0)
        assert not table[PAD].any()
        return cls(vocabulary, table, vocabulary.coverage(counts))

    def save(self, folder: Path) -> None:
        """Writes `folder`/words.safetensors: the vectors, and in its metadata the words. Raises ModelError."""
        metadata = {"format": FORMAT, "words": "\n".join(self.vocabulary.words), "coverage": repr(self.coverage)}
        write_tensors(folder / WORDS, {"vectors": self.vectors}, metadata)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises ModelError for a file that is missing, damaged or foreign."""
        path = folder / WORDS
        tensors, metadata = read_tensors(path)
        try:
            vocabulary = PaperVocabulary(metadata["words"].split("\n"))
            vectors, coverage = tensors["vectors"], float(metadata["coverage"])
        except (KeyError, ValueError):
            raise ModelError(f"{path}: no vocabulary of this version; this version reads {FORMAT}") from None
        if metadata.get("format") != FORMAT or len(vectors) != len(vocabulary):
            raise ModelError(f"{path}: {len(vectors)} vectors for {len(vocabulary)} words, or of another version")
        return cls(vocabulary, vectors, coverage)


Vectors = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def _find_vectors(texts: Iterable[str], wanted: Iterable[str], settings: PaperTextSettings) -> Vectors:
    if settings.vectors == "train":
        return _train(texts, wanted, settings)
    path = Path(settings.vectors)
    if path.suffix == ".vec":
        return read_vec(path, frozenset(wanted), settings.word_dim)
    if path.suffix == ".bin":
        return read_bin(path, wanted, settings.word_dim)
    raise UsageError(f"[paper.text] vectors {settings.vectors!r}: give 'train', or a file that ends with .vec or .bin")


def _train(texts: Iterable[str], wanted: Iterable[str], settings: PaperTextSettings) -> Vectors:
    """Skipgram vectors with parts of words (Bojanowski et al. 2017). One thread gives the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentences.txt"
        with path.open("w", encoding="utf-8") as file:
            for text in texts:
                file.writelines(" ".join(words) + "\n" for words in split_sentences(text))
        model = _fasttext().train_unsupervised(
            str(path),
            model="skipgram",
            dim=settings.word_dim,
            epoch=settings.fasttext_epochs,
            bucket=settings.fasttext_buckets,
            thread=settings.fasttext_threads,
            minCount=1,
            verbose=0,
        )
    return {word: np.asarray(model.get_word_vector(word), dtype=np.float32) for word in wanted}


def read_vec(path: Path, wanted: frozenset[str], dim: int) -> Vectors:
    """The vectors of the wanted words from a text file of fastText: a line "COUNT DIM", then "WORD NUMBER NUMBER …".

    The first of several vectors of a word counts. Raises ModelError with the line: not UTF-8, numbers that are none or
    not finite, another number of them, more or fewer lines than the first line says.
    """
    found: Vectors = {}
    try:
        with path.open("rb") as file:
            count = _read_header(path, file.readline(_MOST_LINE_BYTES), dim)
            number = 1
            for number, line in enumerate(_lines(file, path), start=2):
                word, values = _parse_line(line, dim, f"{path}, line {number}")
                if word in wanted:
                    found.setdefault(word, values())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if number - 1 != count:
        raise ModelError(f"{path}: {number - 1} vectors, and its first line says {count}: cut off, or another file")
    return found


def _read_header(path: Path, line: bytes, dim: int) -> int:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() and len(part) < 12 for part in parts):
        raise ModelError(f"{path}, line 1: no file of word vectors: it must start with their number and their length")
    if int(parts[1]) != dim:
        raise ModelError(f"{path}: vectors of {int(parts[1])} numbers, but word_dim in the recipe is {dim}")
    return int(parts[0])


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while line := file.readline(_MOST_LINE_BYTES):
        if len(line) == _MOST_LINE_BYTES:
            raise ModelError(f"{path}: a line of more than {_MOST_LINE_BYTES:,} bytes: no file of word vectors")
        yield line


def _parse_line(line: bytes, dim: int, where: str) -> tuple[str, Any]:
    """The word of a line, and a function that gives its vector: only few of the lines are wanted."""
    word, *numbers = line.rstrip(b"\r\n ").split(b" ")
    if len(numbers) != dim:
        raise ModelError(f"{where}: {len(numbers)} numbers behind the word instead of {dim}")

    def values() -> np.ndarray[Any, np.dtype[np.float32]]:
        try:
            with np.errstate(over="ignore"):  # becomes infinite, which is looked for below
                vector = np.array([float(number) for number in numbers], dtype=np.float32)
        except ValueError:
            raise ModelError(f"{where}: something that is no number in the vector") from None
        if not np.isfinite(vector).all():
            raise ModelError(f"{where}: a number of the vector is not finite")
        return vector

    try:
        return word.decode(), values
    except UnicodeDecodeError:
        raise ModelError(f"{where}: not UTF-8 text") from None


def read_bin(path: Path, wanted: Iterable[str], dim: int) -> Vectors:
    """The vectors of the wanted words from a model of fastText, which knows parts of words and so has one for each.

    Raises ModelError for a file that is no such model, is cut off, or has vectors of another length.
    """
    try:
        found = _check_bin(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except (struct.error, ValueError):
        raise ModelError(f"{path}: no model of fastText, or damaged") from None
    if found != dim:
        raise ModelError(f"{path}: vectors of {found} numbers, but word_dim in the recipe is {dim}")
    model = _fasttext().load_model(str(path))
    vectors = {word: np.asarray(model.get_word_vector(word), dtype=np.float32) for word in wanted}
    if not all(np.isfinite(vector).all() for vector in vectors.values()):
        raise ModelError(f"{path}: numbers that are not finite in the vectors")
    return vectors


_MAGIC, _VERSION = 793712314, 12


def _check_bin(path: Path) -> int:
    """The length of the vectors of a model whose file is as long as its own numbers say.

    fastText itself trusts a file: it hangs on one that is cut off in the words, and gives zeros for one that is cut off
    later. Raises ValueError or struct.error.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic, version, dim = _read(file, "<iii")
        _read(file, "<11id")
        words, _, _, _, pruned = _read(file, "<iiiqq")
        if (magic, version) != (_MAGIC, _VERSION) or not 0 < words < _MOST_WORDS or pruned > 0:
            raise ValueError
        _skip_words(file, words)
        for _ in ("input", "output"):
            quantised, rows, columns = _read(file, "<?qq")
            if quantised or columns != dim or not 0 <= rows * columns * 4 <= size - file.tell():
                raise ValueError
            file.seek(rows * columns * 4, 1)
        if file.tell() != size:
            raise ValueError
    return int(dim)


def _read(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _skip_words(file: BinaryIO, count: int) -> None:
    """Goes over the words: each ends with a zero byte and has a count (8 bytes) and a type (1 byte) behind it."""
    buffer, place = b"", 0
    for _ in range(count):
        while (end := buffer.find(b"\0", place)) < 0 or end + 10 > len(buffer):
            more = file.read(2**16)
            if not more or len(buffer) - place > _MOST_LINE_BYTES:
                raise ValueError
            buffer, place = buffer[place:] + more, 0
        place = end + 10
    file.seek(place - len(buffer), 1)


def _fasttext() -> Any:
    try:
        import fasttext
    except ImportError:
        raise MissingExtraError("word vectors of fastText", "train") from None
    return fasttext
