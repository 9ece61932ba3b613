"""Stored rows are kept by the next commit."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.parts.staging import PointBuffer, StageLimits, TaskPoints
from clearml_snapshot.exporter.store.parts.stored import rows, task_rows, with_stored
from clearml_snapshot.exporter.store.writing.dataset import writing

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = "SELECT metric, variant, iteration, value FROM scalars WHERE task_id = 'a' ORDER BY ALL"


def _point(metric: str, iteration: int | None, value: float, task_id: str = "a") -> Any:
    return (task_id, metric, "🙂", iteration, NOW, value, "w")


STORED = [
    _point("loss", None, 1.0),
    _point("loss", 0, 2.0),
    _point("loss", -(2**63), 3.0),
    _point("loss", 2**63 - 1, 4.0),
    _point("acc", None, 5.0),
    _point("acc", 0, 6.0),
]


def test_complete_rows_of_tasks_are_read_back(tmp_path: Path, commit: Call, line: Call) -> None:
    with writing(tmp_path / "data") as dataset:
        snapshot = commit(dataset, {(t, "p"): line(t, [1]) for t in "abc"})
    (row,) = task_rows(snapshot, {"b", "unknown"})
    assert row["task_id"] == "b"
    assert row["fetched_at"] == NOW
    assert row["fetched_at"].utcoffset() is not None
    assert row["selected"] is None
    assert list(rows(snapshot, "exports", ["export_id", "tasks_gone"])) == [
        {"export_id": "export", "tasks_gone": None}
    ]


@pytest.mark.parametrize("spill_rows", [2, 1_000])
def test_a_fetched_point_replaces_the_stored_one_of_its_key(
    tmp_path: Path,
    commit: Call,
    points: Call,
    task_row: Call,
    export_row: Call,
    ask: Ask,
    spill_rows: int,
) -> None:
    """The task also moves to another project meanwhile; other tasks stay as they are."""
    fetched = [_point("loss", None, 10.0), _point("loss", -(2**63), 30.0), _point("acc", 7, 70.0)]
    with writing(tmp_path / "data", limits=StageLimits(spill_rows=spill_rows)) as dataset:
        other = [_point("loss", 0, 0.5, task_id="b")]
        first = commit(dataset, {("a", "p"): STORED, ("b", "p"): other})
        stage = dataset.new_stage()
        buffer = PointBuffer(stage, "q")
        for point in fetched:
            buffer.add(points([point]))
        joined = with_stored(stage, buffer.finish(), first, "a", "p", "q")
        assert joined.rows == 7
        stage.add(task_row("a", "q", state="shrunk"), (), joined)
        last = dataset.commit(stage, server={}, selections=None, export_row=export_row("2"))
    assert ask(last.root, ALL) == [
        ("acc", "🙂", 0, 6.0),
        ("acc", "🙂", 7, 70.0),
        ("acc", "🙂", None, 5.0),
        ("loss", "🙂", -(2**63), 30.0),
        ("loss", "🙂", 0, 2.0),
        ("loss", "🙂", 2**63 - 1, 4.0),
        ("loss", "🙂", None, 10.0),
    ]
    assert ask(last.root, "SELECT project_id, n FROM series ORDER BY ALL") == [
        ("p", 1),
        ("q", 3),
        ("q", 4),
    ]
    assert last.totals.points == 8


@pytest.mark.parametrize("nothing", ["None", "no points"])
def test_nothing_fetched_keeps_all(
    tmp_path: Path, commit: Call, ask: Ask, task_row: Call, export_row: Call, nothing: str
) -> None:
    with writing(tmp_path / "data") as dataset:
        first = commit(dataset, {("a", "p"): STORED})
        stage = dataset.new_stage()
        fetched: TaskPoints | None = None if nothing == "None" else PointBuffer(stage, "p").finish()
        joined = with_stored(stage, fetched, first, "a", "p", "p")
        stage.add(task_row("a", "p"), (), joined)
        last = dataset.commit(stage, server={}, selections=None, export_row=export_row("2"))
    assert ask(last.root, ALL) == ask(first.root, ALL)
    assert last.totals.points == len(STORED)


def test_a_task_without_stored_points_is_what_was_fetched(
    tmp_path: Path, commit: Call, points: Call
) -> None:
    with writing(tmp_path / "data") as dataset:
        first = commit(dataset, {("a", "p"): []})
        stage = dataset.new_stage()
        buffer = PointBuffer(stage, "p")
        buffer.add(points(STORED))
        assert with_stored(stage, buffer.finish(), first, "a", "p", "p").rows == len(STORED)
