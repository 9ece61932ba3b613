"""Write realistic datasets of chosen sizes: what benchmarks of queries run on.

    python -m tests.bench.data [1e5 1e6 …] [--folder /tmp/bench] [--seed 1]

A dataset that is there already stays. 10 tasks, 200 series and 100,000 points make the smallest;
100 million points are 10,000 tasks with 20 series of 500 points on average, of which loss/train has
5 million, and take about 0.5 GB.
"""

import argparse
import shutil
import time
from pathlib import Path

from tests.bench.data.writing import write_dataset


def main() -> None:
    """Write what is not there yet and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["1e5", "1e6", "1e7", "1e8"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bench"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for size in arguments.sizes:
        data = arguments.folder / size
        if (data / "current").exists():
            print(f"{data} is there already")
            continue
        begun = time.perf_counter()
        unfinished = arguments.folder / f".{size}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        write_dataset(unfinished, round(float(size)), arguments.seed)
        unfinished.rename(data)
        took = time.perf_counter() - begun
        print(f"{data}: {took:.1f} s, {float(size) / took / 1e6:.2f} million points/s", flush=True)


if __name__ == "__main__":
    main()
