"""What the tasks of a report can be grouped by, as a page needs it."""

from collections.abc import Sequence
from typing import Any, Final

from clearml_snapshot.queries.pages.environment import seen
from clearml_snapshot.queries.report.model import Report

_LONGEST: Final = 200
_FIELDS: Final = {
    "project": ("project", "project_id"),
    "user": ("user", "user_id"),
    "status": ("status",),
    "type": ("type",),
}
"""Fields of a task by grouping; the first that is known counts, as in the query ``curve``."""


def groupings(report: Report) -> dict[str, dict[str, Any]]:
    """Describe the groupings of tasks by their fields, those that have several groups.

    Returns:
        By grouping: the labels of its groups, and for each task the numbers of its groups. Numbers
        are of complete texts, which labels need not be.
    """
    found = {
        name: _numbered([[_first(task, fields)] for task in report.tasks])
        for name, fields in _FIELDS.items()
    }
    found["tag"] = _numbered([[*dict.fromkeys(task["tags"])] or [None] for task in report.tasks])
    return {name: grouping for name, grouping in found.items() if len(grouping["labels"]) > 1}


def _first(task: dict[str, Any], fields: Sequence[str]) -> str | None:
    return next((task[field] for field in fields if task[field] is not None), None)


def _numbered(of_tasks: Sequence[Sequence[str | None]]) -> dict[str, Any]:
    different = {value for values in of_tasks for value in values}
    order = sorted(different, key=lambda value: (value is None, value or ""))
    number = {value: at for at, value in enumerate(order)}
    return {
        "labels": [None if value is None else seen(value, _LONGEST) for value in order],
        "of": [[number[value] for value in values] for values in of_tasks],
    }
