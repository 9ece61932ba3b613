"""Notes on means of tasks: which of these are not finished, or no replicates of each other."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.coverage import Coverage

_SHOWN: Final = 3
_COMPLETED: Final = "completed"


def mean_notes(
    dataset: Dataset,
    query: Query,
    values: Mapping[str, Any],
    reach: Coverage,
    *,
    quiet: bool,
) -> Iterator[str]:
    """Say what is in the means of ``group``, or of ``curve`` by group, besides finished replicates.

    Args:
        dataset: the dataset.
        query: the query.
        values: the values of its parameters.
        reach: the tasks that the answer is based on.
        quiet: leave out what the line about these tasks shows as well.
    """
    if query.file is not None or not _has_means(query, values):
        return
    if values["by_all_except"] is not None:
        yield from _repeated(dataset, values)
    if not quiet and (reach.running or reach.failed or reach.stopped):
        yield f"{setting('statuses', _COMPLETED)} leaves tasks that are not completed out of means"


def _has_means(query: Query, values: Mapping[str, Any]) -> bool:
    if query.name == "curve":
        return values["by"] is not None or values["by_all_except"] is not None
    return query.name == "group"


def _repeated(dataset: Dataset, values: Mapping[str, Any]) -> Iterator[str]:
    """Name groups in which tasks have equal values of what should differ, such as the seed."""
    names = ("metric", "variant", "by_all_except")
    asked = {"all_metrics": values.get("all_metrics"), **{name: values[name] for name in names}}
    groups = dataset.rows(dataset.sql(read("notes/replicates.sql"), asked)).rows
    if not groups:
        return
    listed = ", ".join(
        f"{n_tasks} tasks such as {task!r} have {n_different} different "
        f"value{'s' if n_different != 1 else ''}"
        for task, n_tasks, n_different in groups[:_SHOWN]
    )
    more = f", and {len(groups) - _SHOWN} more groups" if len(groups) > _SHOWN else ""
    what = " and ".join(values["by_all_except"][:_SHOWN])
    yield f"tasks with equal {what} are counted as replicates: {listed}{more}"
