"""How two snapshots are read together: held, confined, filtered, and within a time."""

import contextlib
import json
from pathlib import Path

import duckdb
import pytest

from clearml_snapshot.exporter.errors import DatasetError, NoSuchNameError, SnapshotError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot, no_readers
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.diff import comparison as diff
from clearml_snapshot.queries.diff.comparison import compare
from clearml_snapshot.queries.diff.model import Choice
from clearml_snapshot.queries.duckdb_errors import translating_errors
from tests.queries.conftest import write
from tests.support.compared import LINE, Key, Tasks, both, rows_of, tasks_of


def _damage_pages(path: Path) -> None:
    """Leave the footer of a Parquet file as it is: what is in it is read when a view is made."""
    content = path.read_bytes()
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + b"x" * (end - 4) + content[end:])


def test_files_that_both_have_are_not_read(tmp_path: Path) -> None:
    old = tasks_of({"a": LINE}, project_id="p") + tasks_of({"b": LINE}, project_id="q")
    sides = both(tmp_path, old, tasks_of({"b": {**LINE, ("loss", "x", 9): 9.0}}, project_id="q"))
    shared = {path.stat().st_ino: path for side in sides for path in side.open().root.rglob("*")}
    (path,) = [file for file in shared.values() if "project_id=p/" in str(file)]
    _damage_pages(path)
    with (
        open_dataset(tmp_path / "data") as dataset,
        pytest.raises(SnapshotError),
        translating_errors(),
    ):
        dataset.sql("SELECT sum(value) FROM scalars").fetchall()
    with compare(*sides) as compared:
        assert (compared.summary.points_new, compared.summary.points_same) == (1, 6)


def test_a_filter_takes_what_it_finds_in_either(tmp_path: Path) -> None:
    old = tasks_of({"a": LINE, "b": LINE, "c": LINE}, project="vision", project_id="p")
    young = [
        *tasks_of({"a": {**LINE, ("acc", "x", 0): 1.0}}, project="vision", project_id="p"),
        *tasks_of({"b": LINE}, project="nlp", project_id="q"),
        *tasks_of({"d": LINE}, project="nlp", project_id="q"),
    ]
    sides = both(tmp_path, old, young)
    with compare(*sides, filter=TaskFilter(projects=("nlp",))) as compared:
        rows = rows_of(compared.differences("task"))
        assert [(row["task_id"], row["change"]) for row in rows] == [("b", "changed"), ("d", "new")]
        assert (compared.summary.points_new, compared.summary.points_same) == (3, 3)
        assert compared.summary.maxima_moved == 0
        assert compared.notes == ("only tasks that the filter finds in either: 2",)
    with compare(*sides, filter=TaskFilter(projects=("vision",))) as compared:
        assert [row["task_id"] for row in rows_of(compared.differences("task"))] == ["a", "b"]
        assert compared.summary.tasks_same == 1
    with pytest.raises(NoSuchNameError, match="audio"):
        compare(*sides, filter=TaskFilter(projects=("audio",)))


def test_a_summary_names_the_first_and_what_json_can_hold(tmp_path: Path) -> None:
    keys: list[list[Key]] = [[(f"m{n:02}", "x", 0), (":monitor:m", "x", 0)] for n in range(25)]
    old: Tasks = {f"{n:02}": dict.fromkeys(both, 1.0) for n, both in enumerate(keys)}
    young: Tasks = {f"{n:02}": dict.fromkeys(both, 2.0) for n, both in enumerate(keys)}
    with compare(*both(tmp_path, tasks_of(old), tasks_of(young))) as compared:
        summary = compared.summary
        assert [task.task_id for task in summary.tasks] == [f"{n:02}" for n in range(diff.FIRST)]
        assert [maximum.metric for maximum in summary.maxima] == [
            f"m{n:02}" for n in range(diff.FIRST)
        ]
        assert (summary.tasks_changed, summary.maxima_moved, summary.monitor_maxima_moved) == (
            25,
            26,
            1,
        )
        assert rows_of(compared.differences("metric"))[-1]["metric"] == ":monitor:m"
        page = json.loads(json.dumps(summary.as_dict()))
    assert page["before"]["number"] == 1
    assert page["after"]["place"] == str(open_snapshot(tmp_path / "data").root)
    assert page["tasks"][0]["n_changed"] == 2


def test_both_snapshots_are_held_and_nothing_else_is_seen(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n")
    sides = both(tmp_path, tasks_of({"a": LINE}), tasks_of({"a": {}}))
    with compare(*sides) as compared:
        for side in sides:
            with no_readers(side.open().root) as free:
                assert not free
        relation = compared.differences("task")
        with pytest.raises(duckdb.PermissionException):
            relation.query("x", f"FROM read_csv('{tmp_path}/other.csv')")
    for side in sides:
        with no_readers(side.open().root) as free:
            assert free


def test_a_table_named_as_sql_is_not_run(tmp_path: Path) -> None:
    """A snapshot folder may come from anywhere, and its snapshot.json may contain anything."""
    data, written = tmp_path / "data", tmp_path / "written"
    write(data, tasks_of({"a": LINE}))
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
    with compare(Choice(data), Choice(root)) as compared:
        assert compared.summary.points_same == 3
    assert not written.exists()


def test_an_export_that_ends_in_between_does_not_compare_a_snapshot_with_itself(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    write(data, tasks_of({"a": LINE}))
    write(data, tasks_of({"b": LINE}))

    class Late(Choice):
        def open(self) -> Snapshot:
            snapshot = super().open()
            if snapshot.number == 2:
                write(data, tasks_of({"c": LINE}))
            return snapshot

    with compare(Choice(data, -1), Late(data)) as compared:
        assert (compared.before.number, compared.after.number) == (2, 3)


def test_a_snapshot_that_is_not_kept(tmp_path: Path) -> None:
    write(tmp_path / "data", [])
    with pytest.raises(
        DatasetError, match=r"has no snapshot -1; available: 1 \(export with `keep`"
    ):
        compare(Choice(tmp_path / "data", -1), Choice(tmp_path / "data"))


def _query_for_long(compared: diff.Comparison) -> None:
    with compared.ending_after(0):
        for _ in range(10_000):
            compared.differences("task").fetchall()


def test_the_time_is_up(tmp_path: Path) -> None:
    with (
        compare(*both(tmp_path, tasks_of({"a": LINE}), tasks_of({"a": {}}))) as compared,
        pytest.raises(SnapshotError, match="longer than 0 s"),
    ):
        _query_for_long(compared)
