"""Flip one bit of a pack, anywhere, repeatedly: verify must find each, and never crash.

    python -m tests.bench.flips [--flips 1000 --seed 1]

The pack is what `pack` writes of a few small tasks. Exits non-zero at the first that is missed.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.bench.catalogue import build


def main(arguments: argparse.Namespace) -> None:
    """Pack, flip, count."""
    with tempfile.TemporaryDirectory() as home:
        build(Path(home) / "data", arguments)
        path = Path(home) / "x.zip"
        with open_dataset(Path(home) / "data") as dataset:
            pack(dataset, path)
        whole, chance = path.read_bytes(), random.Random(arguments.seed)
        if verify(path).problems:
            sys.exit(f"not intact before the first flip: {verify(path).problems}")
        kinds: Counter[str] = Counter()
        begun = time.perf_counter()
        for _ in range(arguments.flips):
            at, bit = chance.randrange(len(whole)), chance.randrange(8)
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            problems = verify(path).problems
            if not problems:
                sys.exit(f"missed: bit {bit} of byte {at:,} of {len(whole):,}")
            kinds["content" if problems[0].startswith("content changed") else "archive"] += 1
        took = time.perf_counter() - begun
        text = ", ".join(f"{count:,} in the {kind}" for kind, count in sorted(kinds.items()))
        print(
            f"{arguments.flips:,} flips of {len(whole):,} bytes in {took:.0f} s, all found: {text}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    small = argparse.Namespace(tasks=3, series=2, points=10, noise=True)
    main(parser.parse_args(namespace=small))
