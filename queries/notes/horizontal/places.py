"""Says which points have no place on the horizontal axis, and which were moved on it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query, parse, read
from clearml_snapshot.queries.ask.horizontal import x_pair
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.shards.asking import asked

_SELECTING: Final = ("metric", "variant", "all_metrics")
_RESUMED: Final = "notes/horizontal/resumed.sql"


def place_notes(dataset: Dataset, query: Query, values: Mapping[str, Any]) -> Iterator[str]:
    """Say which points of ``curve`` were left out or moved.

    Args:
        dataset: the dataset.
        query: the query.
        values: the values of its parameters.
    """
    if query.file is not None or query.name != "curve":
        return
    if x_pair(values) is not None:
        yield from _without_x(dataset, values)
    if values["offset_resumed"]:
        yield _moved(dataset, values)


def _without_x(dataset: Dataset, values: Mapping[str, Any]) -> Iterator[str]:
    names = (*_SELECTING, "x_metric", "x_variant")
    sql = read("notes/horizontal/without_x.sql")
    [(n_tasks, n_without, n_before, n_with_gaps, n_turning)] = dataset.rows(
        dataset.sql(sql, {name: values[name] for name in names})
    ).rows
    x = values["x"]
    if n_without:
        has, are = ("has", "is") if n_without == 1 else ("have", "are")
        yield f"{_of_tasks(n_without, n_tasks)} {has} no points of {x} and {are} left out"
    if n_before:
        yield f"{_of_tasks(n_before, n_tasks)}: points before the first one of {x} are left out"
    if n_with_gaps:
        yield f"{_of_tasks(n_with_gaps, n_tasks)}: points where {x} is not finite are left out"
    if n_turning:
        yield (
            f"{_of_tasks(n_turning, n_tasks)}: {x} goes up and down; points are in its order, not "
            "in that of the iterations"
        )


def _of_tasks(n: int, n_tasks: int) -> str:
    if n == n_tasks:
        return f"all {n:,} tasks" if n > 1 else "the only task"
    return f"{n:,} of {n_tasks:,} tasks"


def _moved(dataset: Dataset, values: Mapping[str, Any]) -> str:
    """Count the breaks that were joined, and show one."""
    query = parse("resumed", read(_RESUMED))
    bound = {param.name: values[param.name] for param in query.params}
    with asked(dataset, query, bound, lambda _: ()) as answer:
        rows = answer.result.in_memory().as_dicts()
    named = setting("offset_resumed", True)
    if not rows:
        return f"{named}: no iterations begin anew or jump, so nothing was moved"
    n_tasks, n_breaks = len({row["task_id"] for row in rows}), sum(row["n_breaks"] for row in rows)
    first = rows[0]
    task = first["task"] or first["task_id"]
    tasks, breaks = _counted(n_tasks, "task"), _counted(n_breaks, "break")
    return (
        f"{named}: {breaks} in the iterations of {_counted(len(rows), 'curve')} of {tasks} joined; "
        f"{first['metric']}/{first['variant']} of {task!r} has {first['after']} after "
        f"{first['before']}"
    )


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
