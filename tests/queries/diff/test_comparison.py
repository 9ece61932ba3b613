"""Two snapshots compared, with plain Python dicts as what must come out."""

import contextlib
import hashlib
import json
import math
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import DatasetError, NoSuchNameError, SnapshotError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.parquet import writer_options
from clearml_snapshot.exporter.store.snapshots import Snapshot, no_readers
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.diff import comparison as diff
from clearml_snapshot.queries.diff.comparison import compare
from clearml_snapshot.queries.diff.model import Choice
from clearml_snapshot.queries.duckdb_errors import translating_errors
from tests.queries.conftest import START, write

NAN, INF = math.nan, math.inf
VALUES = [NAN, INF, -INF, 0.0, -0.0, None, 1.0, 2.0, 3.0]
SERIES = [("loss", "x"), ("loss", "y"), ("acc", "x"), (":monitor:gpu", "x")]

Key = tuple[str, str, int | None]
Tasks = dict[str, dict[Key, float | None]]
"""Points by task id."""


def _rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _tasks(tasks: Tasks, **columns: Any) -> list[dict[str, Any]]:
    return [
        {
            "task_id": task_id,
            "points": [(*key, value) for key, value in points.items()],
            **columns,
        }
        for task_id, points in tasks.items()
    ]


def _differ(one: float | None, other: float | None) -> bool:
    both_nan = one is not None and other is not None and math.isnan(one) and math.isnan(other)
    return one != other and not both_nan


def _counts(was: Mapping[Key, Any], now: Mapping[Key, Any]) -> tuple[int, int, int]:
    """Count what is new, changed and gone."""
    changed = sum(_differ(was[key], now[key]) for key in was.keys() & now.keys())
    return len(now.keys() - was.keys()), changed, len(was.keys() - now.keys())


def _of(points: Mapping[Key, float | None], series: tuple[str, str]) -> dict[Key, float | None]:
    return {key: value for key, value in points.items() if key[:2] == series}


def _maxima(tasks: Tasks) -> dict[tuple[str, str], tuple[float, int | None, str]]:
    """Find the maximum of each series over all tasks, ties as the query max decides them."""
    found: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for task_id, points in tasks.items():
        for (metric, variant, iteration), value in points.items():
            if value is not None and math.isfinite(value):
                place = INF if iteration is None else iteration
                found.setdefault((metric, variant), []).append((-value, place, task_id))
    best = {series: min(ranked) for series, ranked in found.items()}
    return {s: (-v, None if at == INF else int(at), t) for s, (v, at, t) in best.items()}


def _random_points(chance: random.Random) -> dict[Key, float | None]:
    chosen = chance.sample(SERIES, chance.randint(0, 3))
    return {
        (*series, at): chance.choice(VALUES)
        for series in chosen
        for at in chance.sample([None, 0, 1, 2, 3, -(2**63)], chance.randint(1, 4))
    }


def _touched(points: Mapping[Key, float | None], chance: random.Random) -> dict[Key, float | None]:
    """Take points away, change some, add some; sometimes nothing of it."""
    kept = {key: value for key, value in points.items() if chance.random() > 0.2}
    for key in kept:
        if chance.random() < 0.2:
            kept[key] = chance.choice(VALUES)
    return {**_random_points(chance), **kept} if chance.random() < 0.7 else dict(points)


@pytest.mark.parametrize("seed", range(6))
def test_every_difference_is_found_and_nothing_else(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    was: Tasks = {name: _random_points(chance) for name in "abcdef"}
    read_again = {name: _touched(was[name], chance) for name in chance.sample("abcdef", 3)}
    read_again |= {name: _random_points(chance) for name in "gh"}
    write(tmp_path / "one", _tasks(was))
    if seed % 2:  # a second export of the same dataset
        now = {**was, **read_again}
        write(tmp_path / "one", _tasks(read_again))
        sides = Choice(tmp_path / "one", -1), Choice(tmp_path / "one")
    else:  # another dataset, which lacks a task
        now = {**{name: was[name] for name in "abcde"}, **read_again}
        now.pop("a")
        write(tmp_path / "two", _tasks(now))
        sides = Choice(tmp_path / "one"), Choice(tmp_path / "two")
    with compare(*sides, threads=1) as found:
        _check_series(found, was, now)
        _check_tasks(found, was, now)
        _check_maxima(found, was, now)


def _check_series(found: diff.Comparison, was: Tasks, now: Tasks) -> None:
    expected = {}
    for name in was.keys() | now.keys():
        for series in SERIES:
            old, young = (_of(side.get(name, {}), series) for side in (was, now))
            if any(counts := _counts(old, young)):
                expected[name, *series] = (len(old) or None, len(young) or None, *counts)
    rows = _rows(found.differences("series"))
    answer = {
        (row["task_id"], row["metric"], row["variant"]): tuple(
            row[name] for name in ("n_before", "n_after", "n_new", "n_changed", "n_gone")
        )
        for row in rows
    }
    assert answer == expected
    assert len(rows) == len(expected)
    for row in rows:
        kinds = {(True, False): "new", (False, True): "gone", (False, False): "changed"}
        assert row["change"] == kinds[row["n_before"] is None, row["n_after"] is None]


def _check_tasks(found: diff.Comparison, was: Tasks, now: Tasks) -> None:
    counts = {n: _counts(was.get(n, {}), now.get(n, {})) for n in was.keys() | now.keys()}
    expected = {(name, "new", *counts[name]) for name in now.keys() - was.keys()}
    expected |= {(name, "gone", *counts[name]) for name in was.keys() - now.keys()}
    both = was.keys() & now.keys()
    expected |= {(name, "changed", *counts[name]) for name in both if any(counts[name])}
    rows = _rows(found.differences("task"))
    names = ("task_id", "change", "n_new", "n_changed", "n_gone")
    assert {tuple(row[name] for name in names) for row in rows} == expected
    for row in rows:
        assert row["points_before"] == len(was.get(row["task_id"], {}))
        assert row["points_after"] == len(now.get(row["task_id"], {}))
        assert row["columns_changed"] == []
    told = found.summary
    changes = [change for _, change, *_ in expected]
    assert (told.tasks_new, told.tasks_changed, told.tasks_gone) == tuple(
        changes.count(change) for change in ("new", "changed", "gone")
    )
    assert told.tasks_same == sum(not any(counts[name]) for name in both)
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    assert [told.points_new, told.points_changed, told.points_gone] == totals
    assert told.points_same == sum(map(len, now.values())) - totals[0] - totals[1]


def _check_maxima(found: diff.Comparison, was: Tasks, now: Tasks) -> None:
    old, young, nothing = _maxima(was), _maxima(now), (None, None, None)
    expected = {
        series: (*old.get(series, nothing), *young.get(series, nothing))
        for series in SERIES
        if old.get(series, nothing)[0] != young.get(series, nothing)[0]
    }
    names = [
        f"{what}_{side}" for side in ("before", "after") for what in ("max", "iteration", "task_id")
    ]
    rows = _rows(found.differences("metric"))
    assert {
        (row["metric"], row["variant"]): tuple(row[name] for name in names) for row in rows
    } == expected
    assert found.summary.maxima_moved == len(expected)
    assert found.summary.monitor_maxima_moved == len(expected.keys() & {SERIES[3]})


LINE: dict[Key, float | None] = {("loss", "x", at): float(at) for at in range(3)}


def _both(tmp_path: Path, *exports: Sequence[Mapping[str, Any]]) -> tuple[Choice, Choice]:
    """Take two exports of one dataset."""
    for tasks in exports:
        write(tmp_path / "data", tasks)
    return Choice(tmp_path / "data", -1), Choice(tmp_path / "data")


def _of_values(*values: float | None) -> dict[Key, float | None]:
    return {("loss", "x", at): value for at, value in enumerate(values)}


ODD_NAN: float = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0007))[0]


@pytest.mark.parametrize(
    ("one", "other", "changed"),
    [
        ([NAN, None, -0.0, INF], [ODD_NAN, None, 0.0, INF], 0),
        ([None, 1.0, None, INF], [1.0, None, NAN, -INF], 4),
        ([1.0, 2.0], [2.0, 1.0], 2),
    ],
)
def test_values_that_are_the_same(
    tmp_path: Path, one: list[float | None], other: list[float | None], changed: int
) -> None:
    old, young = _tasks({"a": _of_values(*one)}), _tasks({"a": _of_values(*other)})
    with compare(*_both(tmp_path, old, young)) as found:
        assert [row["n_changed"] for row in _rows(found.differences("series"))] == (
            [changed] if changed else []
        )
        assert found.summary.points_same == len(one) - changed


def test_a_snapshot_and_itself(tmp_path: Path) -> None:
    write(tmp_path / "data", _tasks({"a": LINE}))
    with compare(Choice(tmp_path / "data"), Choice(tmp_path / "data", 1)) as found:
        for by in ("task", "series", "metric"):
            assert _rows(found.differences(by)) == []
        assert (found.summary.tasks_same, found.summary.points_same) == (1, 3)
        assert found.notes == ()


def test_another_time_or_worker_is_no_change(tmp_path: Path) -> None:
    points = [("loss", "x", at, 1.0, seconds) for at, seconds in ((0, 5), (1, None))]
    later = [(*point[:4], 9) for point in points]
    again = {"task_id": "a", "fetched_at": START.replace(year=2027), "fingerprint": "g"}
    sides = _both(tmp_path, [{"task_id": "a", "points": points}], [{**again, "points": later}])
    assert sides[0].open().paths("scalars") != sides[1].open().paths("scalars")
    with compare(*sides) as found:
        assert found.summary.tasks_same == 1
        assert found.summary.points_same == 2


def test_points_of_a_task_that_moved_to_another_project_are_the_same(tmp_path: Path) -> None:
    old = _tasks({"a": LINE, "b": LINE}, project_id="p", project="vision")
    young = _tasks({"a": LINE}, project_id="q", project="nlp")
    with compare(*_both(tmp_path, old, young)) as found:
        (row,) = _rows(found.differences("task"))
        assert (row["task_id"], row["change"], row["project"]) == ("a", "changed", "nlp")
        assert row["columns_changed"] == ["project", "project_id"]
        assert found.summary.points_same == 6
        assert _rows(found.differences("series")) == []


def test_what_else_changed_of_a_task(tmp_path: Path) -> None:
    lr = {"section": "Args", "name": "lr", "value": "0.1", "type": "float"}
    old: list[dict[str, Any]] = [
        {"task_id": "a", "tags": ["x", "y"], "status": "in_progress", "params": [lr]},
        {"task_id": "b", "params": [lr], "reason": None},
        {"task_id": "c", "params": [lr], "selected": None},
        {"task_id": "d", "metric_filter": None},
    ]
    young: list[dict[str, Any]] = [
        {"task_id": "a", "tags": ["x", "y", "z"], "status": "completed", "params": [lr]},
        {"task_id": "b", "params": [{**lr, "value": None}], "reason": "why", "state": "gone"},
        {"task_id": "c", "params": [lr], "selected": True},
        {"task_id": "d", "metric_filter": '{"asked": ["loss"]}'},
        {"task_id": "e", "params": [lr]},
    ]
    with compare(*_both(tmp_path, old, young)) as found:
        rows = _rows(found.differences("task"))
        assert [(row["task_id"], row["columns_changed"]) for row in rows] == [
            ("b", ["params", "reason", "state"]),
            ("a", ["status", "tags"]),
            ("d", ["metric_filter"]),
            ("e", []),
        ]
        assert (rows[0]["state_before"], rows[0]["state_after"]) == ("complete", "gone")
        assert (rows[3]["state_before"], rows[3]["change"]) == (None, "new")
        assert found.summary.asked_otherwise == 1
        assert found.summary.tasks_same == 1


def _make_version_1(snapshot: Snapshot) -> None:
    path = snapshot.root / "snapshot.json"
    header = json.loads(path.read_bytes())
    header["format_version"] = 1
    for entry in header["files"]:
        if newer := list(missing_columns(entry["table"], 1)):
            file = snapshot.root / entry["path"]
            older = pq.read_table(file, partitioning=None).drop_columns(newer)
            pq.write_table(older, file, **writer_options(older.schema))
            content = file.read_bytes()
            entry.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    path.write_text(json.dumps(header))


def test_a_column_that_one_format_lacks_did_not_change(tmp_path: Path) -> None:
    for name in ("old", "young"):
        write(tmp_path / name, [{"task_id": "a", "selected": False, "comment": name}])
    _make_version_1(open_snapshot(tmp_path / "old"))
    with compare(Choice(tmp_path / "old"), Choice(tmp_path / "young")) as found:
        assert found.summary.tasks[0].columns_changed == ["comment"]


def _damage_pages(path: Path) -> None:
    """Leave the footer of a Parquet file as it is: what is in it is read when a view is made."""
    content = path.read_bytes()
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + b"x" * (end - 4) + content[end:])


def test_files_that_both_have_are_not_read(tmp_path: Path) -> None:
    old = _tasks({"a": LINE}, project_id="p") + _tasks({"b": LINE}, project_id="q")
    sides = _both(tmp_path, old, _tasks({"b": {**LINE, ("loss", "x", 9): 9.0}}, project_id="q"))
    shared = {path.stat().st_ino: path for side in sides for path in side.open().root.rglob("*")}
    (path,) = [one for one in shared.values() if "project_id=p/" in str(one)]
    _damage_pages(path)
    with (
        open_dataset(tmp_path / "data") as dataset,
        pytest.raises(SnapshotError),
        translating_errors(),
    ):
        dataset.sql("SELECT sum(value) FROM scalars").fetchall()
    with compare(*sides) as found:
        assert (found.summary.points_new, found.summary.points_same) == (1, 6)


def test_a_filter_takes_what_it_finds_in_either(tmp_path: Path) -> None:
    old = _tasks({"a": LINE, "b": LINE, "c": LINE}, project="vision", project_id="p")
    young = [
        *_tasks({"a": {**LINE, ("acc", "x", 0): 1.0}}, project="vision", project_id="p"),
        *_tasks({"b": LINE}, project="nlp", project_id="q"),
        *_tasks({"d": LINE}, project="nlp", project_id="q"),
    ]
    sides = _both(tmp_path, old, young)
    with compare(*sides, filter=TaskFilter(projects=("nlp",))) as found:
        rows = _rows(found.differences("task"))
        assert [(row["task_id"], row["change"]) for row in rows] == [("b", "changed"), ("d", "new")]
        assert (found.summary.points_new, found.summary.points_same) == (3, 3)
        assert found.summary.maxima_moved == 0
        assert found.notes == ("only tasks that the filter finds in either: 2",)
    with compare(*sides, filter=TaskFilter(projects=("vision",))) as found:
        assert [row["task_id"] for row in _rows(found.differences("task"))] == ["a", "b"]
        assert found.summary.tasks_same == 1
    with pytest.raises(NoSuchNameError, match="audio"):
        compare(*sides, filter=TaskFilter(projects=("audio",)))


def test_a_summary_names_the_first_and_what_json_can_hold(tmp_path: Path) -> None:
    keys: list[list[Key]] = [[(f"m{n:02}", "x", 0), (":monitor:m", "x", 0)] for n in range(25)]
    old: Tasks = {f"{n:02}": dict.fromkeys(both, 1.0) for n, both in enumerate(keys)}
    young: Tasks = {f"{n:02}": dict.fromkeys(both, 2.0) for n, both in enumerate(keys)}
    with compare(*_both(tmp_path, _tasks(old), _tasks(young))) as found:
        told = found.summary
        assert [one.task_id for one in told.tasks] == [f"{n:02}" for n in range(diff.FIRST)]
        assert [one.metric for one in told.maxima] == [f"m{n:02}" for n in range(diff.FIRST)]
        assert (told.tasks_changed, told.maxima_moved, told.monitor_maxima_moved) == (25, 26, 1)
        assert _rows(found.differences("metric"))[-1]["metric"] == ":monitor:m"
        page = json.loads(json.dumps(told.as_dict()))
    assert page["before"]["number"] == 1
    assert page["after"]["place"] == str(open_snapshot(tmp_path / "data").root)
    assert page["tasks"][0]["n_changed"] == 2


def test_both_snapshots_are_held_and_nothing_else_is_seen(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n")
    sides = _both(tmp_path, _tasks({"a": LINE}), _tasks({"a": {}}))
    with compare(*sides) as found:
        for side in sides:
            with no_readers(side.open().root) as free:
                assert not free
        relation = found.differences("task")
        with pytest.raises(duckdb.PermissionException):
            relation.query("x", f"FROM read_csv('{tmp_path}/other.csv')")
    for side in sides:
        with no_readers(side.open().root) as free:
            assert free


def test_a_table_named_as_sql_is_not_run(tmp_path: Path) -> None:
    """A snapshot folder may come from anywhere, and its snapshot.json may say anything."""
    data, written = tmp_path / "data", tmp_path / "written"
    write(data, _tasks({"a": LINE}))
    root = open_snapshot(data).root
    header = json.loads((root / "snapshot.json").read_bytes())
    sql = f"x AS SELECT 1; COPY (SELECT 1) TO '{written}'; CREATE VIEW y"
    (root / "more.parquet").write_bytes(b"PAR1")
    more = {"table": sql, "path": "more.parquet", "rows": 1, "bytes": 4, "sha256": "0" * 64}
    header["files"].append(more)
    (root / "snapshot.json").write_text(json.dumps(header))
    with contextlib.suppress(SnapshotError), open_dataset(data):
        pass
    assert not written.exists()
    with compare(Choice(data), Choice(root)) as found:
        assert found.summary.points_same == 3
    assert not written.exists()


def test_an_export_that_ends_in_between_does_not_compare_a_snapshot_with_itself(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    write(data, _tasks({"a": LINE}))
    write(data, _tasks({"b": LINE}))

    class Late(Choice):
        def open(self) -> Snapshot:
            found = super().open()
            if found.number == 2:
                write(data, _tasks({"c": LINE}))
            return found

    with compare(Choice(data, -1), Late(data)) as found:
        assert (found.before.number, found.after.number) == (2, 3)


def test_a_snapshot_that_is_not_kept(tmp_path: Path) -> None:
    write(tmp_path / "data", [])
    with pytest.raises(DatasetError, match=r"has no snapshot -1; available: 1 \(export --keep N"):
        compare(Choice(tmp_path / "data", -1), Choice(tmp_path / "data"))


def _ask_for_long(found: diff.Comparison) -> None:
    with found.ending_after(0):
        for _ in range(10_000):
            found.differences("task").fetchall()


def test_the_time_is_up(tmp_path: Path) -> None:
    with (
        compare(*_both(tmp_path, _tasks({"a": LINE}), _tasks({"a": {}}))) as found,
        pytest.raises(SnapshotError, match="longer than 0 s"),
    ):
        _ask_for_long(found)
