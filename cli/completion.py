"""What a shell completes out of the dataset: metrics, variants, projects, tasks, tags, users.

A completion must be there at once and never fail: it opens the snapshot's small tables itself,
without the views of a question, and says nothing where there is no dataset.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.cli.options import DATA_VARIABLE, DEFAULT_DATA
from clearml_snapshot.cli.terminal import printable

SHELL_VARIABLE: Final = "_CLEARML_SNAPSHOT_COMPLETE"
"""Through it a shell asks for completions; its name is Typer's."""
_EVALUATED: Final = frozenset("\\`$\"'")
"""With one of these a name can be run: zsh evaluates once more what Typer's script gives it."""
MOST: Final = 200
"""Candidates that a shell is given."""

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
    "task": (_ID,),
    "tasks": (_NAME, _ID),
    "tag": (_TAG,),
    "any_tag": (_TAG,),
    "exclude_tag": (_TAG,),
    "user": (("tasks", '"user"'),),
    "status": (("tasks", "status"),),
    "type_": (("tasks", "type"),),
}
"""By a parameter's name: table and column of its values, the next only if the first has none."""


def candidates(parameter: str, typed: dict[str, Any], incomplete: str) -> list[str] | None:
    """List how what was begun can go on; None: this parameter is not one of the dataset's.

    Args:
        parameter: the name of the option or argument.
        typed: what stands before it; ``data`` and ``snapshot`` say where to look.
        incomplete: its beginning.
    """
    sources = SOURCES.get(parameter)
    if sources is None:
        return None
    data = typed.get("data") or os.environ.get(DATA_VARIABLE) or DEFAULT_DATA
    found = _stored(Path(data), typed.get("snapshot"), sources, incomplete)
    return [_for_shell(name) for name in found if printable(name) == name and _is_safe(name)]


def _stored(
    data: Path, snapshot: str | None, sources: Iterable[tuple[str, str]], incomplete: str
) -> list[str]:
    import duckdb

    from clearml_snapshot.cli.opening import which
    from clearml_snapshot.exporter.errors import SnapshotError
    from clearml_snapshot.exporter.store.literal import literals
    from clearml_snapshot.exporter.store.snapshots import open_snapshot

    try:
        found = open_snapshot(data, which(snapshot), points=False)
        with duckdb.connect(config={"threads": 1}) as connection:
            for table, column in sources:
                rows = connection.execute(
                    f"SELECT DISTINCT one FROM (SELECT {column} AS one FROM read_parquet($1)) "
                    "WHERE starts_with(one, $2) ORDER BY ALL LIMIT $3",
                    [literals(found.paths(table)), incomplete, MOST],
                ).fetchall()
                if rows:
                    return [name for (name,) in rows]
    except (SnapshotError, duckdb.Error):
        pass  # no dataset, or one that cannot be read: there is nothing to offer
    return []


def _is_safe(name: str) -> bool:
    """Tell whether a shell can be given a name; bash gets it quoted, and evaluates nothing."""
    return _is_for_bash() or not _EVALUATED & set(name)


def _for_shell(name: str) -> str:
    """Quote for bash, which takes a candidate as it is typed; zsh and fish quote themselves."""
    return shlex.quote(name) if _is_for_bash() else name


def _is_for_bash() -> bool:
    return "bash" in os.environ.get(SHELL_VARIABLE, "")
