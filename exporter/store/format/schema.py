"""The tables of a snapshot as Arrow schemas; ``data/README.md`` describes them in prose.

Every file of a table has exactly its schema (DuckDB silently drops columns from a mixed list), so a
new column needs a new ``FORMAT_VERSION`` in ``layout.ADDED``, and the next commit rewrites the
files of its table.
"""

from typing import Final, NamedTuple

import pyarrow as pa

from clearml_snapshot.exporter.store.format.layout import FORMAT as FORMAT
from clearml_snapshot.exporter.store.format.layout import FORMAT_VERSION as FORMAT_VERSION
from clearml_snapshot.exporter.store.format.layout import NO_PROJECT as NO_PROJECT

ROW_GROUP: Final = 250_000
"""Rows per row group: 100 million points, ``max`` of one metric in 53 ms; with 1 million 89 ms."""

CODES: Final = pa.dictionary(pa.int32(), pa.string())
"""How text is held and written."""


class _Kind(NamedTuple):
    """A type with the unit of what is stored in it."""

    type: pa.DataType
    unit: str = ""


_TEXT: Final = _Kind(pa.string())
_TEXTS: Final = _Kind(pa.list_(pa.string()))
_FLAG: Final = _Kind(pa.bool_())
_TIME: Final = _Kind(pa.timestamp("ms", tz="UTC"), "ms, UTC")
_ITERATION: Final = _Kind(pa.int64(), "as the task counts")
_VALUE: Final = _Kind(pa.float64(), "as reported")


def _number(unit: str) -> _Kind:
    return _Kind(pa.int64(), unit)


def _columns(*columns: tuple[str, _Kind, str], required: frozenset[str]) -> pa.Schema:
    """Make a schema whose fields carry unit and meaning, for the generated documentation."""
    return pa.schema(
        [
            pa.field(
                name,
                kind.type,
                nullable=name not in required,
                metadata={"doc": doc, "unit": kind.unit},
            )
            for name, kind, doc in columns
        ]
    )


SCALARS: Final = _columns(
    ("task_id", _TEXT, "the task that reported the point"),
    ("metric", _TEXT, "ClearML's title, e.g. loss"),
    ("variant", _TEXT, "ClearML's series, e.g. train"),
    ("iteration", _ITERATION, "step, epoch or the like; NULL: a single value, and nothing else"),
    ("timestamp", _TIME, "when it was reported; NULL: outside the years 1 to 9999"),
    ("value", _VALUE, "may be NaN or ±Infinity; NULL: null, missing or text on the server"),
    ("worker", _TEXT, "the machine that reported it"),
    required=frozenset({"task_id", "metric", "variant"}),
)
"""The points, unique on the first four columns; ``project_id`` is the folder that they are in."""

SERIES: Final = _columns(
    ("task_id", _TEXT, "the task"),
    ("metric", _TEXT, "ClearML's title"),
    ("variant", _TEXT, "ClearML's series"),
    ("project_id", _TEXT, "the task's project"),
    ("n", _number("points"), "points stored"),
    ("n_nonfinite", _number("points"), "of these NaN or ±Infinity"),
    ("n_null", _number("points"), "of these without a number"),
    ("min", _VALUE, "smallest finite value"),
    ("min_iteration", _ITERATION, "earliest iteration that has it"),
    ("min_timestamp", _TIME, "when that point was reported"),
    ("max", _VALUE, "largest finite value"),
    ("max_iteration", _ITERATION, "earliest iteration that has it"),
    ("max_timestamp", _TIME, "when that point was reported"),
    ("mean", _VALUE, "mean of the finite values"),
    ("std", _VALUE, "sample standard deviation of the finite values; NULL below two"),
    ("first", _VALUE, "value at the first iteration (a single value has none)"),
    ("first_iteration", _ITERATION, "the first iteration"),
    ("first_timestamp", _TIME, "when that point was reported"),
    ("last", _VALUE, "value at the last iteration; a single value's own"),
    ("last_iteration", _ITERATION, "the last iteration"),
    ("last_timestamp", _TIME, "when that point was reported"),
    ("server_last", _VALUE, "reported by the server: value of the last batch"),
    ("server_min", _VALUE, "reported by the server; includes overwritten points"),
    ("server_max", _VALUE, "reported by the server; includes overwritten points"),
    (
        "server_count",
        _number("reports"),
        "reported by the server: number of reports, not of stored points",
    ),
    ("server_min_iteration", _ITERATION, "reported by the server: iteration of server_min"),
    ("server_max_iteration", _ITERATION, "reported by the server: iteration of server_max"),
    required=frozenset({"task_id", "metric", "variant", "n", "n_nonfinite", "n_null"}),
)
"""One row per task × metric × variant, computed from the points of the same commit."""

TASKS: Final = _columns(
    ("task_id", _TEXT, "ClearML's task id, 32 hex digits"),
    ("name", _TEXT, "the task's name; not unique"),
    ("project_id", _TEXT, "NULL: in no project"),
    ("project", _TEXT, "the project's full name, parents separated by /"),
    ("type", _TEXT, "training, testing, data_processing, …"),
    ("status", _TEXT, "created, queued, in_progress, stopped, published, completed, failed, …"),
    ("status_reason", _TEXT, "why the status changed"),
    ("status_message", _TEXT, "message of the status change"),
    ("user_id", _TEXT, "who made it"),
    ("user", _TEXT, "that person's name"),
    ("tags", _TEXTS, "the user's tags"),
    ("system_tags", _TEXTS, "ClearML's own tags"),
    ("archived", _FLAG, "in the archive"),
    ("hidden", _FLAG, "hidden in the web UI"),
    ("created", _TIME, "when the task was made"),
    ("started", _TIME, "when it last began to run"),
    ("completed", _TIME, "when it ended"),
    ("last_update", _TIME, "when it last reported or changed"),
    ("last_change", _TIME, "when anything in it last changed"),
    ("status_changed", _TIME, "when its status last changed"),
    (
        "last_iteration",
        _ITERATION,
        "as reported by the server; 0 when all are negative or single values",
    ),
    ("active_duration", _number("seconds"), "how long it ran"),
    ("parent", _TEXT, "task id of the parent"),
    ("comment", _TEXT, "the task's description"),
    ("repository", _TEXT, "git remote"),
    ("branch", _TEXT, "git branch"),
    ("commit", _TEXT, "git commit"),
    ("entry_point", _TEXT, "the script"),
    ("web_url", _TEXT, "the task's page in the ClearML web UI"),
    ("server_id", _TEXT, "the API server that the task was read from"),
    ("metric_filter", _TEXT, "the metrics that were requested, as JSON; NULL: every metric"),
    (
        "points_expected",
        _number("points"),
        "points of the requested metrics, as counted by the server",
    ),
    ("points_stored", _number("points"), "distinct points stored"),
    (
        "points_bad",
        _number("points"),
        "altered values: not a number, a time out of range, a rounded integer",
    ),
    ("state", _TEXT, "complete, partial, failed, gone, shrunk, lost, unread"),
    ("reason", _TEXT, "why it is not complete"),
    ("redacted", _number("values"), "values of this task stored as `<redacted>`"),
    ("fetched_at", _TIME, "when its points were read; of an unread task when it was listed"),
    ("fingerprint", _TEXT, "hash of the listing's light fields; equal means unchanged"),
    (
        "selected",
        _FLAG,
        "false: no selection of the dataset matches it any longer; its row is as of fetched_at",
    ),
    ("safe_to_delete_at", _TIME, "when it was last listed as safe to delete on the server"),
    required=frozenset({"task_id", "server_id", "state", "fetched_at", "fingerprint"}),
)
"""One row per task."""

HYPERPARAMS: Final = _columns(
    ("task_id", _TEXT, "the task"),
    ("section", _TEXT, "Args, General, properties (user properties), …"),
    ("name", _TEXT, "the parameter"),
    ("value", _TEXT, "as text, as ClearML keeps it"),
    ("type", _TEXT, "its type as reported to ClearML"),
    required=frozenset({"task_id", "section", "name"}),
)
"""One row per task × section × name."""

EXPORTS: Final = _columns(
    ("export_id", _TEXT, "unique"),
    ("started", _TIME, "when the run began"),
    ("finished", _TIME, "when it ended; NULL: a checkpoint of a run that did not end"),
    ("server", _TEXT, "the API server"),
    ("user", _TEXT, "who was logged in"),
    ("selections", _TEXT, "the filters as JSON"),
    ("tasks_new", _number("tasks"), "tasks seen for the first time"),
    ("tasks_changed", _number("tasks"), "tasks read again"),
    ("tasks_unchanged", _number("tasks"), "tasks left as they were"),
    ("tasks_partial", _number("tasks"), "of these incomplete"),
    ("tasks_failed", _number("tasks"), "of these not read"),
    ("points", _number("points"), "points fetched"),
    ("requests", _number("requests"), "requests sent"),
    ("bytes", _number("bytes"), "bytes received, as they came over the wire"),
    (
        "result",
        _TEXT,
        "running, complete, partial, ceiling, interrupted, server lost, disk full, failed",
    ),
    ("tool_version", _TEXT, "of clearml-snapshot"),
    ("tasks_refreshed", _number("tasks"), "tasks of which only the metadata was read again"),
    ("tasks_gone", _number("tasks"), "tasks newly gone from the server"),
    ("tasks_unread", _number("tasks"), "selected tasks that were not read before the run ended"),
    ("tasks_shrunk", _number("tasks"), "tasks of which the server has fewer points than before"),
    ("tasks_lost", _number("tasks"), "tasks of which the server lost points before they were read"),
    ("warnings", _TEXTS, "warnings, one sentence each"),
    ("error", _TEXT, "why the run failed; NULL: it did not"),
    required=frozenset({"export_id", "started", "result"}),
)
"""One row per export run."""

_ENDED: Final = frozenset({"completed", "stopped", "failed", "published", "closed"})


def is_settled(status: object, state: object) -> bool:
    """Return whether a task's points will probably stay as they are, judged by its row.

    Settled and other tasks never share a part file, so that tasks that change with every export
    stay in small files and the large files are kept.
    """
    return state == "gone" or (status in _ENDED and state in ("complete", "shrunk", "lost"))


TABLES: Final[dict[str, pa.Schema]] = {
    "tasks": TASKS,
    "hyperparams": HYPERPARAMS,
    "series": SERIES,
    "scalars": SCALARS,
    "exports": EXPORTS,
}
"""The tables by name, which is also the name of their folder."""

ABOUT: Final = {
    "tasks": "one row per task: its metadata, and how much of it is stored here",
    "hyperparams": "one row per task, section and name: its parameters, as text",
    "series": "one row per task, metric and variant: how many points, highest, lowest, last …",
    "scalars": "one row per point",
    "exports": "one row per run of clearml-snapshot that wrote to this dataset",
}
"""What a row of each table is."""

KEYS: Final = {
    "tasks": ("task_id",),
    "hyperparams": ("task_id", "section", "name"),
    "series": ("task_id", "metric", "variant"),
    "scalars": ("task_id", "metric", "variant", "iteration"),
    "exports": ("export_id",),
}
"""The columns that identify a row of each table; ``iteration`` may be NULL, once per series."""


def in_memory(table: str) -> pa.Schema:
    """Return a table's schema with dictionary-encoded text, as it is held and written."""
    return pa.schema(
        [
            pa.field(field.name, CODES if field.type == pa.string() else field.type, field.nullable)
            for field in TABLES[table]
        ]
    )
