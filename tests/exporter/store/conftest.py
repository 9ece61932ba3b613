"""Rows for the store's tests; fixtures return functions, so that hypothesis may share them."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.format.schema import SCALARS
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.dataset import Dataset

Point = tuple[str, str, str, int | None, datetime | None, float | None, str | None]
"""A row of ``scalars``."""

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _points(rows: Sequence[Point]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCALARS)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCALARS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCALARS)


def _task_row(task_id: str, project_id: str | None = None, **others: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "project_id": project_id,
        "server_id": "http://localhost:8008",
        "state": "complete",
        "fetched_at": NOW,
        "fingerprint": "0",
        **others,
    }


def _export_row(export_id: str) -> dict[str, Any]:
    return {"export_id": export_id, "started": NOW, "result": "complete"}


def _commit(
    dataset: Dataset,
    tasks: Mapping[tuple[str, str | None], Sequence[Point]],
    export_id: str = "export",
    **options: Any,
) -> Snapshot:
    stage = dataset.new_stage()
    for (task_id, project_id), rows in tasks.items():
        buffer = PointBuffer(stage, project_id)
        buffer.add(_points(rows))
        parameter = {"section": "Args", "name": "lr", "value": "0.1", "type": "float"}
        stage.add(_task_row(task_id, project_id), [parameter], buffer.finish())
    return dataset.commit(
        stage,
        server={"host": "http://localhost:8008"},
        selections={"project": ["vision"]},
        export_row=_export_row(export_id),
        **options,
    )


def _ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query the views of open.sql in a bare DuckDB, inside the folder.

    Its database is new each time; to start DuckDB would take longer than most queries.
    """
    with contextlib.chdir(folder), _bare().cursor() as connection:
        connection.execute("ATTACH ':memory:' AS lent; USE lent")
        try:
            connection.execute(Path("open.sql").read_text(encoding="utf-8"))
            table = connection.sql(sql).to_arrow_table()
        finally:
            connection.execute("USE memory; DETACH lent")
    return [tuple(row.values()) for row in table.to_pylist()]


@functools.cache
def _bare() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"enable_external_file_cache": False})


def _line(task_id: str, values: Iterable[float | None]) -> list[Point]:
    return [(task_id, "loss", "train", i, NOW, value, "w") for i, value in enumerate(values)]


@pytest.fixture(scope="session")
def points() -> Callable[[Sequence[Point]], pa.Table]:
    return _points


@pytest.fixture(scope="session")
def line() -> Callable[[str, Iterable[float | None]], list[Point]]:
    """One series loss/train of a task."""
    return _line


@pytest.fixture(scope="session")
def task_row() -> Callable[..., dict[str, Any]]:
    return _task_row


@pytest.fixture(scope="session")
def export_row() -> Callable[[str], dict[str, Any]]:
    return _export_row


@pytest.fixture(scope="session")
def commit() -> Callable[..., Snapshot]:
    return _commit


@pytest.fixture(scope="session")
def ask() -> Callable[[Path, str], list[tuple[Any, ...]]]:
    return _ask
