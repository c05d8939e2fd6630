"""What reading the words in figures costs: seconds of one core an image, and how many words there are.

python benchmarks/figure_text.py CORPUS...                      # 300 figures, evenly spread
python benchmarks/figure_text.py CORPUS... --images 50 --detection-side 736 --json

core_seconds    processor time an image, decoding included; on an idle machine also the time by the clock
words           words an image, on average
with_words      share of the images that have any
memory_mb       peak memory of the process, networks included
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from abs_index.corpus.document import Document, Figure
from abs_index.corpus.figure_text import READING_TARGET, RapidReader
from abs_index.corpus.images import decode_figure
from abs_index.corpus.read import read_corpus
from abs_index.recipe import FigureTextSettings


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--detection-side", type=int, default=FigureTextSettings().detection_side)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    reader = RapidReader(FigureTextSettings(detection_side=options.detection_side))
    reader.read(Image.new("RGB", (64, 64), "white"))
    result = measure(reader, options.corpora, options.images)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


def measure(reader: RapidReader, corpora: list[Path], count: int) -> dict[str, float]:
    """Reads `count` figures, evenly spread over the documents, on one thread."""
    read = with_words = words = 0
    spent = 0.0
    for document, figure in spread(corpora, count):
        start = time.process_time()
        _, decoded, _ = decode_figure(document, figure, target=READING_TARGET)
        if decoded is None:
            continue
        text = reader.read(decoded.image)
        spent += time.process_time() - start
        read, with_words, words = read + 1, with_words + bool(text), words + len(text.split())
    return {
        "images": read,
        "core_seconds": round(spent / read, 3),
        "words": round(words / read, 1),
        "with_words": round(with_words / read, 3),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def spread(corpora: list[Path], count: int) -> Iterator[tuple[Document, Figure]]:
    """`count` figures, evenly spread over all that the corpora have."""
    figures = [
        (document, figure)
        for document in read_corpus(corpora)
        if isinstance(document, Document)
        for figure in document.figures
    ]
    yield from figures[:: max(1, len(figures) // count)][:count]


if __name__ == "__main__":
    main()
