"""What is left of a remembered selection when some of the names in it are gone. Pure, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.exporter.selection.metric_filter import Series, resolve_metric
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import Names, TaskFilter, resolve

_JOINED_WITH_OR = ("projects", "users", "any_tags")
"""The fields of a filter of which one living name is enough."""


def living_filter(
    asked: TaskFilter, names: Names, now: datetime
) -> tuple[TaskFilter, tuple[str, ...]]:
    """Leave out the names that nothing has any more.

    What is excluded and not there is excluded already.

    Args:
        asked: what was typed once.
        names: the projects, users and tags that exist.
        now: as ``resolve`` takes it.

    Returns:
        The filter without them, and a sentence for each that a task was to have.

    Raises:
        NoSuchNameError: nothing can match: a tag that all must have is gone, or all of several.
    """
    dead: list[str] = []
    kept: dict[str, Any] = {}
    for name in _JOINED_WITH_OR:
        texts: Sequence[str] = getattr(asked, name)
        errors = {text: error for text in texts if (error := _error(name, text, names, now))}
        if texts and len(errors) == len(set(texts)):
            raise next(iter(errors.values()))
        dead += map(str, errors.values())
        kept[name] = tuple(text for text in texts if text not in errors)
    excluded = tuple(tag for tag in asked.exclude_tags if tag in names.tags)
    return replace(asked, exclude_tags=excluded, **kept), tuple(dead)


def living_metrics(selection: Selection, series: Series) -> Selection | None:
    """Leave out the metrics that no task has any more; None when none of those asked for is left.

    Raises:
        UsageError: an argument that can be read in several ways by now.
    """
    metrics = tuple(_there(selection.metrics, series))
    if selection.metrics and not metrics:
        return None
    excluded = tuple(_there(selection.exclude_metrics, series))
    return replace(selection, metrics=metrics, exclude_metrics=excluded)


def _there(arguments: Iterable[str], series: Series) -> Iterable[str]:
    for argument in arguments:
        try:
            resolve_metric(argument, series)
        except NoSuchNameError:
            continue
        yield argument


def _error(name: str, text: str, names: Names, now: datetime) -> NoSuchNameError | None:
    alone: dict[str, Any] = {name: (text,)}
    try:
        resolve(TaskFilter(**alone), names, now)
    except NoSuchNameError as error:
        return error
    return None
