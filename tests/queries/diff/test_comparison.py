"""Two snapshots compared, with plain Python dicts as what must come out."""

import hashlib
import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.parquet import writer_options
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.diff import comparison as diff
from clearml_snapshot.queries.diff.comparison import compare
from clearml_snapshot.queries.diff.model import Choice
from tests.queries.conftest import START, write
from tests.support.compared import (
    INF,
    LINE,
    NAN,
    Key,
    Tasks,
    both,
    differing,
    maxima,
    of_values,
    rows_of,
    tasks_of,
)

VALUES = [NAN, INF, -INF, 0.0, -0.0, None, 1.0, 2.0, 3.0]
SERIES = [("loss", "x"), ("loss", "y"), ("acc", "x"), (":monitor:gpu", "x")]


def _counts(was: Mapping[Key, Any], now: Mapping[Key, Any]) -> tuple[int, int, int]:
    """Count what is new, changed and gone."""
    changed = sum(differing(was[key], now[key]) for key in was.keys() & now.keys())
    return len(now.keys() - was.keys()), changed, len(was.keys() - now.keys())


def _of(points: Mapping[Key, float | None], series: tuple[str, str]) -> dict[Key, float | None]:
    return {key: value for key, value in points.items() if key[:2] == series}


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
    write(tmp_path / "one", tasks_of(was))
    if seed % 2:  # a second export of the same dataset
        now = {**was, **read_again}
        write(tmp_path / "one", tasks_of(read_again))
        sides = Choice(tmp_path / "one", -1), Choice(tmp_path / "one")
    else:  # another dataset, without one of the tasks
        now = {**{name: was[name] for name in "abcde"}, **read_again}
        now.pop("a")
        write(tmp_path / "two", tasks_of(now))
        sides = Choice(tmp_path / "one"), Choice(tmp_path / "two")
    with compare(*sides, threads=1) as compared:
        _check_series(compared, was, now)
        _check_tasks(compared, was, now)
        _check_maxima(compared, was, now)


def _check_series(compared: diff.Comparison, was: Tasks, now: Tasks) -> None:
    expected = {}
    for name in was.keys() | now.keys():
        for series in SERIES:
            old, young = (_of(side.get(name, {}), series) for side in (was, now))
            if any(counts := _counts(old, young)):
                expected[name, *series] = (len(old) or None, len(young) or None, *counts)
    rows = rows_of(compared.differences("series"))
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


def _check_tasks(compared: diff.Comparison, was: Tasks, now: Tasks) -> None:
    counts = {n: _counts(was.get(n, {}), now.get(n, {})) for n in was.keys() | now.keys()}
    expected = {(name, "new", *counts[name]) for name in now.keys() - was.keys()}
    expected |= {(name, "gone", *counts[name]) for name in was.keys() - now.keys()}
    both = was.keys() & now.keys()
    expected |= {(name, "changed", *counts[name]) for name in both if any(counts[name])}
    rows = rows_of(compared.differences("task"))
    names = ("task_id", "change", "n_new", "n_changed", "n_gone")
    assert {tuple(row[name] for name in names) for row in rows} == expected
    for row in rows:
        assert row["points_before"] == len(was.get(row["task_id"], {}))
        assert row["points_after"] == len(now.get(row["task_id"], {}))
        assert row["columns_changed"] == []
    summary = compared.summary
    changes = [change for _, change, *_ in expected]
    assert (summary.tasks_new, summary.tasks_changed, summary.tasks_gone) == tuple(
        changes.count(change) for change in ("new", "changed", "gone")
    )
    assert summary.tasks_same == sum(not any(counts[name]) for name in both)
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    assert [summary.points_new, summary.points_changed, summary.points_gone] == totals
    assert summary.points_same == sum(map(len, now.values())) - totals[0] - totals[1]


def _check_maxima(compared: diff.Comparison, was: Tasks, now: Tasks) -> None:
    old, young, nothing = maxima(was), maxima(now), (None, None, None)
    expected = {
        series: (*old.get(series, nothing), *young.get(series, nothing))
        for series in SERIES
        if old.get(series, nothing)[0] != young.get(series, nothing)[0]
    }
    names = [
        f"{what}_{side}" for side in ("before", "after") for what in ("max", "iteration", "task_id")
    ]
    rows = rows_of(compared.differences("metric"))
    assert {
        (row["metric"], row["variant"]): tuple(row[name] for name in names) for row in rows
    } == expected
    assert compared.summary.maxima_moved == len(expected)
    assert compared.summary.monitor_maxima_moved == len(expected.keys() & {SERIES[3]})


ODD_NAN: float = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0007))[0]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ([NAN, None, -0.0, INF], [ODD_NAN, None, 0.0, INF], 0),
        ([None, 1.0, None, INF], [1.0, None, NAN, -INF], 4),
        ([1.0, 2.0], [2.0, 1.0], 2),
    ],
)
def test_values_that_are_the_same(
    tmp_path: Path, before: list[float | None], after: list[float | None], changed: int
) -> None:
    old, young = tasks_of({"a": of_values(*before)}), tasks_of({"a": of_values(*after)})
    with compare(*both(tmp_path, old, young)) as compared:
        assert [row["n_changed"] for row in rows_of(compared.differences("series"))] == (
            [changed] if changed else []
        )
        assert compared.summary.points_same == len(before) - changed


def test_a_snapshot_and_itself(tmp_path: Path) -> None:
    write(tmp_path / "data", tasks_of({"a": LINE}))
    with compare(Choice(tmp_path / "data"), Choice(tmp_path / "data", 1)) as compared:
        for by in ("task", "series", "metric"):
            assert rows_of(compared.differences(by)) == []
        assert (compared.summary.tasks_same, compared.summary.points_same) == (1, 3)
        assert compared.notes == ()


def test_another_time_or_worker_is_not_a_change(tmp_path: Path) -> None:
    points = [("loss", "x", at, 1.0, seconds) for at, seconds in ((0, 5), (1, None))]
    later = [(*point[:4], 9) for point in points]
    again = {"task_id": "a", "fetched_at": START.replace(year=2027), "fingerprint": "g"}
    sides = both(tmp_path, [{"task_id": "a", "points": points}], [{**again, "points": later}])
    assert sides[0].open().paths("scalars") != sides[1].open().paths("scalars")
    with compare(*sides) as compared:
        assert compared.summary.tasks_same == 1
        assert compared.summary.points_same == 2


def test_points_of_a_task_that_moved_to_another_project_are_the_same(tmp_path: Path) -> None:
    old = tasks_of({"a": LINE, "b": LINE}, project_id="p", project="vision")
    young = tasks_of({"a": LINE}, project_id="q", project="nlp")
    with compare(*both(tmp_path, old, young)) as compared:
        (row,) = rows_of(compared.differences("task"))
        assert (row["task_id"], row["change"], row["project"]) == ("a", "changed", "nlp")
        assert row["columns_changed"] == ["project", "project_id"]
        assert compared.summary.points_same == 6
        assert rows_of(compared.differences("series")) == []


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
    with compare(*both(tmp_path, old, young)) as compared:
        rows = rows_of(compared.differences("task"))
        assert [(row["task_id"], row["columns_changed"]) for row in rows] == [
            ("b", ["params", "reason", "state"]),
            ("a", ["status", "tags"]),
            ("d", ["metric_filter"]),
            ("e", []),
        ]
        assert (rows[0]["state_before"], rows[0]["state_after"]) == ("complete", "gone")
        assert (rows[3]["state_before"], rows[3]["change"]) == (None, "new")
        assert compared.summary.asked_otherwise == 1
        assert compared.summary.tasks_same == 1


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


def test_a_column_that_one_format_does_not_have_did_not_change(tmp_path: Path) -> None:
    for name in ("old", "young"):
        write(tmp_path / name, [{"task_id": "a", "selected": False, "comment": name}])
    _make_version_1(open_snapshot(tmp_path / "old"))
    with compare(Choice(tmp_path / "old"), Choice(tmp_path / "young")) as compared:
        assert compared.summary.tasks[0].columns_changed == ["comment"]
