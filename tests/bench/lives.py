"""Random lives of tasks: runs, continuations, resets, losses, and exports in between.

    python -m tests.bench.lives [--lives 10000 --seed 1]

Each life is a task of its own; many share a server and are exported together. Every value holds
the number of its run, so that two runs in one task are seen exactly. After each export, of every
task: all stored points are of one run, each is what the server holds or once held of that run, and
all that the server holds of it is there. A task that gave up points of the run that it still has
is named in a warning, and as many tasks as were run again are reported as that. Exits non-zero at
the first difference.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.sync import apply as taking
from clearml_snapshot.exporter.sync.report import ExportReport

AT_ONCE: Final = 400
"""Lives on one server."""
DAYS: Final = 6
SERIES: Final = (("loss", "train"), ("loss", "val"), ("lr", "v"))
RUN: Final = 1_000_000
"""A value is its run times this, and something that the report makes of it."""

Key = tuple[str, str, int]


@dataclass
class Life:
    """One task, and what is known of it."""

    task: str
    run: int = 0
    at: int = 0
    """The next iteration."""
    step: int = 1
    stored: dict[Key, tuple[float, int]] = field(default_factory=dict)
    """What the dataset holds."""
    held: dict[Key, set[tuple[float, int]]] = field(default_factory=dict)
    """All points that the server has ever held."""
    silent: set[Key] = field(default_factory=set)
    """Points that came without any date moving; only ``--reread`` must find them."""


class World:
    """A server, its tasks, and a clock."""

    def __init__(self, lives: int, chance: random.Random) -> None:
        self.moment = datetime.now(UTC) - timedelta(days=30)
        self.database = Database(chance.random(), now=self._now)
        self.chance = chance
        self.lives = [self._begin(number) for number in range(lives)]
        self.events: Counter[str] = Counter()
        self.removed: dict[str, tuple[Any, Any]] = {}

    def _now(self) -> datetime:
        self.moment += timedelta(milliseconds=7)
        return self.moment

    def _begin(self, number: int) -> Life:
        life = Life(self.database.add_task(f"life {number}", f"p {number % 5}"))
        if self.chance.random() < 0.9:  # others report without ever being started
            self.database.set_status(life.task, "in_progress")
        self.report(life)
        return life

    def report(self, life: Life, count: int | None = None) -> None:
        """Report some iterations, each at its own wall time, and now and then a single value."""
        chance = self.chance
        names = chance.sample(SERIES, chance.randint(1, len(SERIES)))
        for _ in range(chance.randint(1, 8) if count is None else count):
            self._put(life, [(*name, life.at) for name in names])
            life.at += life.step
        if chance.random() < 0.2:
            self._put(life, [("final", "v", -(2**31))])

    def _put(self, life: Life, keys: list[Key], *, is_refused: bool = False) -> None:
        stamp = int(self._now().timestamp() * 1000)
        events = []
        for metric, variant, at in keys:
            # a schedule has the same values in each part of a run; a loss never
            part = at % 1000 if metric == "lr" else self.chance.randrange(RUN // 2)
            value = float(life.run * RUN + part)
            life.held.setdefault((metric, variant, at), set()).add((value, stamp))
            body = {"metric": metric, "variant": variant, "iter": at, "value": value}
            events.append({**body, "timestamp": stamp})
        if not is_refused:
            self.database.report(life.task, events, worker="w")
            return
        for body in events:
            whole = {"type": "training_stats_scalar", "task": life.task, **body, "worker": "w"}
            self.database.put_raw(life.task, json.dumps(whole))

    def live(self, life: Life) -> None:
        """Let one thing happen to a task."""
        names = ("goes_on", "continued", "from_a_checkpoint", "reset", "loses", "overwrites")
        weights = (6, 3, 3, 5, 4, 2)
        more = ("refused", "moves", "only_reset", "deleted", "renamed", "ended")
        (name,) = self.chance.choices((*names, *more), (*weights, 1, 1, 1, 1, 1, 2))
        if life.task in self.removed:
            name = "comes_back"
        self.events[name] += 1
        getattr(self, f"_{name}")(life)

    def _goes_on(self, life: Life) -> None:
        self.report(life)

    def _continued(self, life: Life) -> None:
        self.database.set_status(life.task, "stopped")
        self.database.continue_task(life.task)
        life.at += self.chance.choice((0, 0, 1, 50))  # the SDK's offset
        self.report(life)

    def _from_a_checkpoint(self, life: Life) -> None:
        self.database.set_status(life.task, "stopped")
        self.database.continue_task(life.task)
        life.at = max(0, life.at - self.chance.randint(1, 6) * life.step)
        self.report(life)

    def _reset(self, life: Life) -> None:
        """What ``Task.init`` does with the task of the last run."""
        self._only_reset(life)
        if self.chance.random() < 0.9:
            self.database.set_status(life.task, "in_progress")
        self.report(life, self.chance.randint(1, 25))

    def _only_reset(self, life: Life) -> None:
        self.database.reset(life.task)
        life.run += 1
        life.silent.clear()
        life.at, life.step = self.chance.choice((0, 0, 0, 7, 40)), self.chance.choice((1, 1, 2, 10))

    def _loses(self, life: Life) -> None:
        chance = self.chance
        share, metric = chance.choice((0.1, 0.5, 1.0)), chance.choice(("loss", "lr", None))
        self.database.lose(
            life.task, lambda name, *_: (metric not in (None, name)) or chance.random() >= share
        )
        if chance.random() < 0.5:
            self.report(life)

    def _overwrites(self, life: Life) -> None:
        keys = sorted(key for key, seen in life.held.items() if self._run_of(seen) == life.run)
        for key in self.chance.sample(keys, min(len(keys), 3)):
            self._put(life, [key])

    def _refused(self, life: Life) -> None:
        """A chunk with a NaN: the rest of it is stored, and no date and no summary moves."""
        keys = [("loss", "train", life.at), ("loss", "val", life.at)]
        self._put(life, keys, is_refused=True)
        life.silent.update(keys)
        life.at += life.step

    def _moves(self, life: Life) -> None:
        self.database.move(life.task, f"p {self.chance.randrange(5)}")

    def _renamed(self, life: Life) -> None:
        self.database.rename(life.task, f"renamed {self.chance.random()}")

    def _ended(self, life: Life) -> None:
        self.database.set_status(life.task, "completed")

    def _deleted(self, life: Life) -> None:
        database = self.database
        self.removed[life.task] = database.tasks[life.task], database.events[life.task]
        database.delete_task(life.task)

    def _comes_back(self, life: Life) -> None:
        document, events = self.removed.pop(life.task)
        self.database.tasks[life.task], self.database.events[life.task] = document, events
        self.report(life)

    @staticmethod
    def _run_of(seen: set[tuple[float, int]]) -> int:
        return max(int(value // RUN) for value, _ in seen)

    def server_points(self, life: Life) -> dict[Key, tuple[float, int]]:
        """Read what the server holds of a task now."""
        events = self.database.events.get(life.task)
        bodies = [json.loads(event.text()) for event in events.events.values()] if events else []
        return {
            (body["metric"], body["variant"], body["iter"]): (body["value"], body["timestamp"])
            for body in bodies
        }


def stored_points(data: Path) -> dict[str, dict[Key, tuple[float, int]]]:
    """Read a dataset with plain DuckDB."""
    rows = duckdb.execute(
        "SELECT task_id, metric, variant, coalesce(iteration, -(2::BIGINT ** 31)::BIGINT), value, "
        f"epoch_ms(timestamp) FROM read_parquet('{data}/current/scalars/*/*.parquet')"
    ).fetchall()
    points: dict[str, dict[Key, tuple[float, int]]] = {}
    for task, metric, variant, at, value, stamp in rows:
        points.setdefault(task, {})[metric, variant, at] = value, stamp
    return points


def check(world: World, data: Path, report: ExportReport) -> Counter[str]:
    """Compare every task with the allowed outcomes; gives the outcomes, counted."""
    points, counts = stored_points(data), Counter[str]()
    warned = {text.split()[1] for text in report.warnings if text.startswith("task ")}
    for life in world.lives:
        now, before = points.get(life.task, {}), life.stored
        runs = _runs(now)
        if len(runs) > 1:
            sys.exit(f"mixed: {life.task} holds runs {sorted(runs)}")
        if any(point not in life.held.get(key, ()) for key, point in now.items()):
            sys.exit(f"{life.task} holds points that the server never had")
        counts[_became(life, now, before, is_warned=life.task in warned)] += 1
        there = world.server_points(life)
        counts["with points that the server lost"] += bool(now.keys() - there.keys())
        wrong = {key for key, point in there.items() if now.get(key) != point}
        if wrong - life.silent:
            sys.exit(f"not up to date: {life.task}: {sorted(wrong)[:3]}")
        life.stored = now
    _expect_counts(report, counts)
    return counts


def _became(
    life: Life,
    now: dict[Key, tuple[float, int]],
    before: dict[Key, tuple[float, int]],
    *,
    is_warned: bool,
) -> str:
    """Name the outcome of a task; one that lost points of the run that it still has is named."""
    if before and not now:
        sys.exit(f"emptied: {life.task}")
    if is_warned:
        return "given up in doubt"
    if _runs(before) - _runs(now):
        return "replaced by another run"
    if before.keys() - now.keys():
        sys.exit(f"lost without a word: {life.task}: {sorted(before.keys() - now.keys())[:3]}")
    if before and not any(now[key] == point for key, point in before.items()):
        return "reported again in full"
    return "as before, or more"


def _runs(points: dict[Key, tuple[float, int]]) -> set[int]:
    return {int(value // RUN) for value, _ in points.values()}


def _expect_counts(report: ExportReport, counts: Counter[str]) -> None:
    """See that tasks are reported as run again that were, and where the earlier run still is.

    A task whose every stored point was reported again may be taken for one that was run again.
    """
    least = counts["replaced by another run"]
    most = least + counts["reported again in full"]
    if not least <= report.tasks_rerun <= most:
        sys.exit(f"{least} to {most} tasks were run again, and {report.tasks_rerun} are reported")
    if (least or counts["given up in doubt"]) and report.snapshot_before is None:
        sys.exit("no snapshot is named that has what was given up")


def live(count: int, chance: random.Random, data: Path) -> tuple[Counter[str], Counter[str]]:
    """Let some tasks live on one server, which the environment leads to; gives what happened."""
    world, results = World(count, chance), Counter[str]()
    with StandIn(world.database) as server:
        os.environ.update(server.environment())
        results += check(world, data, export(data, Selection()))
        for _ in range(DAYS):
            for life in world.lives:
                for _ in range(chance.choice((0, 1, 1, 2, 3))):
                    world.live(life)
            results += check(world, data, export(data, Selection()))
    return world.events, results


def main(arguments: argparse.Namespace) -> int:
    """Live, export, compare, and print what happened."""
    chance, begun = random.Random(arguments.seed), time.perf_counter()
    vars(taking)["_TOLD_DOUBTS"] = arguments.lives  # each by name, so that the report identifies it
    vars(os)["fsync"] = os.fstat  # that protects from a power cut, which is not the question here
    events, results = Counter[str](), Counter[str]()
    for start in range(0, arguments.lives, AT_ONCE):
        with tempfile.TemporaryDirectory() as home:
            count = min(AT_ONCE, arguments.lives - start)
            happened, became = live(count, chance, Path(home) / "data")
        events += happened
        results += became
    took = time.perf_counter() - begun
    print(f"{arguments.lives:,} lives in {took:.0f} s, none mixed, none lost without a warning")
    for title, counts in (("events", events), ("after exports", results)):
        print(f"{title}: " + ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(main(parser.parse_args()))
