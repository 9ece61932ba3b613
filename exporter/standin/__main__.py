"""``python -m clearml_snapshot.exporter.standin --seed 7 --port 0``: serve until the input ends.

Prints one JSON line: url, access_key, secret_key, environment. Stops when standard input closes or
on Ctrl-C, so that it never outlives the process that started it.
"""

import argparse
import contextlib
import json
import sys

from clearml_snapshot.exporter.standin.data.history import demo_history, grid_history
from clearml_snapshot.exporter.standin.http.faults import FaultPlan
from clearml_snapshot.exporter.standin.http.server import StandIn


def main() -> None:
    """Serve a demo history, or a grid of tasks × series × points."""
    parser = argparse.ArgumentParser(prog="python -m clearml_snapshot.exporter.standin")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--grid", help="TASKS,SERIES,POINTS in place of the demo history")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    if given.grid:
        database = grid_history(*(int(part) for part in given.grid.split(",")))
    else:
        database = demo_history(given.seed)
    faults = FaultPlan(latency=given.latency)
    with StandIn(database, port=given.port, faults=faults) as server:
        hello = {
            "url": server.url,
            "access_key": server.access_key,
            "secret_key": server.secret_key,
            "environment": server.environment(),
        }
        print(json.dumps(hello), flush=True)  # the one line that the caller waits for
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
