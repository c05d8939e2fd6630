"""How fast a whole build is, beside the bare image encoder on the same machine in the same run.

    python benchmarks/build_throughput.py                       # the sample corpus, in copies that all differ
    python benchmarks/build_throughput.py my-corpus --json

Builds and bare runs take turns, so that both meet the same machine; reported are medians. The bare rate is that of the
image network alone, fed with one ready batch of 32 again and again, in the faster of float32 and bfloat16. Eager torch
runs the same network in float32, as most programs of this kind do; it needs the extra [train].

    ratio_to_bare         images a second of a whole build (reading, decoding, both networks, writing, publishing)
                          over those of the bare network; goal 0.8 on a CPU
    ratio_to_eager_torch  the same over eager torch; goal 3
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from abs_index.indexing.build import BuildOptions, build_index
from abs_index.model.cpu import CpuModel
from abs_index.model.folder import find_model, open_folder
from abs_index.sample.corpus import write_sample

BATCH = 32
BARE_SECONDS = 3.0
COPIES = 12


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="*", help="left out: the sample corpus in copies")
    parser.add_argument("--model", default="default", help="name of a shipped model, or a folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result) if options.json else _table(result))


@dataclass
class Rates:
    """Images a second, one value a round."""

    build: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    eager: list[float] = field(default_factory=list)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs builds and bare networks in turn, and gives what is printed."""
    corpora = options.corpus or [write_copies(folder / "corpus", COPIES)]
    files = open_folder(find_model(options.model))
    runtimes = {precision: CpuModel(files, precision=precision) for precision in ("f32", "bf16")}
    pixels = np.random.default_rng(1).integers(0, 256, (BATCH, *[files.info.image_size] * 2, 3), dtype=np.uint8)
    speeds = {
        precision: _rate(lambda model=model: model.encode_images(pixels)) for precision, model in runtimes.items()
    }
    fastest = max(speeds, key=lambda precision: speeds[precision])
    eager, why_not = _eager_torch(files.recipe, pixels)
    model = CpuModel(files)
    build = BuildOptions(workers=options.workers)
    # Networks are compiled at their first use, which a build of any size pays once: not what is compared here.
    build_index(corpora, folder / "warm-up", model, options=build)
    rates, summaries = Rates(), []
    for number in range(options.rounds):
        rates.bare.append(_rate(lambda: runtimes[fastest].encode_images(pixels)))
        summaries.append(build_index(corpora, folder / f"index-{number}", model, options=build))
        rates.build.append(summaries[-1].images_per_second)
        if eager:
            rates.eager.append(_rate(eager))
    rates.bare.append(_rate(lambda: runtimes[fastest].encode_images(pixels)))
    return _result(rates, summaries, fastest, why_not)


def _result(rates: Rates, summaries: list[Any], fastest: str, why_not: str | None) -> dict[str, Any]:
    build, bare = statistics.median(rates.build), statistics.median(rates.bare)
    eager = statistics.median(rates.eager) if rates.eager else None
    last = summaries[-1]
    return {
        "ratio_to_bare": round(build / bare, 3),
        "ratio_to_eager_torch": round(build / eager, 3) if eager else None,
        **({"no_eager_torch": why_not} if why_not else {}),
        "images_per_second": {"build": round(build, 1), "bare": round(bare, 1), "eager": eager and round(eager, 1)},
        "bare_runtime": f"OpenVINO {fastest}",
        "images": last.changes.embedded,
        "pairs": last.pairs,
        "rounds": {"build": _rounded(rates.build), "bare": _rounded(rates.bare), "eager": _rounded(rates.eager)},
        "seconds": last.seconds | {"total": last.total_seconds},
    }


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 1) for value in values]


def _rate(run: Callable[[], object]) -> float:
    """Images a second of calls that take a batch each, for some seconds."""
    run()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < BARE_SECONDS:
        run()
        calls += 1
    return calls * BATCH / (time.perf_counter() - start)


def _eager_torch(recipe: Any, pixels: np.ndarray) -> tuple[Callable[[], object] | None, str | None]:
    """The image network in eager torch, or why there is none."""
    try:
        import torch

        from abs_index.networks.image import ImageNetwork
    except ImportError as error:
        return None, f"{error.name} is not installed: pip install 'abs-index[train]'"
    network = ImageNetwork(recipe.image.model_copy(update={"weights": "random"})).eval()
    batch = torch.from_numpy(pixels)

    def run() -> object:
        with torch.inference_mode():
            return network(batch)

    return run, None


def write_copies(folder: Path, copies: int) -> Path:
    """The sample corpus several times, no two pictures with the same bytes: those would be embedded once."""
    for copy in range(copies):
        write_sample(folder / f"copy-{copy}")
        for path in sorted((folder / f"copy-{copy}").rglob("*")):
            if path.suffix in (".xml", ".nxml", ".jats", ".cnxml", ".html"):
                with path.open("a", encoding="utf-8") as file:
                    file.write(f"<!-- copy {copy} -->\n")
            elif path.suffix in (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".bmp"):
                with contextlib.suppress(OSError):  # some are damaged on purpose
                    _mark(path, copy)
    return folder


def _mark(path: Path, copy: int) -> None:
    """Changes a picture a little, and only its bytes matter."""
    with Image.open(path) as image:
        image.load()
        marked = image.convert("RGB")
        form = image.format
    marked.paste((copy * 19 % 256, 90, 200), (copy, copy, copy + 6, copy + 6))
    marked.save(path, format=form)


def _table(result: dict[str, Any]) -> str:
    rates = result["images_per_second"]
    rows = [
        f"{result['images']} images, {result['pairs']} pairs",
        f"whole build          {rates['build']:8.1f} images/s",
        f"bare image network   {rates['bare']:8.1f} images/s ({result['bare_runtime']})",
        f"ratio to bare        {result['ratio_to_bare']:8.3f}",
        f"ratio to eager torch {result['ratio_to_eager_torch'] or result.get('no_eager_torch')!s:>8}",
        *(f"  {stage:18} {seconds:8.2f} s" for stage, seconds in result["seconds"].items()),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
