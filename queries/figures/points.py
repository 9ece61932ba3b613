"""Computes the points of a figure into a table of a connection of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb

from clearml_snapshot.queries.ask.header import find, read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.figures.labels import Run
from clearml_snapshot.queries.shards.asking import asked

POINTS: Final = "points_of_a_figure"
"""The table with the columns ``curve``, ``x``, ``value`` and ``smoothed``."""

_FEW: Final = 100
"""Tasks for which it is worth opening the dataset once more."""
_BATCH: Final = 100_000
"""Rows that are read at a time."""


@contextmanager
def gathered(
    dataset: Dataset, values: Mapping[str, Any], runs: Sequence[Run]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Compute the points of some series into the table ``POINTS``, in parts if they are many.

    Args:
        dataset: the dataset.
        values: what is bound to the parameters of the query ``curve``.
        runs: the series.

    Yields:
        The connection that has the table; it is closed at the end.
    """
    import pyarrow as pa

    chosen = pa.table(
        {
            "curve": pa.array([run.curve for run in runs], pa.int64()),
            "metric": pa.array([run.metric for run in runs], pa.string()),
            "variant": pa.array([run.variant for run in runs], pa.string()),
            "task_id": pa.array([run.task_id for run in runs], pa.string()),
        }
    )
    pairs = sorted({(run.metric, run.variant) for run in runs})
    narrowed = {**values, "metric": [p[0] for p in pairs], "variant": [p[1] for p in pairs]}
    connection = dataset.own_connection()
    try:
        with (
            translating_errors(),
            of_tasks(dataset, {run.task_id for run in runs}) as inner,
            asked(inner, find("curve"), narrowed, lambda _: ()) as answer,
        ):
            answer.result.keep(("metric", "variant", "task_id", "x", "value", "smoothed"))
            connection.register("series_of_a_figure", chosen)
            connection.register("rows_of_a_figure", answer.result.arrow(_BATCH))
            connection.execute(read("figures/gathered.sql"))
        yield connection
    finally:
        connection.close()


@contextmanager
def of_tasks(dataset: Dataset, task_ids: set[str]) -> Iterator[Dataset]:
    """Open the dataset for a few of its tasks only, so that the points of others are not read."""
    if len(task_ids) > _FEW:
        yield dataset
        return
    with dataset.opened_again(only=sorted(task_ids)) as (inner, _connection):
        yield inner
