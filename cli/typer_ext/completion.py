"""Completes names from the dataset: metrics, variants, projects, tasks, tags, users.

A completion must be fast and must never fail: it reads the snapshot's small tables itself, without
the views of a query, and offers nothing if there is no dataset.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.cli.options.dataset import DATA_VARIABLE, DEFAULT_DATA, parse_snapshot_ref
from clearml_snapshot.cli.output.terminal import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST: Final = 200
"""Names that are offered to a shell."""
LONGEST: Final = 1_000
"""Characters of a name; longer names are not offered."""
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "memory_limit": "1GB",
    "temp_directory": "",
}
"""DuckDB's configuration: completion writes nothing to disk."""

_METRIC: Final = ("series", "metric")
_SERIES: Final = ("series", "metric || '/' || variant")
_PARAM: Final = ("hyperparams", "section || '/' || name")
_NAME: Final = ("tasks", "name")
_ID: Final = ("tasks", "task_id")
_TAG: Final = ("tasks", "unnest(tags)")

SOURCES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "metric": (_METRIC, _SERIES),
    "exclude_metric": (_METRIC, _SERIES),
    "at": (_METRIC, _SERIES),
    "also": (_METRIC, _SERIES),
    "variant": (("series", "variant"),),
    "param": (_PARAM,),
    "by_all_except": (_PARAM,),
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
"""Tables and columns of each parameter's values; a later one is used if earlier ones are empty."""


def complete(parameter: str, typed: dict[str, Any], incomplete: str) -> list[str] | None:
    """List names that start with what was typed; None if the dataset has none for the parameter.

    Args:
        parameter: the name of the option or argument.
        typed: the parameters before it; ``path``, ``data`` and ``snapshot`` choose what is
            read.
        incomplete: the start of the value.
    """
    sources = SOURCES.get(parameter)
    if sources is None:
        return None
    data = typed.get("path") or typed.get("data") or os.environ.get(DATA_VARIABLE) or DEFAULT_DATA
    folder = Path(os.path.expanduser(data))  # noqa: PTH111  # Path.expanduser raises without a home
    return _stored(folder, typed.get("snapshot"), sources, incomplete)


def _stored(
    data: Path, snapshot: str | None, sources: Iterable[tuple[str, str]], incomplete: str
) -> list[str]:
    import duckdb

    from clearml_snapshot.exporter.errors import SnapshotError
    from clearml_snapshot.exporter.store.engine.file_names import literals
    from clearml_snapshot.exporter.store.opening import open_snapshot

    try:
        opened = open_snapshot(data, parse_snapshot_ref(snapshot), points=False)
        with duckdb.connect(config=_CONFIG) as connection:
            for table, column in sources:
                connection.execute(
                    f"SELECT DISTINCT one FROM (SELECT {column} AS one FROM read_parquet($1)) "
                    "WHERE starts_with(one, $2) AND length(one) <= $3 ORDER BY ALL",
                    [literals(opened.paths(table)), incomplete, LONGEST],
                )
                if names := list(islice(_printable_names(connection), MOST)):
                    return names
    except (SnapshotError, duckdb.Error, OSError):
        pass  # no dataset, or one that cannot be read: nothing to offer
    return []


def _printable_names(connection: "DuckDBPyConnection") -> Iterator[str]:
    """Return the names without control characters; others do not count towards ``MOST``."""
    while rows := connection.fetchmany(MOST):
        yield from (name for (name,) in rows if name and printable(name) == name)
