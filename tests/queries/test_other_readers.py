"""Polars, DataFusion and Daft read a snapshot as data/README.md shows: all numbers are DuckDB's."""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import duckdb
import polars
import pyarrow
import pytest

from tests.queries.conftest import write

daft: Any = import_module("daft")  # it brings no types
SessionContext: Any = import_module("datafusion").SessionContext

ROOT: Final = Path(__file__).parents[2]
NAN: Final = float("nan")
TASKS: Final[list[dict[str, Any]]] = [
    {"task_id": "a" * 32, "project_id": "2024", "project": "year"},
    {"task_id": "b" * 32, "project_id": "a b/ü%", "project": "odd"},
    {"task_id": "c" * 32, "project_id": None, "project": None},
    {"task_id": "d" * 32, "project_id": "007", "project": "agent"},
]
CURVES: Final[list[list[float | None]]] = [
    [0.5, NAN, 0.25, -1e300],
    [3.0, None, 0.1],
    [99.0, float("inf")],
    [7.0],
]
CURVE: Final = ("a" * 32, "loss", "train")
ORDER: Final = [("project_id", "ascending"), ("task_id", "ascending"), ("iteration", "ascending")]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("readers") / "data"
    with_points = [
        {**task, "points": [("loss", "train", at, value) for at, value in enumerate(curve)]}
        for task, curve in zip(TASKS, CURVES, strict=True)
    ]
    write(data, with_points)
    return (data / "current").resolve()


def _shown(reader: str) -> str:
    """Return the line that data/README.md shows for a reader."""
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^      # {reader}\b.*\n      (.*)$", text, re.MULTILINE)
    return str(line)


def _scalars(reader: str) -> Any:
    return eval(_shown(reader), {**globals(), "SessionContext": SessionContext})


READERS: Final[Mapping[str, tuple[Callable[[Any], pyarrow.Table], Callable[[], Any]]]] = {
    "Polars": (lambda frame: frame.collect().to_arrow(), lambda: polars.scan_parquet("tasks")),
    "DataFusion": (
        lambda frame: frame.to_arrow_table(),
        lambda: SessionContext().read_parquet("tasks/"),
    ),
    "Daft": (lambda frame: frame.to_arrow(), lambda: daft.read_parquet("tasks/*.parquet")),
}


def _duckdb(snapshot: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{snapshot}'")
    connection.execute("""
        CREATE VIEW scalars AS
        FROM read_parquet(
            'scalars/*/*.parquet', hive_partitioning = true, hive_types_autocast = false
        );
        CREATE VIEW tasks AS FROM 'tasks/*.parquet';
    """)
    return connection


def _compared(table: pyarrow.Table) -> list[str]:
    """Rows as text, so that NaN equals itself and is not NULL."""
    rows = (
        (r["project_id"], r["task_id"], r["iteration"], r["value"], r["timestamp"].timestamp())
        for r in table.to_pylist()
    )
    return sorted(map(repr, rows))


@pytest.mark.parametrize("reader", READERS)
def test_every_row_is_the_one_that_duckdb_reads(
    reader: str, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(snapshot)
    to_arrow, tasks = READERS[reader]
    with _duckdb(snapshot) as connection:
        rows = connection.sql("FROM scalars").to_arrow_table()
        n_tasks = connection.sql("FROM tasks").shape[0]
    found = to_arrow(_scalars(reader))
    assert pyarrow.types.is_string(found.schema.field("project_id").type) or (
        pyarrow.types.is_large_string(found.schema.field("project_id").type)
        or found.schema.field("project_id").type == pyarrow.string_view()
    )
    expected = _compared(rows)
    if reader == "DataFusion":  # as data/README.md says
        expected = sorted(
            text.replace("(None,", "('__HIVE_DEFAULT_PARTITION__',", 1) for text in expected
        )
    assert _compared(found) == expected
    assert len(expected) == sum(map(len, CURVES))
    ids = to_arrow(tasks())["task_id"].to_pylist()
    assert sorted(map(str, ids)) == [task["task_id"] for task in TASKS]
    assert n_tasks == len(ids)


def _polars_answer() -> tuple[Any, Any]:
    frame, col = _scalars("Polars"), polars.col
    finite = frame.filter(col("value").is_finite())
    most = finite.group_by("task_id").agg(col("value").max())
    curve = frame.filter(task_id=CURVE[0], metric=CURVE[1], variant=CURVE[2]).sort("iteration")
    return most, curve.select("iteration", "value")


def _datafusion_answer() -> tuple[Any, Any]:
    context = SessionContext()
    context.register_view("scalars", _scalars("DataFusion"))
    most = context.sql("""
        SELECT task_id, max(value) AS value FROM scalars
        WHERE abs(value) < 'Infinity'::DOUBLE AND NOT isnan(value) GROUP BY task_id
    """)
    curve = context.sql(f"""
        SELECT iteration, value FROM scalars
        WHERE (task_id, metric, variant) = {CURVE!r} ORDER BY iteration
    """)
    return most, curve


def _daft_answer() -> tuple[Any, Any]:
    frame, col = _scalars("Daft"), daft.col
    finite = frame.where(~col("value").is_nan() & ~col("value").is_inf())
    curve = frame.where(
        (col("task_id") == CURVE[0]) & (col("metric") == CURVE[1]) & (col("variant") == CURVE[2])
    )
    most = finite.groupby("task_id").agg(col("value").max())
    return most, curve.sort("iteration").select("iteration", "value")


ANSWERS: Final = {
    "Polars": _polars_answer,
    "DataFusion": _datafusion_answer,
    "Daft": _daft_answer,
}


@pytest.mark.parametrize("reader", ANSWERS)
def test_maxima_and_a_curve_are_those_of_duckdb(
    reader: str, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(snapshot)
    with _duckdb(snapshot) as connection:
        most = connection.sql("""
            SELECT task_id, max(value) FILTER (WHERE isfinite(value)) FROM scalars GROUP BY ALL
        """).fetchall()
        curve = connection.sql(
            """
            SELECT iteration, value FROM scalars
            WHERE task_id = ? AND metric = ? AND variant = ? ORDER BY iteration
            """,
            params=CURVE,
        ).fetchall()
    found_most, found_curve = map(READERS[reader][0], ANSWERS[reader]())
    assert sorted(zip(*found_most.to_pydict().values(), strict=True)) == sorted(most)
    assert repr([*zip(*found_curve.to_pydict().values(), strict=True)]) == repr(curve)
    assert len(curve) == len(CURVES[0])
