"""Notes on zeros that may be NaN and cannot be checked: the only values of their series.

ClearML's single values are the usual case. Nothing excludes them, because nothing shows what they
are; ``single_zeros.sql`` decides which ones are unlike those of other tasks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.suspect_notes import logged
from clearml_snapshot.queries.result import Rows

_OF_ROWS: Final = frozenset({"max", "min", "last", "best", "leaderboard"})
"""The queries whose rows have the task that a value is of."""
_OF_SERIES: Final = frozenset(
    {"compare", "curve", "first", "group", "health", "metrics", "stats", "wide"}
)
"""The queries that use every selected series."""
_SHOWN: Final = 5
_TASKS_SHOWN: Final = 3


def single_zero_notes(
    dataset: Dataset, query: Query, values: Mapping[str, Any], rows: Rows
) -> Iterator[str]:
    """Name the zeros in an answer that may be NaN, and are the only values of their series.

    Args:
        dataset: the dataset.
        query: the query. Only queries of the catalogue that use values have notes.
        values: the values of its parameters.
        rows: the rows of its answer that are a mark.
    """
    if query.file is not None or query.name not in (*_OF_ROWS, *_OF_SERIES):
        return
    if values.get("kind") is not None and "zero" not in values["kind"]:
        return
    find_zeros = _of_rows if query.name in _OF_ROWS else _of_series
    listed = [*_lines(find_zeros(dataset, query.name, values, rows), values)]
    yield from listed[:_SHOWN]
    if len(listed) > _SHOWN:
        yield f"… and {len(listed) - _SHOWN} more"


def _of_rows(
    dataset: Dataset, name: str, values: Mapping[str, Any], rows: Rows
) -> list[dict[str, Any]]:
    """Find those among the values that an answer shows, each with its task."""
    marks, shown = marks_of(values), rows.as_dicts()
    points = {
        (row["metric"], row["variant"], row["task_id"]) for row in shown if row["value"] in marks
    }
    if values.get("at"):
        points |= {
            (row["at_metric"], row["at_variant"], row["task_id"])
            for row in shown
            if row["at_value"] in marks
        }
    found = []
    if points:
        metrics, variants = zip(*sorted({point[:2] for point in points}), strict=True)
        task_ids = sorted({task_id for _, _, task_id in points})
        every = single_zeros(dataset, [*metrics], [*variants], marks=marks, task_ids=task_ids)
        found = [row for row in every if (row["metric"], row["variant"], row["task_id"]) in points]
    if name == "leaderboard" and values["also"]:
        task_ids = sorted({row["task_id"] for row in shown})
        also = values["also"], values["also_variant"]
        found += single_zeros(dataset, *also, marks=marks, task_ids=task_ids)
    return found


def _of_series(
    dataset: Dataset, name: str, values: Mapping[str, Any], _: Rows
) -> list[dict[str, Any]]:
    """Find those among the selected series, whose values are averaged or counted."""
    return single_zeros(
        dataset,
        values.get("metric"),
        values.get("variant"),
        marks=marks_of(values),
        all_metrics=values.get("all_metrics"),
        task_ids=values.get("tasks"),
        has_iteration=name in ("curve", "first")
        or values.get("smooth") is not None
        or values.get("iterations") is not None,
    )


def single_zeros(
    dataset: Dataset,
    metric: Sequence[str] | None,
    variant: Sequence[str] | None,
    *,
    marks: Sequence[float],
    all_metrics: bool | None = None,
    task_ids: Sequence[str] | None = None,
    has_iteration: bool = False,
) -> list[dict[str, Any]]:
    """Find zeros that may be NaN and are the only values of their series.

    Args:
        dataset: the dataset.
        metric: the metrics of the series; None means every one.
        variant: the variant of each.
        marks: the values that replace NaN.
        all_metrics: whether every metric includes ``:monitor:``.
        task_ids: the tasks; None means those that the filter selects.
        has_iteration: leave out ClearML's single values.

    Returns:
        Rows of ``metric``, ``variant``, ``task_id``, ``mark``, and of the other tasks' values
        ``lowest`` and ``highest``.
    """
    parameters = {
        "metric": metric,
        "variant": variant,
        "all_metrics": all_metrics,
        "task_ids": task_ids,
        "marks": list(marks),
        "has_iteration": has_iteration,
    }
    return dataset.rows(dataset.sql(read("notes/single_zeros.sql"), parameters)).as_dicts()


def _lines(zeros: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[str]:
    """Write one line per metric, variant and mark."""
    keeps = f", so {setting('suspect_zeros', 'exclude')} keeps it"
    for (metric, variant, mark), group in groupby(zeros, itemgetter("metric", "variant", "mark")):
        same = [*group]
        ids = ", ".join(row["task_id"][:8] for row in same[:_TASKS_SHOWN])
        more = " …" * (len(same) > _TASKS_SHOWN)
        tasks = f"task {ids}" if len(same) == 1 else f"{len(same):,} tasks ({ids}{more})"
        others = f"other tasks have {same[0]['lowest']:g} to {same[0]['highest']:g}"
        yield (
            f"{metric}/{variant}: the {mark!r} of {tasks} may be a NaN ({logged(mark)}; {others}); "
            f"it is the only value of its series and cannot be checked"
            f"{keeps if 'suspect_zeros' in values else ''}"
        )
