"""Completes names from the dataset: metrics, variants, projects, tasks, tags, users, snapshots.

A completion must be fast and must never fail: it reads the snapshot's small tables itself, without
the views of a query, and offers nothing if there is no dataset.
"""

import os
from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.cli.options.dataset import DATA_VARIABLE, DEFAULT_DATA, parse_snapshot_ref
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.cli.typer_ext.conditions import PARAM, begun_name, completed_conditions
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.finding import is_dataset
from clearml_snapshot.exporter.store.objects.address import is_address
from clearml_snapshot.queries.ask.header import Query

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

MOST: Final = 200
"""Names that are offered to a shell."""
LONGEST: Final = 1_000
"""Characters of a name; longer names are not offered."""
_DATED: Final = 50
"""Snapshots whose time is shown beside their number: each needs its snapshot.json."""
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "memory_limit": "1GB",
    "temp_directory": "",
}
"""DuckDB's configuration: completion writes nothing to disk."""

_METRICS: Final = ("series", "metrics.sql")
_PARAM: Final = ("hyperparams", "section || '/' || name")
_PARAM_NAME: Final = ("hyperparams", "name")
_NAME: Final = ("tasks", "name")
_ID: Final = ("tasks", "task_id")
_TAG: Final = ("tasks", "unnest(tags)")

SOURCES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "metric": (_METRICS,),
    "named": (_METRICS,),
    "exclude_metric": (_METRICS,),
    "x": (_METRICS,),
    "at": (_METRICS,),
    "also": (_METRICS,),
    "variant": (("series", "variant"),),
    "param": (_PARAM, _PARAM_NAME),
    "by_all_except": (_PARAM, _PARAM_NAME),
    "by": (_PARAM, _PARAM_NAME),
    "project": (("tasks", "project"),),
    "task_name": (_NAME,),
    "task": (_ID, _NAME),
    "tasks": (_NAME, _ID),
    "tag": (_TAG,),
    "any_tag": (_TAG,),
    "exclude_tag": (_TAG,),
    "user": (("tasks", '"user"'),),
    "status": (("tasks", "status"),),
    "type_": (("tasks", "type"),),
}
"""Tables and columns of each parameter's values; a later one is used if earlier ones are empty.

Instead of a column there may be a file of SQL.
"""

_SNAPSHOTS: Final = frozenset({"snapshot", "before", "after"})
"""The parameters that choose a snapshot of a dataset."""
_OTHERS: Final = _SNAPSHOTS | {"where", "columns"}

Offers = dict[str, str]
"""Names, in the order in which they are offered, with descriptions or empty texts."""


def complete(
    parameter: str, typed: dict[str, Any], incomplete: str, query: object = None
) -> Offers | None:
    """List names that start with what was typed; None if the dataset has none for the parameter.

    Args:
        parameter: the name of the option or argument.
        typed: the other parameters; ``path``, ``data`` and ``snapshot`` choose what is read, and
            ``aliases`` gives metrics other names.
        incomplete: the start of the value.
        query: the query of the catalogue that is asked; None for other commands.
    """
    if parameter not in SOURCES and parameter not in _OTHERS:
        return None
    folder = _dataset(typed)
    if parameter in _SNAPSHOTS:
        return _snapshots(folder, incomplete)
    if parameter == "where":
        return dict.fromkeys(_in_condition(folder, typed, incomplete), "")
    if parameter == "columns":
        return _columns(folder, typed, incomplete, query) if isinstance(query, Query) else None
    return dict.fromkeys(_stored(folder, typed, parameter, incomplete), "")


def _dataset(typed: dict[str, Any]) -> Path:
    """Find the dataset: an argument, which may be among those that name tasks, or ``--data``."""
    arguments = [typed.get("path"), typed.get("statement"), *(typed.get("tasks") or ())]
    given = next((str(text) for text in arguments if text and is_dataset(_path(text))), None)
    data = given or typed.get("path") or typed.get("data") or os.environ.get(DATA_VARIABLE)
    return _path(data or DEFAULT_DATA)


def _path(text: str | Path) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111  # Path.expanduser raises without a home


def _in_condition(data: Path, typed: dict[str, Any], incomplete: str) -> list[str]:
    """List conditions that go on from what was typed with a name, or with what follows it."""
    begun = begun_name(incomplete)
    if begun is None:
        return []
    kinds = ("metric",) if begun.is_metric else ("param", "metric")
    if begun.name.startswith(PARAM) or "everything" in typed:  # export compares no metrics
        kinds = ("param",)
    prefix = PARAM if begun.name.startswith(PARAM) else ""
    names = [
        f"{prefix}{name}"
        for kind in kinds
        for name in _stored(data, typed, kind, begun.name.removeprefix(prefix))
    ]
    return completed_conditions(begun, dict.fromkeys(names))


def _columns(data: Path, typed: dict[str, Any], incomplete: str, query: Query) -> Offers:
    """List columns of a query's answer, without running it: those that have the same names always.

    Columns that are made from names, as of hyperparameters, are not offered.
    """
    import duckdb

    from clearml_snapshot.queries.ask.columns.shaped import fixed_columns
    from clearml_snapshot.queries.ask.statement import by_group, statement_for
    from clearml_snapshot.queries.dataset import open_dataset

    before, comma, begun = incomplete.rpartition(",")
    chosen = {name.strip() for name in before.split(",")}
    values = {param.name: typed.get(param.name) or None for param in query.params}
    if is_address(data):  # TAB never waits for a network
        return {}
    try:
        with open_dataset(data) as dataset:
            columns = dataset.sql(*statement_for(query, values)).columns
            columns = fixed_columns(by_group(query, values), columns, has_at=bool(typed.get("at")))
    except (SnapshotError, duckdb.Error, OSError):
        return {}
    start = begun.lstrip()
    prefix = f"{before}{comma}{begun.removesuffix(start)}"
    fitting = [name for name in columns if name.startswith(start) and name not in chosen]
    return {f"{prefix}{name}": "" for name in fitting}


def _stored(data: Path, typed: dict[str, Any], parameter: str, incomplete: str) -> list[str]:
    """List names of a snapshot that start with what was typed."""
    import duckdb

    from clearml_snapshot.exporter.store.engine.file_names import literals
    from clearml_snapshot.exporter.store.opening import open_snapshot

    if is_address(data):
        return []
    fixed, prefix, beginning = _fixed_names(parameter, incomplete)
    try:
        opened = open_snapshot(data, parse_snapshot_ref(typed.get("snapshot")), points=False)
        with duckdb.connect(config=_CONFIG) as connection:
            for table, column in SOURCES[parameter]:
                files = literals(opened.paths(table))
                sql, aliases = _sql(column), typed.get("aliases")
                if aliases and table == "series":
                    sql = _renamed(sql, connection, files, Path(aliases))
                connection.execute(sql, [files, beginning, LONGEST])
                if names := list(islice(_printable_names(connection), MOST)):
                    return [*fixed, *(prefix + name for name in names)]
    except (SnapshotError, duckdb.Error, OSError):
        pass  # no dataset, or one that cannot be read
    return fixed


def _fixed_names(parameter: str, incomplete: str) -> tuple[list[str], str, str]:
    """Return what else fits than names, what is before a name, and the beginning of the name."""
    if parameter != "by":
        return [], "", incomplete
    from clearml_snapshot.queries.ask.grouping import BY_PARAM, GROUPINGS

    prefix = BY_PARAM if incomplete.startswith(BY_PARAM) else ""
    fixed = [name for name in GROUPINGS if name.startswith(incomplete)]
    return fixed, prefix, incomplete.removeprefix(prefix)


def _sql(column: str) -> str:
    if column.endswith(".sql"):
        from clearml_snapshot.exporter.store.engine.sql_text import read_sql

        return read_sql(__package__, column)
    return (
        f"SELECT DISTINCT one FROM (SELECT {column} AS one FROM read_parquet($1)) "
        "WHERE starts_with(one, $2) AND length(one) <= $3 ORDER BY ALL"
    )


def _renamed(sql: str, connection: "DuckDBPyConnection", files: list[str], aliases: Path) -> str:
    """Let SQL read the new names of metrics instead of the stored ones."""
    from clearml_snapshot.queries.aliases import Aliases
    from clearml_snapshot.queries.aliases.renames import shown_pairs

    connection.execute("SELECT DISTINCT metric, variant FROM read_parquet($1)", [files])
    pairs = shown_pairs(Aliases.read(aliases), connection.fetchall())
    connection.execute("CREATE OR REPLACE TABLE renamed (metric VARCHAR, variant VARCHAR)")
    connection.executemany("INSERT INTO renamed VALUES (?, ?)", pairs)
    return sql.replace("read_parquet($1)", "(FROM renamed WHERE $1::VARCHAR[] IS NOT NULL)")


def _printable_names(connection: "DuckDBPyConnection") -> Iterator[str]:
    """Return the names without control characters; others do not count towards ``MOST``."""
    while rows := connection.fetchmany(MOST):
        yield from (name for (name,) in rows if name and printable(name) == name)


def _snapshots(data: Path, incomplete: str) -> Offers:
    """List a dataset's snapshots, newest first: by number, or by time if that was begun."""
    from clearml_snapshot.exporter.store.format import layout
    from clearml_snapshot.exporter.store.opening import created, kept_snapshots

    try:
        newest_first = kept_snapshots(data)[: -MOST - 1 : -1]
        numbers = [number for number in newest_first if str(number).startswith(incomplete)]
        times = {
            number: _time(created(layout.snapshot(data, number)))
            for number in (numbers[:_DATED] if numbers else newest_first)
        }
    except (SnapshotError, OSError):
        return {}  # no dataset, or one that cannot be read
    if numbers:
        return {str(number): times.get(number, "") for number in numbers}
    return {
        time: f"snapshot {number}" for number, time in times.items() if time.startswith(incomplete)
    }


def _time(moment: "datetime") -> str:
    """Write a time so that it chooses this snapshot, and not the one before it."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00").removesuffix("000") + "Z"
