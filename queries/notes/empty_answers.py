"""Explains why an answer is empty or has no value."""

from collections.abc import Mapping
from typing import Any, Final

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.header import Query, read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Rows

_NOTHING: Final[Mapping[str, str]] = {
    "health": "none of the selected tasks has any of these problems",
    "changes": "the last export neither added nor changed any of the selected tasks",
    "gone": "none of the selected tasks is gone, shrunk or lost on the server",
    "params": "none of the selected tasks has such hyperparameters",
}
"""Why the answer of these queries is empty, which is usually good news."""


def why_empty(dataset: Dataset, query: Query, values: Mapping[str, Any], rows: Rows) -> str | None:
    """Explain in one line why an answer has no rows, or no values.

    Args:
        dataset: the dataset.
        query: the query; for a user's query only an empty selection of tasks is explained.
        values: the values of its parameters.
        rows: the rows of its answer.

    Returns:
        None if the answer has values, or if the reason is not known.
    """
    if rows.rows:
        return _no_value(dataset, query, values, rows) if query.file is None else None
    reason = why_no_rows(dataset, query, values)
    return None if reason is None else f"no rows: {reason}"


def why_no_rows(dataset: Dataset, query: Query, values: Mapping[str, Any]) -> str | None:
    """Explain why an answer has no rows; None if the reason is not known."""
    counts = _counts(dataset, values)
    reason = _no_task(dataset, counts)
    if reason is None and query.file is None:
        reason = _NOTHING.get(query.name) or _no_rows(query, values, counts)
    return reason


def _counts(dataset: Dataset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Count what the snapshot contains for a query."""
    parameters = {name: values.get(name) for name in ("metric", "variant", "all_metrics", "tasks")}
    if not isinstance(parameters["metric"], list):
        parameters |= {"metric": None, "variant": None}
    if not isinstance(parameters["tasks"], list):
        parameters["tasks"] = None
    return dataset.rows(dataset.sql(read("notes/empty.sql"), parameters)).as_dicts()[0]


def _no_task(dataset: Dataset, counts: Mapping[str, Any]) -> str | None:
    if counts["n_tasks"]:
        return None
    if dataset.filter is None:
        return "the snapshot has no tasks"
    suggested = dataset.suggested_name()
    return suggested or f"the filter selects none of {dataset.snapshot.totals.tasks:,} tasks"


def _no_rows(query: Query, values: Mapping[str, Any], counts: Mapping[str, Any]) -> str | None:
    if query.name == "compare" and values["params"]:
        return "these tasks do not differ in any hyperparameter"
    if "metric" not in values:
        return None
    if not counts["n_having"]:
        which_tasks = "these tasks" if values.get("tasks") else "the selected tasks"
        return f"none of {which_tasks} has this metric; query metrics lists what there is"
    if query.name == "compare":
        return _nothing_in_common(values, counts)
    if query.name in ("curve", "first") and not counts["n_with_iterations"]:
        return "there are only single values, which have no iteration; query last shows them"
    if query.name == "curve" and values["x"] in ("time", "relative"):
        return f"no point has a time; leave out {setting('x')}"
    if query.name == "curve" and values["x_metric"] is not None:
        return f"no point has a value of {values['x']} at its iteration or before it"
    if query.name == "stats" and values["iterations"] is not None:
        return f"no point is at iterations {values['iterations']}; query metrics shows their range"
    return None


def _nothing_in_common(values: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    without = len(values["tasks"]) - counts["n_having"]
    if without:
        verb = "does" if without == 1 else "do"
        return f"{without} of the {len(values['tasks'])} tasks {verb} not have this metric"
    return (
        "the tasks have no metric, variant and iteration in common; "
        "query curve shows each task at its own iterations"
    )


def _no_value(dataset: Dataset, query: Query, values: Mapping[str, Any], rows: Rows) -> str | None:
    """Explain why no row has a value: nothing is finite, or nothing reaches the threshold."""
    if query.name == "first" and not any(row["reached"] for row in rows.as_dicts()):
        return _not_reached(values, _counts(dataset, values))
    column = {"best": "value", "leaderboard": "value", "group": "mean"}.get(query.name)
    if column is None or any(row[column] is not None for row in rows.as_dicts()):
        return None
    counts = _counts(dataset, values)
    if values["suspect_zeros"] == "exclude" and counts["n_not_finite"] < counts["n_points"]:
        return "no value: without suspect zeros no value is left"
    if values.get("smooth") is not None and not counts["n_with_iterations"]:
        only = "there are only single values, which have no iteration"
        return f"no value: {only}; leave out {setting('smooth')}"
    return "no value: none of the values is a finite number"


def _not_reached(values: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    if counts["lowest"] is None:
        return "not reached: none of the values is a finite number"
    above = values["above"] is not None
    limit, name = (values["above"], "highest") if above else (values["below"], "lowest")
    side = "above" if above else "below"
    if counts[name] > limit if above else counts[name] < limit:
        return f"not reached: no task stays {side} {limit:g} for that many consecutive points"
    return f"not reached: no value is {side} {limit:g}; the {name} is {counts[name]:g}"
