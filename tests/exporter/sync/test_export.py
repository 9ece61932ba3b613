"""An export from end to end: what is stored, what a second one does, and what it costs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import demo_history, grid_value
from clearml_snapshot.exporter.standin.http.faults import Fault

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
MOST_MEGABYTES = 400


def small() -> tuple[Database, str, str]:
    database = Database()
    tasks = []
    for name in ("first", "second"):
        task = database.add_task(name, "project", status="completed")
        for metric in ("loss", "acc", "lr"):
            for variant in ("train", "test"):
                stamps = list(range(1_760_000_000_000, 1_760_000_000_100))
                values = [at / 7 for at in range(100)]
                database.report_series(task, metric, variant, range(100), values, stamps)
        tasks.append(task)
    return database, tasks[0], tasks[1]


def test_the_demo_history_is_complete(take_home: TakeHome) -> None:
    home = take_home(demo_history(7))
    report = home.export(Selection(TaskFilter(hidden=True)))
    assert report.exit_code == 0
    home.check()
    assert report.totals["points"] == sum(len(events) for events in home.database.events.values())


def test_unchanged_tasks_cost_no_event_request(take_home: TakeHome) -> None:
    database, *_ = small()
    home = take_home(database)
    home.export()
    before = len(home.server.requests)
    report = home.export()
    assert (report.tasks_unchanged, report.tasks_new, report.tasks_changed) == (2, 0, 0)
    assert report.points == 0
    names = {name for name, _ in home.server.requests[before:]}
    assert names == {"auth.login", "tasks.get_all_ex"}
    home.check()


def test_changed_tasks_are_replaced(take_home: TakeHome) -> None:
    database, first, second = small()
    home = take_home(database)
    home.export()
    again = [{"metric": "loss", "variant": "train", "iter": at, "value": -1.0} for at in range(120)]
    database.report(first, again)
    report = home.export()
    assert (report.tasks_changed, report.tasks_unchanged) == (1, 1)
    assert {body["task"] for body in home.sent("events.get_task_events")[2:]} == {first}
    home.check()
    database.reset(second)
    assert home.export().tasks_shrunk == 1
    row = home.tasks()[second]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("shrunk", 600, 0)


def test_known_tasks_are_read_again_without_a_selection(take_home: TakeHome) -> None:
    database, first, _ = small()
    home = take_home(database)
    with pytest.raises(UsageError, match="the first export of a dataset needs a selection"):
        home.export(all_tasks=False)
    home.export(Selection(TaskFilter(task_names=("first",))))
    database.report(first, [{"metric": "new", "variant": "v", "iter": 1, "value": 2.0}])
    assert home.export(all_tasks=False).tasks_changed == 1
    assert set(home.tasks()) == {first}
    home.check(first)


def refuse_events(task: str) -> Fault:
    def when(body: dict[str, Any]) -> bool:
        return body.get("task") == task

    return Fault("status", "events.get_task_events", status=400, when=when)


def test_a_task_that_fails_now_keeps_what_was_complete(take_home: TakeHome) -> None:
    database, first, second = small()
    empty = database.add_task(
        "empty",
        "project",
        hyperparams={"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.1"}}},
    )
    home = take_home(database)
    home.export()
    before = home.points()
    for task in (first, empty):
        database.edit(task, comment="changed")
        database.continue_task(task)
        home.server.faults.add(refuse_events(task))
    report = home.export()
    assert {(problem.task_id, problem.state) for problem in report.problems} == {
        (first, "failed"),
        (empty, "failed"),
    }
    assert report.exit_code == 3
    assert home.points() == before
    home.check(second)
    assert {home.tasks()[task]["state"] for task in (first, empty)} == {"failed"}
    assert [row["task_id"] for row in home.rows("hyperparams")] == [empty]
    home.server.faults.clear()
    assert home.export().tasks_changed == 2
    assert home.tasks()[first]["comment"] == "changed"
    home.check()


def test_a_task_that_fails_at_first_is_stored_as_failed(take_home: TakeHome) -> None:
    database, first, second = small()
    home = take_home(database, faults=[refuse_events(first)])
    assert home.export().exit_code == 3
    row = home.tasks()[first]
    assert (row["state"], row["points_expected"], row["points_stored"]) == ("failed", None, 0)
    assert "refused events.get_task_events" in row["reason"]
    home.check(second)
    home.server.faults.clear()
    assert home.export().tasks_changed == 1
    home.check()


ASKED: dict[str, tuple[Selection, list[dict[str, Any]]]] = {
    "a metric": (Selection(metrics=("loss",)), [{"metric": "loss"}]),
    "ignoring case": (Selection(metrics=("LOSS",)), [{"metric": "loss"}]),
    "a variant": (
        Selection(metrics=("loss/train",)),
        [{"metric": "loss", "variants": ["train"]}],
    ),
    "a glob": (Selection(metrics=("l*",)), [{"metric": "loss"}, {"metric": "lr"}]),
    "all but one": (
        Selection(exclude_metrics=("acc",)),
        [{"metric": "loss"}, {"metric": "lr"}],
    ),
    "all but one variant": (
        Selection(metrics=("loss", "acc"), exclude_metrics=("loss/test",)),
        [{"metric": "acc"}, {"metric": "loss", "variants": ["train"]}],
    ),
    "nothing left": (Selection(metrics=("loss",), exclude_metrics=("l*",)), []),
}


@pytest.mark.parametrize("name", ASKED)
def test_only_the_selected_metrics(name: str, take_home: TakeHome) -> None:
    selection, selectors = ASKED[name]
    database, first, second = small()
    home = take_home(database)
    assert home.export(selection).exit_code == 0

    def only(metric: str, variant: str) -> bool:
        return any(
            selector["metric"] == metric and variant in selector.get("variants", [variant])
            for selector in selectors
        )

    home.check(only=only)
    for task in (first, second):
        assert json.loads(home.tasks()[task]["metric_filter"])["metrics"] == selectors


def test_a_later_question_never_drops_what_is_stored(take_home: TakeHome) -> None:
    database, *_ = small()
    home = take_home(database)
    home.export(Selection(metrics=("loss",)))
    home.export(Selection(metrics=("acc/train",)))
    expected = {("loss", "train"), ("loss", "test"), ("acc", "train")}
    home.check(only=lambda metric, variant: (metric, variant) in expected)
    assert home.export(Selection(metrics=("loss/test",))).tasks_refreshed == 2
    assert home.export(Selection(metrics=("loss/test",))).tasks_unchanged == 2
    home.check(only=lambda metric, variant: (metric, variant) in expected)
    home.export()
    home.check()
    assert home.export(Selection(metrics=("lr",))).tasks_unchanged == 2
    home.check()
    assert {row["metric_filter"] for row in home.tasks().values()} == {None}


def test_a_metric_that_no_task_has(take_home: TakeHome) -> None:
    database, *_ = small()
    home = take_home(database)
    with pytest.raises(NoSuchNameError, match="no metric 'los'; did you mean 'loss'"):
        home.export(Selection(metrics=("los",)))
    report = home.export(Selection(TaskFilter(task_names=("nobody",)), metrics=("los",)))
    assert report.exit_code == 0


SECRETS = {
    "Args/api_key": "AKIAIOSFODNN7EXAMPLE",
    "Args/password": "hunter2-hunter2",
    "General/wandb_token": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
}
IN_COMMENT = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
IN_URL = "s3cr3t-t0k3n-of-the-clone"


def with_secrets() -> tuple[Database, str]:
    hyperparams: dict[str, dict[str, Any]] = {"Args": {}, "General": {}}
    for path, value in {**SECRETS, "Args/lr": "0.001"}.items():
        section, name = path.split("/")
        hyperparams[section][name] = {"section": section, "name": name, "value": value}
    database = Database()
    task = database.add_task(
        "task",
        "project",
        hyperparams=hyperparams,
        comment=f"cloned with {IN_COMMENT}, all fine",
        script={"repository": f"https://me:{IN_URL}@github.com/team/repo.git", "entry_point": "x"},
    )
    return database, task


def all_bytes(folder: Path) -> bytes:
    """Read every file, and every text of every table: Parquet compresses what it holds."""
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    tables = [str(path) for path in folder.rglob("*.parquet")]
    texts = [str(pq.ParquetFile(path).read().to_pylist()) for path in tables]
    return raw + "".join(texts).encode()


def test_secrets_are_not_exported(take_home: TakeHome) -> None:
    database, task = with_secrets()
    home = take_home(database)
    report = home.export()
    kept = all_bytes(home.folder)
    for secret in (*SECRETS.values(), IN_COMMENT, IN_URL, home.server.secret_key):
        assert secret.encode() not in kept, secret
    assert b"0.001" in kept
    assert b"github.com/team/repo.git" in kept
    planted = len(SECRETS) + 2
    assert report.redacted == home.tasks()[task]["redacted"] == planted


def test_secrets_can_be_kept_and_parameters_left(take_home: TakeHome) -> None:
    database, _ = with_secrets()
    home = take_home(database)
    report = home.export(keep_secrets=True)
    kept = all_bytes(home.folder)
    for secret in (*SECRETS.values(), IN_COMMENT, IN_URL):
        assert secret.encode() in kept
    assert report.redacted == 0
    report = home.export(with_params=False)
    assert (report.tasks_refreshed, home.rows("hyperparams")) == (1, [])
    assert IN_URL not in str(home.rows("tasks"))


GRID = (40, 20, 1000)

EXPORT_AND_MEASURE = """
import json, sys
from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.selection.selection import Selection
report = export(sys.argv[1], Selection())
# ru_maxrss would count the parent too, as it was when it made this process
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps({"code": report.exit_code, "totals": dict(report.totals), "peak": peak}))
"""


def test_a_large_history_in_little_memory(tmp_path: Path) -> None:
    tasks, series, points = GRID
    size = ",".join(map(str, GRID))
    standin = [sys.executable, "-m", "clearml_snapshot.exporter.standin", "--grid", size]
    data = tmp_path / "data"
    with subprocess.Popen(
        standin, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        hello = json.loads(server.stdout.readline())
        done = subprocess.run(
            [sys.executable, "-c", EXPORT_AND_MEASURE, str(data)],
            env={**os.environ, **hello["environment"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert server.stdin is not None
        server.stdin.close()
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["code"] == 0
    assert measured["totals"]["tasks"] == tasks
    assert measured["totals"]["points"] == tasks * series * points
    assert measured["peak"] <= MOST_MEGABYTES
    _check_grid(data / "current")


def _check_grid(snapshot: Path) -> None:
    """Compare the maximum of every series, out of the points, with what the grid is made of."""
    tasks, series, points = GRID
    rows = duckdb.execute(
        f"""
        SELECT name, metric, variant, max(value), count(*), count(DISTINCT iteration)
        FROM '{snapshot}/scalars/**/*.parquet' JOIN '{snapshot}/tasks/*.parquet' USING (task_id)
        GROUP BY ALL
        """
    ).fetchall()
    stored = {row[:3]: row[3:] for row in rows}
    assert len(stored) == tasks * series
    for task in range(tasks):
        for number in range(series):
            key = (f"grid {task}", f"metric {number // 4}", f"variant {number % 4}")
            best = max(grid_value(task, number, point) for point in range(points))
            assert stored[key] == (best, points, points)
    series_max = duckdb.execute(f"SELECT sum(max) FROM '{snapshot}/series/*.parquet'").fetchall()
    assert series_max[0][0] == sum(best for best, _, _ in stored.values())
