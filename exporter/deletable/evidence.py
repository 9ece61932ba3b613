"""Finds stored tasks that the server's summary contradicts: in series, counts or extremes."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.reader.events import SINGLE_VALUE_ITERATION
from clearml_snapshot.exporter.reader.last_metrics import ServerSummary
from clearml_snapshot.exporter.reader.missing_points import named_iterations
from clearml_snapshot.exporter.store.compare.digest import files_of
from clearml_snapshot.exporter.store.engine.engine import engine
from clearml_snapshot.exporter.store.engine.file_names import literals
from clearml_snapshot.exporter.store.engine.reading_errors import readable
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.exporter.store.snapshots import Snapshot

_TEXT: Final[pa.DataType] = pa.string()
_COUNT: Final[pa.DataType] = pa.int64()
_NUMBER: Final[pa.DataType] = pa.float64()
_NAMED: Final = pa.schema(
    {
        **dict.fromkeys(("task_id", "metric", "variant"), _TEXT),
        **dict.fromkeys(("low", "high"), _NUMBER),
        **dict.fromkeys(("reports", "low_at", "high_at", "first_at"), _COUNT),
    }
)
_COLUMNS: Final = {
    "reports": "server_count",
    "low": "server_min",
    "high": "server_max",
    "low_at": "server_min_iteration",
    "high_at": "server_max_iteration",
    "first_at": "server_first_iteration",
}


def contradicted(
    snapshot: Snapshot,
    summaries: Mapping[str, ServerSummary],
    projects: Collection[str | None],
    *,
    is_reread: bool = False,
) -> set[str]:
    """Find the tasks whose stored points cannot be those that the server summarised.

    Args:
        snapshot: what is stored.
        summaries: the server's summary of each task.
        projects: the projects of these tasks.
        is_reread: their points are compared one by one anyway, so only missing ones count.
    """
    named = pa.Table.from_pylist(
        [row for task_id, summary in summaries.items() for row in _named(task_id, summary)], _NAMED
    )
    if not named.num_rows:
        return set()
    series, files = literals(snapshot.paths("series")), files_of(snapshot, projects)
    with (
        readable(snapshot.location),
        engine(threads=2, memory_limit="256MB") as connection,
    ):
        connection.register("named", named)
        contradicted_ids = connection.execute(
            read_sql(__package__, "missing_series.sql"), {"files": series, "is_reread": is_reread}
        ).fetchall()
        if files:
            contradicted_ids += connection.execute(
                read_sql(__package__, "missing_points.sql"),
                {
                    "series": series,
                    "files": files,
                    "single": SINGLE_VALUE_ITERATION,
                    "is_reread": is_reread,
                },
            ).fetchall()
    return {task_id for (task_id,) in contradicted_ids}


def _named(task_id: str, summary: ServerSummary) -> Iterator[dict[str, Any]]:
    """Yield the series of a summary that prove something; see ``named_iterations``."""
    named = named_iterations(summary, None)
    for row in summary.rows:
        if (row["metric"], row["variant"]) in named:
            numbers = {column: row.get(name) for column, name in _COLUMNS.items()}
            yield {
                "task_id": task_id,
                "metric": row["metric"],
                "variant": row["variant"],
                **numbers,
            }
