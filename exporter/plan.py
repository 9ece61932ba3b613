"""What to read: listed tasks against stored ones. Pure, no I/O."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearml_snapshot.exporter.metrics import MetricChoice, filter_text, metric_selectors
from clearml_snapshot.exporter.tasks import Task

Wanted = tuple[MetricChoice, ...] | None
"""The metrics asked of a task; None is every one."""


@dataclass(frozen=True, slots=True)
class KnownTask:
    """What the dataset holds of a task."""

    fingerprint: str
    state: str
    metric_filter: str | None
    points_stored: int


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task to be read."""

    task: Task
    fingerprint: str
    wanted: Wanted
    known: KnownTask | None
    """None: it is new."""


@dataclass(frozen=True)
class Plan:
    """The work of one run."""

    to_read: tuple[PlannedTask, ...]
    unchanged: tuple[Task, ...]


def make_plan(
    asked: Iterable[tuple[Task, Wanted]],
    known: Mapping[str, KnownTask],
    context: Sequence[object] = (),
) -> Plan:
    """Decide for each listed task whether it is read.

    A task is left as it is when nothing that the listing says has changed, all of its points are
    stored, and it was asked for at least what is asked now. Otherwise it is read for what is
    stored and what is asked together, so that a narrower question drops nothing.

    Args:
        asked: the listed tasks, and the metrics asked of each.
        known: what the dataset holds, by task id.
        context: what else decides about the rows, such as whether parameters are taken.
    """
    to_read, unchanged = [], []
    for task, wanted in asked:
        fingerprint = task.fingerprint(*context)
        stored = known.get(task.task_id)
        together = wanted if stored is None else merge(wanted, read_filter(stored.metric_filter))
        is_same = (
            stored is not None
            and stored.fingerprint == fingerprint
            and stored.state == "complete"
            and filter_text(together) == stored.metric_filter
        )
        if is_same:
            unchanged.append(task)
        else:
            to_read.append(PlannedTask(task, fingerprint, together, stored))
    return Plan(tuple(to_read), tuple(unchanged))


def merge(one: Wanted, other: Wanted) -> Wanted:
    """Ask for what either asks for."""
    if one is None or other is None:
        return None
    return _choices(metric_selectors([*one, *other]))


def read_filter(text: str | None) -> Wanted:
    """Read ``tasks.metric_filter`` back."""
    return None if text is None else _choices(json.loads(text))


def _choices(selectors: Iterable[Mapping[str, object]]) -> tuple[MetricChoice, ...]:
    return tuple(
        MetricChoice(str(one["metric"]), frozenset(variants) if variants else None)
        for one in selectors
        for variants in [_names(one.get("variants"))]
    )


def _names(variants: object) -> list[str]:
    return [str(name) for name in variants] if isinstance(variants, list) else []
