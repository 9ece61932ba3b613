"""A year of nightly exports: does a night cost what changed, and not what there is?

    python tests/bench/year.py [--nights 365 --tasks 300 --series 10 --points 400 --seed 1]

A team starts with a history and goes on: every night two tasks are new, two that ran have ended,
one grows, and one that had ended gets another name. Each night a bare ``export`` runs in this
process against the embedded server, then the maximum of one metric over all points is queried.
Printed by month: files, megabytes, and the medians of requests, export seconds and query
milliseconds. In the end every point is compared with the server's.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn

RUNNING = 3
"""Tasks that run at any time; the oldest ends when a new one begins."""


class Team:
    """People who train, with a clock of their own."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.night = datetime.now(UTC) - timedelta(days=arguments.nights + 1)
        self.database = Database(arguments.seed, now=lambda: self.night)
        self.chance = random.Random(arguments.seed)
        self.running: list[str] = []
        for number in range(arguments.tasks):
            self._begin(f"old {number}")

    def _begin(self, name: str) -> None:
        task = self.database.add_task(name, f"team/project {self.chance.randrange(5)}")
        self.database.set_status(task, "in_progress")
        self._report(task, 0)
        self.running.append(task)
        if len(self.running) > RUNNING:
            self.database.set_status(self.running.pop(0), "completed")

    def _report(self, task: str, start: int) -> None:
        iterations = np.arange(start, start + self.arguments.points, dtype=np.int64)
        stamps = int(self.night.timestamp() * 1000) + 1000 * iterations
        for number in range(self.arguments.series):
            values = ((iterations * (number + 3)) % 997) / 8 + self.chance.randrange(100)
            self.database.report_series(
                task, f"metric {number}", "v", iterations, values, stamps, worker="w"
            )

    def work(self, number: int) -> None:
        """Let a day pass."""
        self.night += timedelta(days=1)
        self._begin(f"day {number} a")
        self._begin(f"day {number} b")
        self._report(self.running[0], self.arguments.points * (number + 1))
        self.database.rename(self.chance.choice(list(self.database.tasks)), f"renamed {number}")


@dataclass(frozen=True)
class Night:
    """The result of one night."""

    seconds: float
    requests: int
    query: float
    files: int
    megabytes: float


def nights(team: Team, data: Path) -> Iterator[Night]:
    """Live through the year."""
    export(data, Selection())
    for number in range(team.arguments.nights):
        team.work(number)
        begun = time.perf_counter()
        report = export(data)
        seconds = time.perf_counter() - begun
        if report.exit_code:
            sys.exit(f"night {number}: {report.result}, {report.problems}")
        snapshot = report.snapshot
        begun = time.perf_counter()
        points = f"read_parquet('{snapshot}/scalars/*/*.parquet')"
        duckdb.execute(f"SELECT max(value) FROM {points} WHERE metric = 'metric 7'").fetchall()
        query = time.perf_counter() - begun
        files = len(list(snapshot.rglob("*.parquet")))
        yield Night(seconds, report.requests, query, files, report.totals["bytes"] / 1e6)


def compare(team: Team, snapshot: Path) -> int:
    """Count the tasks whose points are not the server's: how many, and what they add up to."""
    rows = duckdb.execute(
        f"SELECT task_id, count(*), count(DISTINCT (metric, variant, iteration)), sum(value) "
        f"FROM read_parquet('{snapshot}/scalars/*/*.parquet') GROUP BY task_id"
    ).fetchall()
    stored = {row[0]: row[1:] for row in rows}
    wrong = 0
    for task, events in team.database.events.items():
        total = sum(float(block.values.sum()) for block in events.blocks)
        total += sum(json.loads(event.text())["value"] for event in events.events.values())
        wrong += stored.get(task, (0, 0, 0.0)) != (len(events), len(events), total)
    return wrong


def main(arguments: argparse.Namespace) -> int:
    """Print one line a month."""
    team = Team(arguments)
    with StandIn(team.database) as server, tempfile.TemporaryDirectory() as home:
        os.environ.update(server.environment())
        data, month = Path(home) / "data", list[Night]()
        print("month  tasks  files      MB  requests  export s  query ms")
        for number, night in enumerate(nights(team, data), 1):
            month.append(night)
            if number % 30 == 0 or number == arguments.nights:
                seconds, requests, query = (
                    statistics.median(getattr(one, name) for one in month)
                    for name in ("seconds", "requests", "query")
                )
                print(
                    f"{-(-number // 30):5}  {len(team.database.tasks):5}  {night.files:5}  "
                    f"{night.megabytes:6.1f}  {requests:8.0f}  {seconds:8.2f}  {query * 1e3:8.1f}",
                    flush=True,
                )
                month.clear()
        wrong = compare(team, data / "current")
        print(f"tasks that differ from the server's: {wrong}")
    return int(wrong > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("nights", 365),
        ("tasks", 300),
        ("series", 10),
        ("points", 400),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    sys.exit(main(parser.parse_args()))
