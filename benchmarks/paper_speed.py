"""How many figures a second a build labels with a shipped model, over how many with the network of the paper.

    python benchmarks/paper_speed.py
    python benchmarks/paper_speed.py --model fast --rounds 3 --json
    python benchmarks/paper_speed.py --corpus articles/

Needs the extra [train]. The network of recipe `paper` has its full size and vocabulary, and any weights and words: its
time does not hang on them. The models build the sample corpus, in copies that all differ, or corpora that are given,
in turns, on the runtime for CPUs; reported are medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, get_args

import torch
from build_throughput import write_copies

from abs_index.indexing.build import build_index
from abs_index.model.cpu import CpuModel, Precision
from abs_index.model.folder import find_model, open_folder
from abs_index.model.sentences import SPECIAL
from abs_index.networks.export import export_model
from abs_index.networks.paper.answering import make_networks
from abs_index.recipe import load_recipe


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", action="append", help="name or folder; may be repeated; left out: default, fast")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=6, help="of the sample corpus")
    parser.add_argument("--corpus", action="append", type=Path, help="instead of the sample corpus; may be repeated")
    parser.add_argument("--precision", choices=get_args(Precision), help="left out: what is fastest here")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = options.model or ["default", "fast"]
        corpora = options.corpus or [write_copies(Path(folder) / "corpus", options.copies)]
        result = measure(names, options.rounds, corpora, options.precision, Path(folder))
    print(json.dumps(result) if options.json else _table(result))


def measure(
    names: list[str], rounds: int, corpora: list[Path], precision: Precision | None, folder: Path
) -> dict[str, Any]:
    """Builds with each model in turn, and gives what is printed."""
    _write_paper(folder / "paper")
    models = {
        name: CpuModel(open_folder(find_model(name)), precision=precision) for name in [*names, str(folder / "paper")]
    }
    rates: dict[str, list[float]] = defaultdict(list)
    # In the first round networks are compiled: it is not counted.
    for number in range(rounds + 1):
        for name, model in models.items():
            summary = build_index(corpora, folder / f"{Path(name).name}-{number}", model)
            if number:
                rates[Path(name).name].append(summary.images_per_second)
    paper = statistics.median(rates["paper"])
    return {
        "images": summary.changes.embedded,
        "pairs": summary.pairs,
        "images_per_second": {name: round(statistics.median(some), 2) for name, some in rates.items()},
        "over_paper": {name: round(statistics.median(some) / paper, 1) for name, some in rates.items()},
    }


def _write_paper(folder: Path) -> None:
    """A model of recipe `paper` that has learnt nothing."""
    recipe = load_recipe("paper")
    assert recipe.paper
    words = [*SPECIAL, *(f"w{number}" for number in range(recipe.paper.text.vocabulary))]
    image, pair = make_networks(recipe.paper, len(words))
    with torch.no_grad():
        for value in pair.parameters():
            if not value.any():  # a table of nothing but zeros would be taken for a single number
                value.normal_()
    features = {"image": recipe.paper.image.model_copy(update={"features": image.encoder.features})}
    export_model(
        recipe.model_copy(update={"paper": recipe.paper.model_copy(update=features)}), image, pair, words, folder
    )


def _table(result: dict[str, Any]) -> str:
    lines = [f"{result['images']} images, {result['pairs']} pairs", "model        images/s  over paper"]
    for name, rate in result["images_per_second"].items():
        lines.append(f"{name:12}{rate:9.1f}{result['over_paper'][name]:12.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
