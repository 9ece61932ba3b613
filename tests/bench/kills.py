"""Kill merge, unpack, pack and -o FILE at each call of the system; the next one mends it.

    python -m tests.bench.kills [--most 1000]

Each command makes something new and is killed (SIGKILL) before one of its calls; then the same
command must succeed and leave nothing but what it makes. Exits non-zero at the first difference.
"""

import argparse
import tempfile
from pathlib import Path

from clearml_snapshot.cli.main import main as run
from tests.exporter.store.conftest import _commit, _line
from tests.support.killing import check, commands, killer, make_sources


def main() -> None:
    """Run all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000, help="how many calls of each to kill at")
    most = parser.parse_args().most
    with tempfile.TemporaryDirectory() as folder, killer() as kill:
        sources = Path(folder, "sources")
        sources.mkdir()
        make_sources(sources, _commit, _line)
        pack = ["pack", "--data", str(sources / "ours"), "-o", str(sources / "x.zip"), "--quiet"]
        assert run(pack) == 0
        for name, (command, target) in commands(sources).items():
            for existed in (False, True)[: 1 if "." in target else 2]:
                place = Path(folder, "in", target)
                killed = check(kill, command, place, existed=existed, most=most)
                print(
                    f"{name}{' into an empty folder' * existed}: killed at {killed} calls, mended"
                )


if __name__ == "__main__":
    main()
