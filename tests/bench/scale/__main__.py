"""Measure at 1/1000 what docs/scale.md plans, part by part, into docs/scale/measured.json.

    python -m tests.bench.scale [points] [files] [commits] [readers] [planning] [--folder DIR]

Everything runs on this machine: datasets are written into a folder, the bucket is moto behind a
proxy that counts, and the programs are the real ones, each in a process of its own. All parts take
about a quarter of an hour on two cores. `make docs` writes the page from the record.
"""

import argparse
import os
import time
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.scale.record import record

PARTS: Final = ("points", "files", "commits", "readers", "planning")


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=" ".join(PARTS))
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bench/scale"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts or PARTS:
        begun, load = time.perf_counter(), os.getloadavg()[0]
        values = import_module(f"tests.bench.scale.{part}").measure(arguments.folder)
        record(part, values, begun, (load, os.getloadavg()[0]))
        print(f"{part}: {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
