"""A commit: replaced tasks, linked files, totals, empty tables."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.staging import PointBuffer, StageLimits
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]

COUNTS = "SELECT task_id, project_id, count(*), sum(value) FROM scalars GROUP BY ALL ORDER BY ALL"


def _inode(snapshot: Snapshot, path: str) -> int:
    return (snapshot.root / path).stat().st_ino


def _check_listed(snapshot: Snapshot) -> None:
    """The listing and the folder agree, to the hash; each table has one schema."""
    on_disk = {p.relative_to(snapshot.root).as_posix() for p in snapshot.root.rglob("*.parquet")}
    assert {entry.path for entry in snapshot.files} == on_disk
    for entry in snapshot.files:
        content = (snapshot.root / entry.path).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert entry.rows == pq.read_metadata(snapshot.root / entry.path).num_rows
    for table in TABLES:
        schemas = [pq.ParquetFile(path).schema for path in snapshot.paths(table)]
        assert all(schema.equals(schemas[0]) for schema in schemas)


def test_an_export_of_nothing_is_a_valid_dataset(tmp_path: Path, commit: Call, ask: Ask) -> None:
    with writing(tmp_path / "data") as dataset:
        snapshot = commit(dataset, {})
    _check_listed(snapshot)
    for table in TABLES:
        assert snapshot.paths(table)
        expected = 1 if table == "exports" else 0
        assert ask(snapshot.root, f"SELECT count(*) FROM {table}") == [(expected,)]
    assert snapshot.totals.tasks == 0
    assert ask(snapshot.root, "SELECT project_id FROM scalars") == []


def test_a_task_replaces_its_rows_in_every_table(
    tmp_path: Path, commit: Call, line: Call, ask: Ask
) -> None:
    with writing(tmp_path / "data") as dataset:
        first = commit(dataset, {("a", "p"): line("a", [1, 2]), ("b", "p"): line("b", [3, 4])}, "1")
        second = commit(dataset, {("c", "q"): line("c", [5])}, "2")
        three = commit(dataset, {("a", "p"): line("a", [7, 8, 9])}, "3")
    assert ask(three.root, COUNTS) == [("a", "p", 3, 24.0), ("b", "p", 2, 7.0), ("c", "q", 1, 5.0)]
    assert ask(three.root, 'SELECT task_id, max, "last" FROM series ORDER BY 1') == [
        ("a", 9.0, 9.0),
        ("b", 4.0, 4.0),
        ("c", 5.0, 5.0),
    ]
    for table in ("tasks", "hyperparams"):
        rows = ask(three.root, f"SELECT task_id FROM {table} ORDER BY 1")
        assert rows == [("a",), ("b",), ("c",)]
    assert ask(three.root, "SELECT export_id FROM exports ORDER BY 1") == [("1",), ("2",), ("3",)]
    assert (three.totals.tasks, three.totals.points, three.totals.projects) == (3, 6, 2)
    _check_listed(three)
    assert ask(second.root, COUNTS) == [("a", "p", 2, 3.0), ("b", "p", 2, 7.0), ("c", "q", 1, 5.0)]
    assert first.number == 1


def test_files_that_live_on_are_linked_not_written(
    tmp_path: Path, commit: Call, line: Call
) -> None:
    with writing(tmp_path / "data") as dataset:
        first = commit(dataset, {("a", "p"): line("a", [1]), ("b", None): line("b", [2])}, "1")
        second = commit(dataset, {("a", "p"): line("a", [3])}, "2")
    kept = {entry.path for entry in first.files} & {entry.path for entry in second.files}
    assert [path.split("/")[1] for path in kept] == ["project_id=__HIVE_DEFAULT_PARTITION__"]
    assert all(_inode(first, path) == _inode(second, path) for path in kept)
    assert not [f for f in second.files if f.table == "scalars" and not f.rows]


def test_a_task_moves_to_another_project_or_loses_its_points(
    tmp_path: Path, commit: Call, line: Call, ask: Ask
) -> None:
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1]), ("b", "p"): line("b", [2])}, "1")
        moved = commit(dataset, {("a", "q"): line("a", [1])}, "2")
        assert ask(moved.root, COUNTS) == [("a", "q", 1, 1.0), ("b", "p", 1, 2.0)]
        bare = commit(dataset, {("a", "q"): [], ("b", "p"): []}, "3")
    assert ask(bare.root, COUNTS) == []
    assert ask(bare.root, "SELECT task_id FROM tasks ORDER BY 1") == [("a",), ("b",)]
    _check_listed(bare)


def test_the_row_of_an_export_is_replaced(
    tmp_path: Path, commit: Call, line: Call, ask: Ask
) -> None:
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1])}, "run", checkpoint=True)
        last = commit(dataset, {("b", "p"): line("b", [1])}, "run")
    assert ask(last.root, "SELECT export_id FROM exports") == [("run",)]
    assert len(last.paths("exports")) == 1


def test_a_rewritten_file_keeps_its_order(
    tmp_path: Path, commit: Call, line: Call, ask: Ask
) -> None:
    tasks = {(f"t{n}", "p"): line(f"t{n}", range(1000)) for n in range(5)}
    with writing(tmp_path / "data") as dataset:
        commit(dataset, tasks)
        last = commit(dataset, {("t2", "p"): line("t2", [0.5])})
    sizes = {}
    for path in last.paths("scalars"):
        rows = pq.read_table(path, partitioning=None).select(["task_id", "iteration"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["task_id"], row["iteration"]))
        sizes[rows[0]["task_id"]] = len(rows)
    assert sizes == {"t0": 4000, "t2": 1}


def test_points_of_a_task_may_outlive_the_stage_they_began_in(
    tmp_path: Path,
    commit: Call,
    line: Call,
    points: Call,
    task_row: Call,
    export_row: Call,
    ask: Ask,
) -> None:
    """A huge task is still being fetched when a checkpoint is committed."""
    with writing(tmp_path / "data", limits=StageLimits(spill_rows=400)) as dataset:
        buffer = PointBuffer(dataset.new_stage(), "p")
        for start in range(6):
            rows = [
                (*row[:3], start * 100 + i, *row[4:])
                for i, row in enumerate(line("huge", [0.0] * 100))
            ]
            buffer.add(points(rows))
        commit(dataset, {("a", "p"): line("a", [1])}, checkpoint=True)
        stage = dataset.new_stage()
        stage.add(task_row("huge", "p"), (), buffer.finish())
        row = export_row("export")
        last = dataset.commit(stage, server={}, selections=None, export_row=row)
    assert ask(last.root, "SELECT task_id, n FROM series ORDER BY 1") == [
        ("a", 1),
        ("huge", 600),
    ]


def test_without_links_files_are_copied(
    tmp_path: Path, commit: Call, line: Call, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate a drive without links: the two system calls fail, as they do there."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    data = tmp_path / "data"
    with writing(data) as dataset:
        first = commit(dataset, {("a", "p"): line("a", [1]), ("b", None): line("b", [2])}, "1")
        second = commit(dataset, {("a", "p"): line("a", [3])}, "2")
    kept = {entry.path for entry in first.files} & {entry.path for entry in second.files}
    assert kept
    assert all(_inode(first, path) != _inode(second, path) for path in kept)
    assert not (data / "current").exists()
    assert (data / "CURRENT").read_text() == "snapshots/000002\n"
    assert open_snapshot(data).number == 2
    assert ask(second.root, COUNTS) == [("a", "p", 1, 3.0), ("b", None, 1, 2.0)]
    monkeypatch.undo()
    with writing(data) as dataset:
        commit(dataset, {}, "3")
    assert not (data / "CURRENT").exists()
    assert open_snapshot(data).number == 3


@pytest.mark.parametrize("was", ["a link", "a folder", "a text"])
def test_an_older_current_is_removed_where_links_cannot_be_made(
    was: str, tmp_path: Path, commit: Call, line: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of plain Parquet know the link only, so it never leads to an older snapshot."""
    data = tmp_path / "data"
    with writing(data) as dataset:
        commit(dataset, {("a", "p"): line("a", [1])}, "1")
    if was != "a link":
        (data / "current").unlink()
    if was == "a folder":
        shutil.copytree(data / "snapshots" / "000001", data / "current")
    if was == "a text":
        (data / "current").write_text("snapshots/000001\n")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "symlink", refuse)
    with writing(data) as dataset:
        commit(dataset, {("b", "p"): line("b", [1])}, "2")
    assert not os.path.lexists(data / "current")
    assert (data / "CURRENT").read_text() == "snapshots/000002\n"
    assert open_snapshot(data).totals.tasks == 2


def test_a_link_that_cannot_be_removed_fails_the_commit(
    tmp_path: Path, commit: Call, line: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with writing(data) as dataset:
        commit(dataset, {("a", "p"): line("a", [1])}, "1")
    unlink = os.unlink

    def refuse(path: Any, *others: Any, **options: Any) -> None:
        if str(path).endswith("current"):
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, *others, **options)

    monkeypatch.setattr(os, "symlink", refuse_link)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError, match="current"), writing(data) as dataset:
        commit(dataset, {("b", "p"): line("b", [1])}, "2")


def refuse_link(*_: object, **__: object) -> None:
    """Simulate a drive that has older links and accepts no new ones."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(("linked", "written"), [(1, 2), (2, 1)])
def test_of_two_pointers_the_newer_one_counts(
    linked: int, written: int, tmp_path: Path, commit: Call, line: Call
) -> None:
    """Both are there when a commit was killed between them; an older version left both."""
    data = tmp_path / "data"
    with writing(data) as dataset:
        for number in (1, 2):
            tasks = {(f"t{number}", "p"): line(f"t{number}", [1])}
            commit(dataset, tasks, str(number), keep=Retention.parse("2"))
    (data / "current").unlink()
    (data / "current").symlink_to(f"snapshots/{linked:06d}")
    (data / "CURRENT").write_text(f"snapshots/{written:06d}\n")
    assert open_snapshot(data).number == 2
    with writing(data):
        pass
    assert not (data / "CURRENT").exists()
    assert (data / "current").resolve().name == "000002"


def test_a_current_that_became_a_folder_is_put_right(
    tmp_path: Path, commit: Call, line: Call
) -> None:
    """Tools that follow symlinks leave a folder in its place."""
    data = tmp_path / "data"
    with writing(data) as dataset:
        commit(dataset, {("a", "p"): line("a", [1])})
    shutil.copytree(data, tmp_path / "copy", symlinks=False)
    copy = tmp_path / "copy"
    assert (copy / "current").is_dir()
    assert open_snapshot(copy).number == 1
    with writing(copy) as dataset:
        commit(dataset, {("b", "p"): line("b", [1])})
    assert (copy / "current").is_symlink()
    assert open_snapshot(copy).totals.tasks == 2
