"""The tables of a snapshot as Arrow schemas; ``data/README.md`` says the same in prose.

Every file of a table has exactly its schema (DuckDB silently drops columns from a mixed list), so
a new column is a new ``FORMAT_VERSION`` in ``layout.ADDED``, and the next commit rewrites the files
of its table.
"""

from typing import Final

import pyarrow as pa

from clearml_snapshot.exporter.store.layout import FORMAT as FORMAT
from clearml_snapshot.exporter.store.layout import FORMAT_VERSION as FORMAT_VERSION
from clearml_snapshot.exporter.store.layout import NO_PROJECT as NO_PROJECT

_TIME: Final = pa.timestamp("ms", tz="UTC")
_TEXT: Final = pa.string()


def _columns(*columns: tuple[str, pa.DataType, str], required: frozenset[str]) -> pa.Schema:
    """Make a schema whose fields carry their meaning, for the generated documentation."""
    return pa.schema(
        [
            pa.field(name, kind, nullable=name not in required, metadata={"doc": doc})
            for name, kind, doc in columns
        ]
    )


SCALARS: Final = _columns(
    ("task_id", _TEXT, "the task that reported the point"),
    ("metric", _TEXT, "ClearML's title, e.g. loss"),
    ("variant", _TEXT, "ClearML's series, e.g. train"),
    ("iteration", pa.int64(), "NULL: a single-value scalar, and nothing else"),
    ("timestamp", _TIME, "wall time of the report, UTC"),
    ("value", pa.float64(), "NULL: null, missing or text on the server"),
    ("worker", _TEXT, "the machine that reported it"),
    required=frozenset({"task_id", "metric", "variant"}),
)
"""The points, unique on the first four columns; ``project_id`` is the folder they stand in."""

SERIES: Final = _columns(
    ("task_id", _TEXT, "the task"),
    ("metric", _TEXT, "ClearML's title"),
    ("variant", _TEXT, "ClearML's series"),
    ("project_id", _TEXT, "the task's project"),
    ("n", pa.int64(), "points stored"),
    ("n_nonfinite", pa.int64(), "of these NaN or ±Infinity"),
    ("n_null", pa.int64(), "of these without a number"),
    ("min", pa.float64(), "smallest finite value"),
    ("min_iteration", pa.int64(), "earliest iteration that has it"),
    ("min_timestamp", _TIME, "wall time of that point"),
    ("max", pa.float64(), "largest finite value"),
    ("max_iteration", pa.int64(), "earliest iteration that has it"),
    ("max_timestamp", _TIME, "wall time of that point"),
    ("mean", pa.float64(), "mean of the finite values"),
    ("std", pa.float64(), "sample standard deviation of the finite values; NULL below two"),
    ("first", pa.float64(), "value at the first iteration (a single value has none)"),
    ("first_iteration", pa.int64(), "the first iteration"),
    ("first_timestamp", _TIME, "wall time of that point"),
    ("last", pa.float64(), "value at the last iteration; a single value's own"),
    ("last_iteration", pa.int64(), "the last iteration"),
    ("last_timestamp", _TIME, "wall time of that point"),
    ("server_last", pa.float64(), "the server's claim: value of the last batch"),
    ("server_min", pa.float64(), "the server's claim; keeps overwritten points"),
    ("server_max", pa.float64(), "the server's claim; keeps overwritten points"),
    ("server_count", pa.int64(), "the server's claim: reports, not stored points"),
    required=frozenset({"task_id", "metric", "variant", "n", "n_nonfinite", "n_null"}),
)
"""One row a task × metric × variant, computed from the points of the same commit."""

TASKS: Final = _columns(
    ("task_id", _TEXT, "ClearML's task id, 32 hex digits"),
    ("name", _TEXT, "the task's name; not unique"),
    ("project_id", _TEXT, "NULL: in no project"),
    ("project", _TEXT, "the project's full name, parents separated by /"),
    ("type", _TEXT, "training, testing, data_processing, …"),
    ("status", _TEXT, "created, queued, in_progress, stopped, published, completed, failed, …"),
    ("status_reason", _TEXT, "why the status changed"),
    ("status_message", _TEXT, "what the status change said"),
    ("user_id", _TEXT, "who made it"),
    ("user", _TEXT, "that person's name"),
    ("tags", pa.list_(_TEXT), "the user's tags"),
    ("system_tags", pa.list_(_TEXT), "ClearML's own tags"),
    ("archived", pa.bool_(), "in the archive"),
    ("hidden", pa.bool_(), "hidden in the web UI"),
    ("created", _TIME, "UTC"),
    ("started", _TIME, "UTC"),
    ("completed", _TIME, "UTC"),
    ("last_update", _TIME, "UTC"),
    ("last_change", _TIME, "UTC"),
    ("status_changed", _TIME, "UTC"),
    ("last_iteration", pa.int64(), "the server's word; 0 when all are negative or single values"),
    ("active_duration", pa.int64(), "seconds"),
    ("parent", _TEXT, "task id of the parent"),
    ("comment", _TEXT, "the task's description"),
    ("repository", _TEXT, "git remote"),
    ("branch", _TEXT, "git branch"),
    ("commit", _TEXT, "git commit"),
    ("entry_point", _TEXT, "the script"),
    ("web_url", _TEXT, "the task's page in the ClearML web UI"),
    ("server_id", _TEXT, "the API server that the task was read from"),
    ("metric_filter", _TEXT, "what was asked of it as JSON; NULL: every metric"),
    ("points_expected", pa.int64(), "points the server said it holds for what was asked"),
    ("points_stored", pa.int64(), "distinct points stored"),
    ("points_bad", pa.int64(), "odd values: no number, a time out of range, a rounded integer"),
    ("state", _TEXT, "complete, partial, failed, gone, shrunk"),
    ("reason", _TEXT, "why it is not complete"),
    ("redacted", pa.int64(), "values of this task stored as `<redacted>`"),
    ("fetched_at", _TIME, "when its points were read, UTC"),
    ("fingerprint", _TEXT, "hash of the listing's light fields; equal means unchanged"),
    (
        "selected",
        pa.bool_(),
        "false: no selection of the dataset asks for it any more; it is as of fetched_at",
    ),
    required=frozenset({"task_id", "server_id", "state", "fetched_at", "fingerprint"}),
)
"""One row a task."""

HYPERPARAMS: Final = _columns(
    ("task_id", _TEXT, "the task"),
    ("section", _TEXT, "Args, General, properties (user properties), …"),
    ("name", _TEXT, "the parameter"),
    ("value", _TEXT, "as text, as ClearML keeps it"),
    ("type", _TEXT, "what ClearML was told of its type"),
    required=frozenset({"task_id", "section", "name"}),
)
"""One row a task × section × name."""

EXPORTS: Final = _columns(
    ("export_id", _TEXT, "unique"),
    ("started", _TIME, "UTC"),
    ("finished", _TIME, "UTC; NULL: a checkpoint of a run that did not end"),
    ("server", _TEXT, "the API server"),
    ("user", _TEXT, "who was logged in"),
    ("selections", _TEXT, "the filters as JSON"),
    ("tasks_new", pa.int64(), "tasks seen for the first time"),
    ("tasks_changed", pa.int64(), "tasks read again"),
    ("tasks_unchanged", pa.int64(), "tasks left as they were"),
    ("tasks_partial", pa.int64(), "of these not whole"),
    ("tasks_failed", pa.int64(), "of these not read"),
    ("points", pa.int64(), "points fetched"),
    ("requests", pa.int64(), "requests sent"),
    ("bytes", pa.int64(), "bytes received, as they came over the wire"),
    ("result", _TEXT, "running, complete, partial, ceiling, interrupted, server lost"),
    ("tool_version", _TEXT, "of clearml-snapshot"),
    ("tasks_refreshed", pa.int64(), "tasks of which only the metadata was read again"),
    ("tasks_gone", pa.int64(), "tasks newly gone from the server"),
    required=frozenset({"export_id", "started", "result"}),
)
"""One row an export run."""

_ENDED: Final = frozenset({"completed", "stopped", "failed", "published", "closed"})


def is_settled(status: object, state: object) -> bool:
    """Tell from a task's row whether its points will probably stay as they are.

    Settled and other tasks never share a part file, so that the ones that change with every export
    keep to small files and the large ones live on.
    """
    return state == "gone" or (status in _ENDED and state in ("complete", "shrunk"))


TABLES: Final[dict[str, pa.Schema]] = {
    "tasks": TASKS,
    "hyperparams": HYPERPARAMS,
    "series": SERIES,
    "scalars": SCALARS,
    "exports": EXPORTS,
}
"""The tables by name, which is also the name of their folder."""
