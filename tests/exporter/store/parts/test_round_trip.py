"""What is written is read back, by DuckDB through open.sql and by plain pyarrow."""

import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clearml_snapshot.exporter.store.writing.dataset import writing

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "a/b", "'; DROP TABLE x; --", 'say "hi"', "läuft 🚀", "%2F", "..", "2024", "NULL", "\0"]
)
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, -1, 0])
TIME = st.integers(-62135596800000, 253402300799999).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
VALUE = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308])
POINT = st.tuples(
    TEXT, TEXT, st.none() | INT64, st.none() | TIME, st.none() | VALUE, st.none() | TEXT
)
TASKS = st.dictionaries(
    st.text("0123456789abcdef", min_size=1, max_size=6),
    st.tuples(
        st.sampled_from([None, "2024", "0" * 32, "00017", "true", "a b/ü%"]),
        st.lists(POINT, max_size=24, unique_by=lambda p: p[:3]),
    ),
    max_size=8,
)

COLUMNS = "task_id, metric, variant, iteration, timestamp, value, worker, project_id"
"""Those that are stored; open.sql adds names."""


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as something that can be sorted and compared: NaN equals NaN, -0.0 is not 0.0."""
    return tuple(repr(v) if isinstance(v, float) else (v is not None, str(v)) for v in row)


@settings(max_examples=10)
@given(tasks=TASKS)
@example(tasks={})
@example(tasks={"a": ("2024", [("m", "v", 2**63 - 1, None, 1.0, None)] * 1), "b": (None, [])})
@example(tasks={"a": (None, [("m", "v", i, None, 1.0, None) for i in (-(2**63), 2**63 - 1)])})
def test_every_point_comes_back(
    tasks: dict[str, tuple[str | None, list[tuple[Any, ...]]]],
    commit: Callable[..., Any],
    ask: Callable[[Path, str], list[tuple[Any, ...]]],
) -> None:
    staged = {(t, project): [(t, *p) for p in rows] for t, (project, rows) in tasks.items()}
    expected = sorted(_key((*p, project)) for (_, project), rows in staged.items() for p in rows)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        with writing(data) as dataset:
            snapshot = commit(dataset, staged)
        by_duckdb = ask(data / "current", f"SELECT {COLUMNS} FROM scalars")
        assert sorted(map(_key, by_duckdb)) == expected

        projects = ds.partitioning(pa.schema([("project_id", pa.string())]), flavor="hive")
        table = ds.dataset(data / "current" / "scalars", partitioning=projects).to_table()
        by_pyarrow = [tuple(row.values()) for row in table.to_pylist()]
        assert sorted(map(_key, by_pyarrow)) == expected

        assert snapshot.totals.points == len(expected)
        assert snapshot.totals.tasks == len(tasks)
        stored = ask(data / "current", "SELECT task_id, project_id FROM tasks ORDER BY task_id")
        assert stored == sorted((t, project) for t, (project, _) in tasks.items())
