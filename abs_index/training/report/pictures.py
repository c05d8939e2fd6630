"""Figures 5 and 6 of the paper: originals beside reconstructions, right and wrong answers.

They show pictures and texts of documents, whose licences are theirs: the report keeps them in a folder of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional

from abs_index.labels import ABS
from abs_index.model.base import Pixels
from abs_index.model.sentences import SPECIAL
from abs_index.networks.paper.image import scale_pixels
from abs_index.sample.canvas import GREEN, GREY, INK, RED, font
from abs_index.training.corpus_pairs import CorpusPair
from abs_index.training.labelled import LabelledPair
from abs_index.training.pair_batches import PairBatches, load_picture
from abs_index.training.pretrain import PAIRS
from abs_index.training.report.results import Result
from abs_index.training.report.runs import Pretraining

_SIDE, _GAP, _TEXT = 180, 16, 560
_LINES = 4


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """A pair and what the autoencoder made of it: pictures uint8 (S, S, 3), and sentences of words. `words` are as the
    network reads them, `said` the nearest words, by the cosine of their vectors, to the vectors that it gave."""

    picture: Pixels
    made: Pixels
    words: list[list[str]]
    said: list[list[str]]

    @property
    def right(self) -> float:
        """The share of the known words that came out as they went in."""
        both = [
            (word, said)
            for words, others in zip(self.words, self.said, strict=True)
            for word, said in zip(words, others, strict=True)
            if word not in SPECIAL
        ]
        return sum(word == said for word, said in both) / max(1, len(both))


@torch.no_grad()
def reconstruct(run: Pretraining, pairs: Sequence[CorpusPair]) -> list[Reconstructed]:
    """What an autoencoder makes of some pairs of its corpus."""
    texts, images = [pair.text for pair in pairs], [pair.image for pair in pairs]
    batch = PairBatches(texts, images, run.folder / PAIRS, run.words.vocabulary, run.settings).load(range(len(pairs)))
    picture = scale_pixels(batch.pixels)
    made = run.network(picture, batch.words)
    squares = ((made.picture + 1) * 127.5).clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()
    said = iter(_nearest(made.words, run.words.vectors, run.words.vocabulary.words))
    table = run.words.vocabulary.words
    results = []
    for row, numbers in enumerate(batch.words.tolist()):
        words = [[table[number] for number in sentence if number] for sentence in numbers if sentence[0]]
        results.append(
            Reconstructed(
                batch.pixels[row].numpy(), squares[row], words, [next(said)[: len(sentence)] for sentence in words]
            )
        )
    return results


def _nearest(vectors: torch.Tensor, table: torch.Tensor, words: Sequence[str]) -> list[list[str]]:
    """The word whose vector is nearest by the cosine to each of (M, W, D), never a special one."""
    known = functional.normalize(table[len(SPECIAL) :], dim=1)
    best = (functional.normalize(vectors, dim=2) @ known.T).argmax(2) + len(SPECIAL)
    return [[words[number] for number in sentence] for sentence in best.tolist()]


def choose(pairs: Sequence[CorpusPair], count: int) -> list[CorpusPair]:
    """Some of the pairs, by chance but the same each time; no document twice where there are enough."""
    ordered = sorted(pairs, key=lambda pair: _chance(pair.image + pair.text))
    one_each = set({pair.document: pair for pair in reversed(ordered)}.values())
    return sorted(ordered, key=lambda pair: pair not in one_each)[:count]


def draw_reconstructions(made: Sequence[Reconstructed]) -> Image.Image:
    """Figure 5: a row a pair, with the picture, what came out, the text, and what came out."""
    rows = []
    for one in made:
        row = _paper(2 * _SIDE + 3 * _GAP + _TEXT, _SIDE)
        for place, square in enumerate((one.picture, one.made)):
            row.paste(Image.fromarray(square).resize((_SIDE, _SIDE)), (place * (_SIDE + _GAP), 0))
        left = 2 * (_SIDE + _GAP)
        title = f"reconstruction ({one.right:.0%} of the words)"
        _write(row, (left, 0), "original", GREY, join_sentences(one.words))
        _write(row, (left, _SIDE // 2), title, GREY, join_sentences(one.said))
        rows.append(row)
    return _stack(rows)


def join_sentences(sentences: Sequence[Sequence[str]]) -> str:
    """Sentences of words as one text."""
    return " ".join(" ".join(words) + "." for words in sentences)


def choose_answers(result: Result, pairs: Sequence[LabelledPair]) -> list[int]:
    """Rows of the pairs: of each class one that was said rightly and one that was not, by chance but the same each
    time; where two passes labelled pairs, only of those on which they agree."""
    guesses = result.predictions.abs_prob.argmax(1)
    twice = any(pair.second for pair in pairs)
    order = sorted(range(len(pairs)), key=lambda row: _chance(pairs[row].image + pairs[row].text))
    rows = [row for row in order if pairs[row].agreed or not twice]
    chosen = []
    for right in (True, False):
        for number, label in enumerate(ABS):
            fitting = (row for row in rows if pairs[row].abs == label and (guesses[row] == number) == right)
            chosen += [row for row in [next(fitting, None)] if row is not None]
    return chosen


def draw_answers(result: Result, pairs: Sequence[LabelledPair], rows: Sequence[int], images: Path) -> Image.Image:
    """Figure 6: a row a pair, with its picture, its text, the true class and what the classifier said."""
    drawn = []
    for row in rows:
        pair, probabilities = pairs[row], result.predictions.abs_prob[row]
        guess = ABS[int(probabilities.argmax())]
        square = load_picture(images / pair.image, _SIDE)
        picture = _paper(_SIDE + _GAP + _TEXT + 140, _SIDE)
        picture.paste(Image.fromarray(square), (0, 0))
        said = f"true {pair.abs}; said {guess} ({probabilities.max():.0%})"
        _write(picture, (_SIDE + _GAP, 0), said, GREEN if guess == pair.abs else RED, pair.text, lines=9)
        drawn.append(picture)
    return _stack(drawn)


def _chance(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _paper(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), "white")


def _stack(rows: Sequence[Image.Image]) -> Image.Image:
    picture = _paper(max(row.width for row in rows) + 2 * _GAP, len(rows) * (_SIDE + _GAP) + _GAP)
    for number, row in enumerate(rows):
        picture.paste(row, (_GAP, _GAP + number * (_SIDE + _GAP)))
    return picture


def _write(picture: Image.Image, at: tuple[int, int], title: str, colour: str, text: str, lines: int = _LINES) -> None:
    """A title, and below it the first lines of a text."""
    draw = ImageDraw.Draw(picture)
    letters = font(6.5)  # the canvas' fonts are twice as large as said, as it draws at twice the size
    draw.text(at, title, fill=colour, font=letters)
    for number, line in enumerate(_wrap(text, picture.width - at[0] - _GAP)[:lines]):
        draw.text((at[0], at[1] + 16 * (number + 1)), line, fill=INK, font=letters)


def _wrap(text: str, width: int) -> list[str]:
    """Lines that are no wider than `width` pixels, of whole words; a word that is wider is cut."""
    lines, line = [], ""
    letters = font(6.5)
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if letters.getlength(longer) > width and line:
            lines.append(line)
            longer = word
        while letters.getlength(longer) > width:
            longer = longer[:-1]
        line = longer
    return [*lines, line]


def mean_right(made: Sequence[Reconstructed]) -> float:
    """The mean share of words that came out as they went in."""
    return float(np.mean([one.right for one in made]))
