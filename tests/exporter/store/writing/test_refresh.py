"""New metadata of a task whose points stay, and points that move with it to another project."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, PointBuffer, Stage
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing import build as commit
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]

COUNTS = "SELECT task_id, project_id, count(*), sum(value) FROM scalars GROUP BY ALL ORDER BY ALL"
PARAMS = "SELECT task_id, name, value FROM hyperparams ORDER BY ALL"


def _finish(dataset: Dataset, stage: Stage, export_row: Call) -> Snapshot:
    return dataset.commit(stage, server={}, selections=None, export_row=export_row("refresh"))


def _inodes(snapshot: Snapshot, table: str) -> list[int]:
    return sorted(Path(path).stat().st_ino for path in snapshot.paths(table))


def test_only_the_metadata_is_replaced(
    tmp_path: Path, commit: Call, line: Call, task_row: Call, export_row: Call, ask: Ask
) -> None:
    with writing(tmp_path / "data") as dataset:
        before = commit(dataset, {(t, "p"): line(t, [1, 2]) for t in "abc"})
        stage = dataset.new_stage()
        stage.refresh(task_row("a", "p", name="new", selected=False), None)
        stage.refresh(
            task_row("b", "p", name="b"), [{"section": "Args", "name": "lr", "value": "9"}]
        )
        after = _finish(dataset, stage, export_row)
    assert ask(after.root, "SELECT task_id, name, selected FROM tasks ORDER BY 1") == [
        ("a", "new", False),
        ("b", "b", None),
        ("c", None, None),
    ]
    assert ask(after.root, PARAMS) == [("a", "lr", "0.1"), ("b", "lr", "9"), ("c", "lr", "0.1")]
    for table in ("scalars", "series"):
        assert _inodes(before, table) == _inodes(after, table)
    assert ask(after.root, COUNTS) == ask(before.root, COUNTS)


def test_hyperparams_that_stay_are_not_written_again(
    tmp_path: Path, commit: Call, line: Call, task_row: Call, export_row: Call
) -> None:
    with writing(tmp_path / "data") as dataset:
        before = commit(dataset, {("a", "p"): line("a", [1])})
        stage = dataset.new_stage()
        stage.refresh(task_row("a", "p"), None)
        after = _finish(dataset, stage, export_row)
    assert _inodes(before, "hyperparams") == _inodes(after, "hyperparams")


def test_a_task_is_staged_once(tmp_path: Path, task_row: Call) -> None:
    stage = Stage(tmp_path)
    stage.refresh(task_row("a"), None)
    assert stage.task_ids == {"a"}
    for again in (stage.add, lambda row: stage.refresh(row, ())):
        with pytest.raises(ValueError, match="task a is staged twice"):
            again(task_row("a"))


def _commit_with_claims(
    dataset: Dataset, tasks: dict[str, Any], task_row: Call, points: Call, export_row: Call
) -> Snapshot:
    stage = dataset.new_stage()
    for task_id, rows in tasks.items():
        buffer = PointBuffer(stage, "p")
        buffer.add(points(rows))
        claim = [[task_id], ["loss"], ["train"], [1.5], [2.5], [3.5], [4], [0], [1]]
        claims = pa.table(dict(zip(SERVER_VALUES.names, claim, strict=True)))
        stage.add(task_row(task_id, "p"), (), buffer.finish(), claims)
    return dataset.commit(stage, server={}, selections=None, export_row=export_row("first"))


def test_points_move_with_their_task(
    tmp_path: Path,
    line: Call,
    points: Call,
    task_row: Call,
    export_row: Call,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To another project, to none, beside a task that stays and one that is replaced."""
    monkeypatch.setattr(commit, "MOVE_ROWS", 3)  # the moved points take more than one file
    tasks = {task_id: line(task_id, [1, 2, 3]) for task_id in "abcd"}
    with writing(tmp_path / "data") as dataset:
        before = _commit_with_claims(dataset, tasks, task_row, points, export_row)
        stage = dataset.new_stage()
        stage.refresh(task_row("a", "q"), None)
        stage.refresh(task_row("b", None), None)
        buffer = PointBuffer(stage, "p")
        buffer.add(points(line("d", [7])))
        stage.add(task_row("d", "p"), (), buffer.finish())
        stage.refresh(task_row("new", "q"), None)
        after = _finish(dataset, stage, export_row)
    assert ask(after.root, COUNTS) == [
        ("a", "q", 3, 6.0),
        ("b", None, 3, 6.0),
        ("c", "p", 3, 6.0),
        ("d", "p", 1, 7.0),
    ]
    moved = "SELECT * EXCLUDE (project_id) FROM series WHERE task_id <> 'd' ORDER BY task_id"
    assert ask(after.root, moved) == ask(before.root, moved)
    projects = "SELECT task_id, project_id, server_count FROM series ORDER BY 1"
    assert ask(after.root, projects) == [
        ("a", "q", 4),
        ("b", None, 4),
        ("c", "p", 4),
        ("d", "p", None),
    ]
    whole = "SELECT * EXCLUDE (project_id) FROM scalars WHERE task_id <> 'd' ORDER BY ALL"
    assert ask(after.root, whole) == ask(before.root, whole)
    assert after.totals.points == 10
    assert after.totals.tasks == 5


def test_a_partition_that_everything_leaves_is_gone(
    tmp_path: Path, commit: Call, line: Call, task_row: Call, export_row: Call, ask: Ask
) -> None:
    tasks = {(f"t{n}", "p"): line(f"t{n}", range(5)) for n in range(50)}
    with writing(tmp_path / "data") as dataset:
        commit(dataset, tasks)
        stage = dataset.new_stage()
        for n in range(50):
            stage.refresh(task_row(f"t{n}", f"q{n % 3}"), None)
        after = _finish(dataset, stage, export_row)
    assert sorted(path.name for path in (after.root / "scalars").iterdir()) == [
        "project_id=q0",
        "project_id=q1",
        "project_id=q2",
    ]
    disagree = "SELECT count(*) FROM scalars JOIN tasks USING (task_id) WHERE "
    assert ask(after.root, disagree + "scalars.project_id <> tasks.project_id") == [(0,)]
    assert ask(after.root, disagree + "scalars.project_id = tasks.project_id") == [(250,)]


def test_a_commit_without_an_export_leaves_exports_as_they_are(
    tmp_path: Path, commit: Call, line: Call, ask: Ask
) -> None:
    with writing(tmp_path / "data") as dataset:
        before = commit(dataset, {("a", "p"): line("a", [1])}, "first")
        stage = dataset.new_stage()
        after = dataset.commit(stage, server={}, selections=[], export_row=None)
    assert _inodes(before, "exports") == _inodes(after, "exports")
    assert ask(after.root, "SELECT export_id FROM exports") == [("first",)]
    assert after.selections == []


def test_damage_is_never_written_again(tmp_path: Path, commit: Call, line: Call) -> None:
    """A file that is written again gets a new hash: changes by the disk would look intact."""
    with writing(tmp_path / "data") as dataset:
        first = commit(dataset, {("a", "p"): line("a", [1] * 50), ("b", "p"): line("b", [2] * 50)})
        path = Path(first.paths("scalars")[0])
        content = path.read_bytes()
        path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
        with pytest.raises(DatasetError, match=r"part-\S+ is damaged"):
            commit(dataset, {("a", "p"): line("a", [3])}, "second")
    assert (tmp_path / "data" / "current").resolve() == first.root
