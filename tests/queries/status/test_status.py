"""What a status counts and names, and what the server's claims are compared with."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.status.server_summary import disagreements, server_summary
from clearml_snapshot.queries.status.status import ranking, status

START = datetime(2026, 1, 1, tzinfo=UTC)

LINE = [("loss", "train", 0, 1.0), ("loss", "train", 1, 0.5)]
MONITOR = [(":monitor:gpu", "gpu_0", 0, 50.0)]

TASKS: list[dict[str, Any]] = [
    {
        "task_id": "a",
        "project_id": "p1",
        "project": "vision",
        "user": "Ada",
        "user_id": "u1",
        "points": [*LINE, *MONITOR],
    },
    {
        "task_id": "b",
        "project_id": "p1",
        "project": "vision",
        "user": "Ada",
        "user_id": "u1",
        "status": "in_progress",
        "points": LINE,
    },
    {"task_id": "c", "archived": True, "state": "partial", "reason": "5 of 9", "points": LINE[:1]},
    {"task_id": "d", "name": "bad\x1b[2J\nname", "state": "failed", "reason": "400"},
    {"task_id": "e", "state": "gone", "reason": "deleted", "status": "created"},
]


def test_the_status_of_a_snapshot(make_dataset: Callable[..., Path]) -> None:
    with open_dataset(make_dataset(TASKS)) as dataset:
        later = dataset.snapshot.created_at + timedelta(hours=2)
        summary = status(dataset, now=later)
    assert (summary.tasks, summary.projects, summary.series, summary.points) == (5, 1, 4, 6)
    assert summary.monitor_points == 1
    assert summary.states == {"complete": 2, "failed": 1, "gone": 1, "partial": 1}
    assert (summary.running, summary.archived, summary.no_longer_selected) == (1, 1, 0)
    assert summary.age == 7200
    assert summary.server == "http://server"
    assert summary.exports == 1
    assert summary.last_export is not None
    assert (summary.last_export.started, summary.last_export.finished) == (START, None)
    assert (summary.last_export.result, summary.last_export.user) == ("complete", "Ada")
    assert [task.task_id for task in summary.problem_tasks] == ["d", "c", "e"]
    assert summary.problem_tasks[1].reason == "5 of 9"
    assert summary.root == Path(summary.root).resolve()
    as_json = json.loads(json.dumps(summary.as_dict()))
    assert as_json["states"] == summary.states
    assert as_json["last_export"]["started"] == "2026-01-01T00:00:00+00:00"
    assert as_json["problem_tasks"][0]["name"] == "bad\x1b[2J\nname"


def test_only_the_first_problems_are_named(make_dataset: Callable[..., Path]) -> None:
    tasks = [{"task_id": f"{n:02}", "state": "partial"} for n in range(12)]
    with open_dataset(make_dataset(tasks)) as dataset:
        summary = status(dataset)
    assert summary.problems == 12
    assert [task.task_id for task in summary.problem_tasks] == [f"{n:02}" for n in range(10)]


def test_the_export_that_began_last(make_dataset: Callable[..., Path]) -> None:
    data = make_dataset(TASKS)
    with writing(data) as dataset:
        for number, (days, result) in enumerate([(9, "interrupted"), (3, "complete")]):
            row: dict[str, Any] = {"export_id": f"later{number}"}
            row["started"] = START + timedelta(days=days)
            dataset.commit(
                dataset.new_stage(), server={}, selections=[], export_row={**row, "result": result}
            )
    with open_dataset(data) as opened:
        summary = status(opened)
    assert summary.exports == 3
    assert summary.last_export is not None
    assert summary.last_export.result == "interrupted"
    assert (summary.server, summary.server_version) == (None, None)


def test_an_empty_dataset(make_dataset: Callable[..., Path]) -> None:
    with open_dataset(make_dataset([])) as dataset:
        summary = status(dataset)
        assert dataset.rows(ranking(dataset, "project")).rows == ()
    assert (summary.tasks, summary.points, summary.monitor_points, summary.states) == (0, 0, 0, {})


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("project", [("vision", "p1", 2, 3, 5, 0.8333), ("(no project)", "", 3, 1, 1, 0.1667)]),
        ("user", [("Ada", "u1", 2, 3, 5, 0.8333), ("(unknown)", "", 3, 1, 1, 0.1667)]),
        ("task", [("task a", "a", 1, 2, 3, 0.5), ("task b", "b", 1, 1, 2, 0.3333)]),
    ],
)
def test_ranked_by_points(make_dataset: Callable[..., Path], by: Any, rows: list[Any]) -> None:
    with open_dataset(make_dataset(TASKS)) as dataset:
        ranked = dataset.rows(ranking(dataset, by, 2))
    assert ranked.columns == ("name", "id", "tasks", "series", "points", "share", "fetched_at")
    assert [row[:-1] for row in ranked.rows] == rows
    assert ranked.rows[0][-1] == START


def test_a_renamed_project_is_one_row_with_its_newest_name(
    make_dataset: Callable[..., Path],
) -> None:
    tasks = [
        {"task_id": "a", "project_id": "p", "project": "old", "fetched_at": START},
        {"task_id": "b", "project_id": "p", "project": "new", "fetched_at": START.replace(day=2)},
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        ((name, project_id, count, *_, newest),) = dataset.rows(ranking(dataset, "project")).rows
    assert (name, project_id, count, newest) == ("new", "p", 2, START.replace(day=2))


Claim = tuple[float | None, float | None, float | None, int | None]
"""last, min, max, count"""

_USUAL = (1.0, 3.0, 2.0)


def _claimed(
    data: Path,
    claims: Mapping[str, Claim | None],
    values: Mapping[str, Sequence[float | None]] | None = None,
    at: tuple[int | None, int | None] = (None, None),
    **columns: Any,
) -> None:
    """Write a task with three points per series, and what the server reports for them."""
    with writing(data) as dataset:
        stage = dataset.new_stage()
        buffer = PointBuffer(stage, None)
        for variant in claims:
            buffer.add(
                pa.table(
                    {
                        "task_id": ["a"] * 3,
                        "metric": ["loss"] * 3,
                        "variant": [variant] * 3,
                        "iteration": pa.array([0, 1, 2], pa.int64()),
                        "timestamp": pa.array([START] * 3, pa.timestamp("ms", "UTC")),
                        "value": pa.array((values or {}).get(variant, _USUAL), pa.float64()),
                        "worker": ["w"] * 3,
                    }
                )
            )
        rows = [
            dict(zip(SERVER_VALUES.names, ("a", "loss", variant, *claim, *at), strict=True))
            for variant, claim in claims.items()
            if claim is not None
        ]
        row: dict[str, Any] = {"task_id": "a", "name": "run", "server_id": "x", "state": "complete"}
        row |= {"status": "completed", "fetched_at": START, "fingerprint": "f", **columns}
        stage.add(row, [], buffer.finish(), pa.Table.from_pylist(rows, SERVER_VALUES))
        export = {"export_id": "e", "started": START, "result": "complete"}
        dataset.commit(stage, server={}, selections=[], export_row=export)


def _found(data: Path) -> tuple[list[tuple[Any, ...]], str]:
    with open_dataset(data) as dataset:
        answer = disagreements(dataset)
        rows = [
            (row["variant"], row["what"], row["ours"], row["theirs"], row["legitimate"], row["why"])
            for row in dataset.rows(answer).as_dicts()
        ]
        return rows, str(server_summary(dataset, answer))


OVERWRITTEN_OR_LOST = "overwritten, which counts each report, or lost on the server"


@pytest.mark.parametrize(("low_at", "high_at", "is_lost"), [(0, 2, False), (0, 77, True)])
def test_a_loss_is_not_explained_away(
    tmp_path: Path, low_at: int, high_at: int, is_lost: bool
) -> None:
    """Iteration 77 is named by the summary and has no point: overwriting cannot explain it."""
    data = tmp_path / "data"
    _claimed(data, {"x": (2.0, 0.5, 9.0, 9)}, at=(low_at, high_at))
    rows, line = _found(data)
    assert [row[1] for row in rows] == ["count", "max", "min"]
    assert [row[4] for row in rows] == [not is_lost] * 3
    if is_lost:
        assert {row[5] for row in rows} == {
            "lost on the server: no point at an iteration that it names"
        }
    lost = "1 disagree, 0 of them for no known reason, 1 because the server lost points"
    assert (lost in line) == is_lost


def test_claims_that_agree_are_not_listed(tmp_path: Path) -> None:
    _claimed(tmp_path / "data", {"x": (2.0, 1.0, 3.0, 3), "no claim": None, "y": (2, 1, 3, 3)})
    rows, line = _found(tmp_path / "data")
    assert rows == []
    assert line == (
        "2 series compared with the server's summary: 0 disagree, 0 of them for no known reason; "
        "1 have none: 1 left out by it (older servers do)"
    )


@pytest.mark.parametrize(
    ("columns", "values", "others", "why"),
    [
        ({}, [1.0, 3.0, 2.0], 2000, "1 have none: 1 beyond the 2,000 series a task that it keeps"),
        ({}, [1.0, 3.0, 2.0], 1999, "1 have none: 1 left out by it (older servers do)"),
        ({}, [None, math.nan, math.inf], 2000, "1 have none: 1 without a finite number"),
        ({"state": "gone"}, [1.0, 3.0, 2.0], 1, "1 have none: 1 lost by the server"),
    ],
)
def test_why_a_series_has_no_claim(
    tmp_path: Path, columns: Any, values: list[float | None], others: int, why: str
) -> None:
    claims: dict[str, Claim | None] = {
        f"v{number}": (None, 1.0, 3.0, 3) for number in range(others)
    }
    _claimed(tmp_path / "data", {**claims, "none": None}, {"none": values}, **columns)
    rows, line = _found(tmp_path / "data")
    assert rows == []
    assert line.startswith(f"{others:,} series compared with the server's summary: 0 disagree")
    assert line.endswith(f"; {why}")


def test_a_claim_without_a_count_is_compared(tmp_path: Path) -> None:
    """Older servers do not count reports."""
    _claimed(tmp_path / "data", {"x": (2.0, 1.5, 3.0, None)})
    rows, line = _found(tmp_path / "data")
    assert [row[:2] for row in rows] == [("x", "min")]
    assert line == (
        "1 series compared with the server's summary: 1 disagree, 1 of them for no known reason; "
        "1 have no count in it (an older server)"
    )


@pytest.mark.parametrize(
    ("claim", "what", "theirs", "legitimate", "why"),
    [
        ((2.0, 0.5, 3.0, 3), "min", 0.5, True, "an overwritten point stays in their summary"),
        ((2.0, 1.0, 9.0, 3), "max", 9.0, True, "an overwritten point stays in their summary"),
        ((2.0, 1.0, 3.0, 4), "count", 4.0, True, OVERWRITTEN_OR_LOST),
        (
            (1.0, 1.0, 3.0, 3),
            "last",
            1.0,
            True,
            "theirs is the last report, ours the highest iteration",
        ),
        ((2.0, 1.5, 3.0, 3), "min", 1.5, False, "no known reason; export it again"),
        ((2.0, 1.0, 2.5, 3), "max", 2.5, False, "no known reason; export it again"),
        ((2.0, 1.0, 3.0, 2), "count", 2.0, False, "no known reason; export it again"),
    ],
)
def test_why_claims_disagree(
    tmp_path: Path, claim: Claim, what: str, theirs: float, legitimate: bool, why: str
) -> None:
    _claimed(tmp_path / "data", {"x": claim})
    ((variant, *difference),), line = _found(tmp_path / "data")
    ours = {"min": 1.0, "max": 3.0, "count": 3.0, "last": 2.0}[what]
    assert (variant, *difference) == ("x", what, ours, theirs, legitimate, why)
    assert f"1 disagree, {0 if legitimate else 1} of them for no known reason" in line


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"status": "in_progress"}, "the task was running"),
        ({"state": "partial"}, "the task is not complete here"),
        ({"state": "shrunk"}, "points stay here that the server lost"),
    ],
)
def test_a_state_explains_it(tmp_path: Path, columns: Mapping[str, Any], why: str) -> None:
    _claimed(tmp_path / "data", {"x": (2.0, 1.0, 3.0, 2)}, **columns)
    (row,), _ = _found(tmp_path / "data")
    assert row[-2:] == (True, why)


def test_unexplained_ones_come_first_and_a_series_counts_once(tmp_path: Path) -> None:
    _claimed(tmp_path / "data", {"a": (9.0, 0.0, 9.0, 9), "b": (2.0, 1.5, 2.5, 1)})
    rows, line = _found(tmp_path / "data")
    assert [row[0] for row in rows] == ["b"] * 3 + ["a"] * 4
    assert "2 disagree, 1 of them" in line
