"""Values that no export writes: verify finds them, and every reader reports one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.selection.metric_filter import MetricFilter
from clearml_snapshot.exporter.store.engine.reading_errors import readable
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.verify.values import value_problems

Problems = Callable[..., list[str]]
_YEAR_0 = -62135596800001


@pytest.fixture
def problems() -> Problems:
    """Check tables of which one column of ``tasks`` has a value, in a row of its own."""

    def check(column: str, value: Any, kind: Any = None) -> list[str]:
        row = {"task_id": "t", "name": "n", "status": "s", "state": "complete"}
        with duckdb.connect() as connection:
            for table, schema in TABLES.items():
                rows = pa.Table.from_pylist([row] if table == "tasks" else [], schema)
                if table == "tasks":
                    at = schema.get_field_index(column)
                    values = pa.array([value], kind or schema.field(at).type)
                    rows = rows.set_column(at, column, values.cast(schema.field(at).type))
                connection.register(table, rows)
            return list(value_problems(connection))

    return check


@pytest.mark.parametrize("moment", [_YEAR_0, 253402300800000, 2**53])
def test_times_without_a_date(problems: Problems, moment: int) -> None:
    (problem,) = problems("created", moment, pa.int64())
    assert problem == "tasks: created of 1 rows is not in the years 1 to 9999"


@pytest.mark.parametrize("moment", [_YEAR_0 + 1, 253402300799999, None])
def test_the_first_and_the_last_moment_are_times(problems: Problems, moment: int) -> None:
    assert problems("created", moment, pa.int64()) == []


_OTHERS = ["not json", "5", "null", "{}", "[1]", '{"metrics": [{"metric": 5}]}', "[" * 5_000]


@pytest.mark.parametrize("text", _OTHERS)
def test_a_metric_filter_that_is_not_ours(problems: Problems, text: str) -> None:
    (problem,) = problems("metric_filter", text)
    assert problem.startswith("tasks: metric_filter of 1 rows was not written by clearml-snapshot")
    with pytest.raises(DatasetError, match="metric_filter"):
        MetricFilter.read(text)


@pytest.mark.parametrize(
    "text",
    [None, "[]", '[{"metric": "loss"}]', '{"asked": ["x"], "metrics": [{"metric": "loss"}]}'],
)
def test_metric_filters_of_ours(problems: Problems, text: str | None) -> None:
    assert problems("metric_filter", text) == []
    MetricFilter.read(text)


def test_a_time_without_a_date_is_damage_to_who_reads_it(tmp_path: Path) -> None:
    moments = pa.array([_YEAR_0], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    with pytest.raises(DatasetError, match="is damaged"), readable(tmp_path):
        moments.to_pylist()
