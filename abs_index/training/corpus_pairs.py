"""The unlabelled pairs of a corpus as files that a training can take in any order: read once, whatever the format was.

    pairs.jsonl     one pair a line: `image` (a path below the folder), `text`, `role`, `id`, `document` (its id)
    images/         each figure once, as the square that the network sees (PNG)
    made.json       what all this was made of; written last

Lines are those of a file of labels without their labels, and are read with the same checks of paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from PIL import Image

from abs_index.corpus.document import Document
from abs_index.corpus.images import decode_figure
from abs_index.corpus.pairs import Pair, pair_document
from abs_index.corpus.read import read_corpus
from abs_index.errors import CorpusError, ModelError, UsageError
from abs_index.model.preprocess import make_square
from abs_index.recipe import CorpusSettings
from abs_index.training.checkpoint import replace_durably

PAIRS, IMAGES, MADE = "pairs.jsonl", "images", "made.json"

Documents = Callable[[int], None]
"""Told how many documents are read."""


@dataclass(frozen=True, slots=True)
class CorpusPair:
    """A text, where its picture lies below the folder, and the id of their document."""

    text: str
    image: str
    document: str


def prepare_pairs(
    corpora: Sequence[Path], size: int, folder: Path, settings: CorpusSettings, progress: Documents | None = None
) -> list[CorpusPair]:
    """All pairs of the corpora whose figure has a picture, in the order of the corpora; pictures are squashed to `size`
    pixels a side and lie in `folder`.

    A folder that was finished for the same corpora and size is taken as it is: the corpora are not read again. Raises
    CorpusError where there is no pair, UsageError for a folder of other corpora, ModelError where it cannot be written.
    """
    made = {"size": size, "corpora": [str(path.resolve()) for path in corpora]}
    if (folder / MADE).is_file():
        if json.loads((folder / MADE).read_text(encoding="utf-8")) != made:
            raise UsageError(f"{folder}: made from other corpora or for another size; give another folder")
        return read_pairs(folder)
    try:
        _write(folder, _pairs(corpora, size, folder, settings, progress))
        part = folder / f"{MADE}.part"
        part.write_text(json.dumps(made) + "\n", encoding="utf-8")
        replace_durably(part, folder / MADE)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written: {error.strerror}") from None
    return read_pairs(folder)


def read_pairs(folder: Path) -> list[CorpusPair]:
    """The pairs of a finished folder. Raises CorpusError where there are none, or for a line that is damaged."""
    pairs = []
    with (folder / PAIRS).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                pairs.append(CorpusPair(str(row["text"]), f"{IMAGES}/{Path(row['image']).name}", str(row["document"])))
            except (ValueError, KeyError, TypeError):
                raise CorpusError(
                    f"{folder / PAIRS}, line {number}: damaged; remove the folder and start again"
                ) from None
    if not pairs:
        raise CorpusError("no figure of the corpus has an image and a text: there is nothing to train on")
    return pairs


def _write(folder: Path, pairs: Iterator[dict[str, str]]) -> None:
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    with (folder / PAIRS).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)


def _pairs(
    corpora: Sequence[Path], size: int, folder: Path, settings: CorpusSettings, progress: Documents | None
) -> Iterator[dict[str, str]]:
    documents = 0
    for document in read_corpus(corpora, settings):
        if not isinstance(document, Document):
            continue
        images: dict[str, str] = {}
        for pair in pair_document(document):
            if pair.figure not in images:
                images[pair.figure] = _save_picture(document, pair, size, folder, settings)
            if images[pair.figure]:
                row = {"image": images[pair.figure], "text": pair.text.normalised, "role": pair.role, "id": pair.id}
                yield row | {"document": document.id}
        documents += 1
        if progress:
            progress(documents)


def _save_picture(document: Document, pair: Pair, size: int, folder: Path, settings: CorpusSettings) -> str:
    """The path of a figure's picture below the folder, "" where it has none that can be read."""
    figure = next(one for one in document.figures if one.id == pair.figure)
    _, decoded, _ = decode_figure(document, figure, settings=settings, target=size)
    if decoded is None:
        return ""
    identity = "\0".join((document.id, figure.id)).encode("utf-8", "surrogatepass")
    name = f"{IMAGES}/{blake2b(identity, digest_size=16).hexdigest()}.png"
    Image.fromarray(make_square(decoded.image, size=size, fit="squash")).save(folder / name, compress_level=1)
    return name
