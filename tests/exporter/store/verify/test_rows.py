"""Rows that do not fit together, and series computed again."""

import math
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.verify import rows as verify_rows
from clearml_snapshot.exporter.store.verify.rows import Slab, slabs
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.damage import (
    Call,
    Change,
    first_value,
    header_of,
    problems_of,
    rewritten,
    with_column,
)

DAMAGED: list[tuple[str, Change, str]] = [
    ("scalars", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "stored more than once: 2 times"),
    ("scalars", lambda t: t.slice(1), "points_stored is wrong: task "),
    ("scalars", lambda t: t.slice(1), "complete without all of its points: task "),
    (
        "scalars",
        with_column("value", first_value(9.0)),
        "series is not what its points give: task ",
    ),
    (
        "scalars",
        with_column("variant", first_value("new")),
        "points without a row in series: task ",
    ),
    (
        "scalars",
        with_column("task_id", first_value("e")),
        "task of scalars is not in tasks: e, 1 points",
    ),
    ("series", lambda t: t.slice(1), "points without a row in series: task "),
    ("series", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "series in series more than once"),
    ("series", with_column("variant", first_value("new")), "series without points: task "),
    (
        "series",
        with_column("task_id", first_value("e")),
        "task of series is not in tasks: e, 1 series",
    ),
    (
        "hyperparams",
        with_column("task_id", first_value("e")),
        "task of hyperparams is not in tasks: e",
    ),
    ("tasks", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "task in tasks more than once: "),
    ("tasks", with_column("points_stored", first_value(3)), "points_stored is wrong: task "),
    (
        "tasks",
        with_column("points_expected", first_value(30)),
        "complete without all of its points: task ",
    ),
    (
        "tasks",
        with_column("project_id", first_value("2" * 32)),
        "points in the folder of another project: ",
    ),
    ("tasks", with_column("project_id", first_value("2" * 32)), "snapshot.json states 1 projects"),
]


@pytest.mark.parametrize(("table", "change", "problem"), DAMAGED)
def test_rows_that_do_not_fit_together(
    snapshot: Path, table: str, change: Change, problem: str
) -> None:
    rewritten(snapshot, table, change)
    assert any(line.startswith(problem) for line in problems_of(snapshot)), problems_of(snapshot)


def _computed_columns() -> list[str]:
    from clearml_snapshot.exporter.store.format.schema import SERIES

    keys = ("task_id", "metric", "variant")
    return [n for n in SERIES.names if n not in keys and not n.startswith("server_")]


def _altered_at(at: int, values: list[Any]) -> list[Any]:
    return [*values[:at], _altered(values[at]), *values[at + 1 :]]


def _altered(value: Any) -> Any:
    if isinstance(value, str):
        return "2" * 32
    if isinstance(value, float):
        return value * (1 + 1e-8) if math.isfinite(value) and value else 7.0
    if isinstance(value, int):
        return value + 1
    return value + timedelta(milliseconds=1) if value is not None else None


def test_every_column_of_series_is_proved(tmp_path: Path, commit: Call, line: Call) -> None:
    """Ten problems of a kind are reported, so nine columns are altered at a time."""
    computed = _computed_columns()
    for start in range(0, len(computed), 9):
        columns, data = computed[start : start + 9], tmp_path / str(start)
        tasks = [f"{number}" for number in range(len(columns))]
        with writing(data) as dataset:
            commit(dataset, {(task, "p"): line(task, [1.5, 2.25, 4.0]) for task in tasks})
        assert verify(data).problems == ()
        for at, column in enumerate(columns):
            rewritten(data / "current", "series", with_column(column, partial(_altered_at, at)))
        assert problems_of(data / "current") == [
            f"series is not what its points give: task {task}, loss/train ({column})"
            for task, column in zip(tasks, columns, strict=True)
        ]


def test_the_last_digits_of_a_mean_may_differ(snapshot: Path) -> None:
    """Values of 1e300 cancel out: what is left of their sum depends on the order."""
    rewritten(
        snapshot,
        "series",
        with_column(
            "mean", lambda old: [None if v is None else v * (1 + 1e-12) + 1e-20 for v in old]
        ),
    )
    assert problems_of(snapshot) == []


def test_a_partial_task_may_miss_points_but_not_miscount(snapshot: Path) -> None:
    def partial(rows: pa.Table) -> pa.Table:
        rows = with_column("state", lambda old: ["partial", *old[1:]])(rows)
        return with_column("points_expected", lambda old: [99, *old[1:]])(rows)

    rewritten(snapshot, "tasks", partial)
    message = "snapshot.json states 4 complete, but the tasks have 3 complete, 1 partial"
    assert problems_of(snapshot) == [message]


def test_points_twice_in_different_files_and_slabs(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_rows.slabs, "__defaults__", (3,))
    rows = pq.ParquetFile(
        snapshot / next(f["path"] for f in header_of(snapshot)["files"] if f["table"] == "scalars")
    ).read()

    def both(other: pa.Table) -> pa.Table:
        return pa.concat_tables([other, rows.filter(pc.field("metric") == "loss").slice(0, 9)])

    assert problems_of(snapshot) == []
    rewritten(snapshot, "scalars", both, at=1)
    doubled = [
        problem for problem in problems_of(snapshot) if problem.startswith("stored more than once")
    ]
    twice = sum(problem.startswith("stored more than once: 2 times task") for problem in doubled)
    assert twice == 9, doubled


def test_many_problems_of_one_kind_are_counted(snapshot: Path) -> None:
    rewritten(
        snapshot,
        "hyperparams",
        lambda t: with_column("task_id", lambda old: [f"x{n:02}" for n in range(len(old))])(
            pa.concat_tables([t] * 20)
        ),
    )
    problems = problems_of(snapshot)
    assert "task of hyperparams is not in tasks: x09, 1 rows" in problems
    assert "task of hyperparams is not in tasks: x10, 1 rows" not in problems
    assert any(line.endswith(": 30 more") for line in problems), problems


def test_slabs_cover_each_metric_once() -> None:
    cut = list(slabs([("a", 2), ("b", 3), ("c", 9), ("d", 1)], size=5))
    assert cut == [
        Slab("a", "b"),
        Slab("c", "c", 2, 0),
        Slab("c", "c", 2, 1),
        Slab("d", "d"),
    ]
    assert list(slabs([])) == []


def test_a_full_disk_is_not_called_damage(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: Could not write: No space left on device")

    monkeypatch.setattr(verify_rows, "_compute", full)
    with pytest.raises(SnapshotError, match="the rows cannot be checked: the disk is full at"):
        verify(snapshot)


def test_too_little_memory_is_not_called_damage(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_rows, "_MEMORY", "1MB")
    with pytest.raises(SnapshotError, match="the rows cannot be checked: out of memory: failed to"):
        verify(snapshot)
