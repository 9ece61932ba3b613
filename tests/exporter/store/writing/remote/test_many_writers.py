"""Exports into a bucket that are killed, and many at once; SOAK=1 does more of it."""

import functools
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.store.objects.keys import file_key
from clearml_snapshot.exporter.store.opening import open_snapshot
from tests.exporter.store.writing.remote.test_export import TakeHome, back, run, team
from tests.exporter.store.writing.remote.test_overtaken import tagged
from tests.support.buckets import Store
from tests.support.changes import curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

SOAK = bool(os.environ.get("SOAK"))
KILLS = 50 if SOAK else 4
WRITERS = 8

_SCRIPT = """
import sys
from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.objects import file_system
from clearml_snapshot.exporter.sync import export as sync_export
import obstore.store
sync_export._CHECKPOINT_TASKS, sync_export._COMMIT_SHARE = 1, 0
selection = Selection(TaskFilter(task_names=tuple(sys.argv[2:]))) if sys.argv[2:] else None
print(flush=True)
sys.stdin.readline()
export(sys.argv[1], selection)
"""


def begin(store: Store, *names: str) -> "subprocess.Popen[bytes]":
    """Start a process that waits for a line and then exports, with a checkpoint after each task."""
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, store.at(), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def go(process: "subprocess.Popen[bytes]") -> None:
    """Let it export, once it is ready."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    process.stdin.write(b"\n")
    process.stdin.flush()


def check_readable(store: Store) -> None:
    """See that every listed snapshot is complete."""
    sizes = {key: found.bytes for key, found in store.dataset().bucket.listing("files/").items()}
    for listed in store.dataset().snapshots():
        for entry in store.dataset().read(listed).snapshot.files:
            assert sizes[file_key(entry)] == entry.bytes


def change(database: Database, chance: random.Random) -> None:
    """Report more of a task, change another one, move a third one."""
    ids = list(database.tasks)
    task_id = chance.choice(ids)
    start = sum(1 for block in database.events[task_id].blocks for _ in block.iterations)
    curve(database, task_id, "loss", start, start + 5, 0.5)
    database.edit(chance.choice(ids), comment=f"comment {chance.random()}")
    database.move(chance.choice(ids), f"team/{chance.randrange(4)}")


def same_as_a_local_export(home: "Home", store: Store, tmp_path: Path) -> None:
    """See that points and metadata in the bucket are those of an export to a new folder."""
    copied = back(home, store, tmp_path)
    copied.check()
    fresh = type(home)(home.server, tmp_path / "fresh")
    fresh.export()
    assert copied.points() == fresh.points()
    names = ("task_id", "state", "points_stored", "fingerprint", "project", "comment", "selected")
    rows = [
        sorted([row[name] for name in names] for row in other.rows("tasks"))
        for other in (copied, fresh)
    ]
    assert rows[0] == rows[1]


def test_killed_at_random_moments_it_resumes(
    take_home: TakeHome, store: Store, tmp_path: Path
) -> None:
    home = take_home(team(8, 20))
    chance = random.Random(None if SOAK else 3)
    run(store, tagged(0))
    run(store, Selection())
    killed = 0
    while killed < KILLS:
        for _ in range(3):
            change(home.database, chance)
        with begin(store) as process:
            go(process)
            try:
                process.wait(chance.uniform(0.05, 1.5))
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
        check_readable(store)
    assert run(store).exit_code == 0
    same_as_a_local_export(home, store, tmp_path)
    assert not any(listed.checkpoint for listed in store.dataset().snapshots())


def at_once(work: Sequence[Callable[[], object]]) -> None:
    """Do several things in threads, and see that none fails."""
    errors: list[BaseException] = []

    def do(one: Callable[[], object]) -> None:
        try:
            one()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=do, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def processes_at_once(store: Store, names: Sequence[Sequence[str]]) -> None:
    """Export in processes of their own, which begin together."""
    processes = [begin(store, *selected) for selected in names]
    for process in processes:
        assert process.stdout is not None
        process.stdout.peek(1)  # type: ignore[attr-defined]  # all are ready
    for process in processes:
        go(process)
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0, error.decode()


def test_eight_writers_at_once_lose_nothing(
    take_home: TakeHome, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a task of its own, and one that another one has too; the bucket is empty before."""
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._CHECKPOINT_TASKS", 1)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._COMMIT_SHARE", 0)
    home = take_home(team(WRITERS, 20))
    names = [(f"task {number}", f"task {(number + 1) % WRITERS}") for number in range(WRITERS)]
    selections = [Selection(TaskFilter(task_names=pair)) for pair in names]
    chance = random.Random(5)
    for number in range(5 if SOAK else 1):
        if SOAK:
            processes_at_once(store, names)
        else:
            at_once([functools.partial(run, store, selection) for selection in selections])
        assert len(open_snapshot(Path(store.at())).selections) == WRITERS, number
        check_readable(store)
        back(home, store, tmp_path).check(*home.database.tasks)
        change(home.database, chance)
    run(store)
    same_as_a_local_export(home, store, tmp_path)
    runs = back(home, store, tmp_path).rows("exports")
    assert len(runs) == (5 if SOAK else 1) * WRITERS + 1


def test_a_bad_line_while_four_write(take_home: TakeHome, store: Store, tmp_path: Path) -> None:
    home = take_home(team(8, 20))
    for method, key in (("PUT", "files/"), ("GET", "snapshots/"), ("GET", "files/")):
        store.fault("status", method=method, key=key, skip=3, count=1)
        store.fault("drop", method=method, key=key, skip=9, count=1)
    store.fault("lost", method="PUT", key="current.json", skip=1, count=1)
    store.fault("lost", method="PUT", key="current.json", skip=3, count=1)
    store.fault("lost", method="PUT", key="snapshots/", skip=2, count=2)

    def write(number: int) -> None:
        run(store, tagged(number))
        run(store, tagged(number + 4))

    at_once([functools.partial(write, number) for number in range(4)])
    same_as_a_local_export(home, store, tmp_path)
    assert len(open_snapshot(Path(store.at())).selections) == 8
