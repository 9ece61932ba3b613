"""A snapshot of an older format version: readable, and current after the next commit."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.layout import ADDED, FORMAT_VERSION, missing_columns
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts.parquet import writer_options
from clearml_snapshot.exporter.store.parts.stored import task_rows
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries.session import connect

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]


def make_older(folder: Path, version: int) -> None:
    """Take out of a snapshot what later versions brought."""
    path = folder / "snapshot.json"
    header = json.loads(path.read_bytes())
    header["format_version"] = version
    for entry in header["files"]:
        newer = list(missing_columns(entry["table"], version))
        if newer:
            file = folder / entry["path"]
            older = pq.read_table(file, partitioning=None).drop_columns(newer)
            pq.write_table(older, file, **writer_options(older.schema))
            content = file.read_bytes()
            entry.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    header["totals"]["bytes"] = sum(entry["bytes"] for entry in header["files"])
    path.write_text(json.dumps(header))


@pytest.fixture
def data(tmp_path: Path, commit: Call, line: Call) -> Path:
    """A dataset of format version 1."""
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1])}, "1")
        last = commit(dataset, {("b", "p"): line("b", [2])}, "2")
    make_older(last.root, 1)
    return tmp_path / "data"


def test_every_column_that_was_added_is_in_its_table() -> None:
    assert max(ADDED) <= FORMAT_VERSION
    kinds = {
        "BOOLEAN": "bool",
        "BIGINT": "int64",
        "VARCHAR": "string",
        "VARCHAR[]": "list<item: string>",
        "TIMESTAMP WITH TIME ZONE": "timestamp[ms, tz=UTC]",
    }
    for tables in ADDED.values():
        for table, columns in tables.items():
            for name, kind in columns.items():
                assert str(TABLES[table].field(name).type) == kinds[kind]
                assert TABLES[table].field(name).nullable


def test_queries_see_missing_columns_as_null(data: Path) -> None:
    snapshot = open_snapshot(data)
    assert snapshot.format_version == 1
    with connect(snapshot) as connection:
        rows = connection.execute("SELECT task_id, selected FROM files.tasks ORDER BY 1").fetchall()
        assert rows == [("a", None), ("b", None)]
        rows = connection.execute("SELECT sum(tasks_gone) FROM files.exports").fetchall()
        assert rows == [(None,)]
        types = connection.execute("SELECT typeof(selected) FROM files.tasks").fetchall()
        assert set(types) == {("BOOLEAN",)}
    assert [row["selected"] for row in task_rows(snapshot, {"a"})] == [None]


@pytest.mark.parametrize("export_id", ["3", None])
def test_the_next_commit_rewrites_the_tables_that_changed(
    data: Path, ask: Ask, line: Call, task_row: Call, export_row: Call, export_id: str | None
) -> None:
    before = open_snapshot(data)
    with writing(data) as dataset:
        stage = dataset.new_stage()
        stage.refresh(task_row("a", "p", selected=True), None)
        row = None if export_id is None else export_row(export_id)
        two = dataset.commit(stage, server={}, selections=None, export_row=row)
    assert two.format_version == FORMAT_VERSION
    assert ask(two.root, "SELECT task_id, selected FROM tasks ORDER BY 1") == [
        ("a", True),
        ("b", None),
    ]
    expected = [("1",), ("2",)] + ([] if export_id is None else [(export_id,)])
    assert ask(two.root, "SELECT export_id FROM exports ORDER BY 1") == expected
    for table, schema in TABLES.items():
        for path in two.paths(table):
            assert pq.ParquetFile(path).schema_arrow.equals(schema.remove_metadata()), path
    for table in ("scalars",):  # it did not change
        names = [[Path(path).name for path in snapshot.paths(table)] for snapshot in (before, two)]
        assert names[0] == names[1]


def test_an_old_snapshot_without_rows_is_written_anew(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path / "data") as dataset:
        make_older(commit(dataset, {}, "1").root, 1)
    with writing(tmp_path / "data") as dataset:
        two = commit(dataset, {}, "2")
    (path,) = two.paths("tasks")
    assert pq.ParquetFile(path).schema_arrow.equals(TABLES["tasks"].remove_metadata())


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_snapshot_reports_what_is_not_complete(
    tmp_path: Path, commit: Call, line: Call, task_row: Call, version: int
) -> None:
    """Its snapshot.json does not count the states; the rows do."""
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1])}, "1")
        stage = dataset.new_stage()
        stage.refresh(task_row("a", "p", state="partial", reason="why"), None)
        last = dataset.commit(stage, server={}, selections=None, export_row=None)
    make_older(last.root, version)
    assert verify(tmp_path / "data").states == {"partial": 1}
