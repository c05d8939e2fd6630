"""How much memory a build takes, without the network, and that it does not grow with the corpus.

    python benchmarks/build_memory.py                # 10,000 and 100,000 pairs
    python benchmarks/build_memory.py --json

Documents are generated, and the model is the one of the tests. Each build is a process of its own.

    written_mb   peak memory when everything is in the table
    end_mb       peak memory at the end, after compacting and publishing, which work through buffers of a fixed size
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHILD = ROOT / "tests" / "indexing" / "memory_child.py"
SIZES = (10_000, 100_000)


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, action="append", help="size of a build; may be repeated")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    result = {}
    for pairs in options.pairs or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            peaks = measure(pairs, Path(folder))
        result[str(pairs)] = {f"{name}_mb": round(value / 1e6) for name, value in peaks.items()}
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


def measure(pairs: int, folder: Path) -> dict[str, int]:
    """Builds an index of generated pairs: peak memory of that process in bytes, with all `written` and at the `end`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    child = [sys.executable, str(CHILD), str(pairs), str(folder)]
    run = subprocess.run(child, stdout=subprocess.PIPE, env=environment, check=True)
    made, written, end = map(int, run.stdout.split())
    assert made == pairs
    return {"written": written, "end": end}


if __name__ == "__main__":
    main()
