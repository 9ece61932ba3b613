"""Computes the coverage line below an answer: how much of the history it is based on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clearml_snapshot.exporter.spans import span_in_words
from clearml_snapshot.exporter.store.format.states import in_words
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.result import Rows

_PARAMETERS: Final = ("metric", "variant", "all_metrics", "tasks")


@dataclass(frozen=True)
class Coverage:
    """The tasks that an answer is based on, and the age of the snapshot."""

    stored: int
    """Tasks in the snapshot."""
    selected: int
    """Tasks that match the filter."""
    having: int
    """Selected tasks that have a requested series."""
    running: int
    """Tasks with such a series whose status was in_progress."""
    queued: int
    """The same for queued: a task that is to continue."""
    draft: int
    """The same for created, which the web UI calls draft."""
    failed: int
    """The same for failed."""
    stopped: int
    """The same for stopped, which the web UI calls aborted."""
    archived: int
    """Tasks with such a series that are archived."""
    gone: int
    """Tasks with such a series that the server no longer has."""
    shrunk: int
    """Tasks with such a series of which the server has lost points that are still stored."""
    partial: int
    """Selected tasks that were read only in part."""
    unreadable: int
    """Selected tasks whose points could not be read at all."""
    unread: int
    """Selected tasks whose points were not read yet."""
    lost: int
    """Selected tasks of which the server lost points before they were read."""
    gone_before: int
    """Selected tasks that the server lost before all of their points were read."""
    number: int
    """The snapshot's."""
    created_at: datetime
    """The snapshot's."""
    subject: str | None = None
    """What tasks have that count in ``having``, in words; None: the query is not about metrics."""
    names_metrics: bool = False
    """Whether metrics were selected; if not, ``having`` counts tasks with any series."""
    about_tasks: bool = False
    """Whether the query names its tasks; if not, it is about all selected ones."""


def coverage(dataset: Dataset, values: Mapping[str, Any]) -> Coverage:
    """Count the tasks that an answer is based on.

    Args:
        dataset: the dataset.
        values: the values of the query's parameters, from ``Dataset.bound``; only ``metric``,
            ``variant`` and ``all_metrics`` matter, and may be missing.
    """
    parameters = {name: values.get(name) for name in _PARAMETERS}
    if not isinstance(parameters["tasks"], list):
        parameters["tasks"] = None  # in a user's query it may be anything
    if isinstance(parameters["metric"], str):
        parameters |= _of_one_metric(dataset, parameters["metric"], parameters["variant"])
    counts = dataset.sql(read("notes/coverage.sql"), parameters)
    snapshot = dataset.snapshot
    return Coverage(
        **dataset.rows(counts).as_dicts()[0],
        stored=snapshot.totals.tasks,
        number=snapshot.number,
        created_at=snapshot.created_at,
        subject=_subject(values),
        names_metrics=parameters["metric"] is not None,
        about_tasks=parameters["tasks"] is not None,
    )


def _subject(values: Mapping[str, Any]) -> str | None:
    """Describe the series that a query is about; None if it is about tasks."""
    if "metric" not in values:
        return None
    metrics = values["metric"]
    if metrics is None:
        return "metrics" if values.get("all_metrics") else "metrics (:monitor: not counted)"
    is_one = isinstance(metrics, str) or len({*metrics}) == 1
    return "it" if is_one else "one of the selected metrics"


def _of_one_metric(dataset: Dataset, metric: str, variant: object) -> dict[str, list[str]]:
    """Return parallel lists for a query that takes one metric, and one variant or all."""
    variants = [name for name in dataset.series_names.get(metric, ()) if variant in (None, name)]
    return {"metric": [metric] * len(variants), "variant": variants}


def lines(
    reach: Coverage, rows: Rows, now: datetime | None = None, *, has_age: bool = True
) -> list[str]:
    """Write the lines below an answer: its tasks, what to double-check, the snapshot's age.

    Args:
        reach: the counts.
        rows: the answer; its columns ``status`` and ``archived`` mark winners, ``n_nonfinite`` and
            ``n_null`` count values that could not win.
        now: the time to compute the age with; None means the current time.
        has_age: whether the last line says the age.
    """
    winners = rows.as_dicts() if {*rows.columns} >= OF_A_WINNER else []
    marked = list(
        dict.fromkeys(
            f"{row['metric']}/{row['variant']}: task {row['task_id'][:8]} is {' and '.join(marks)}"
            for row in winners
            if (marks := winner_marks(row))
        )
    )
    marked += dict.fromkeys(_not_numbers(row) for row in winners if _nonfinite(row))
    more = [f"… and {len(marked) - _SHOWN} more"] if len(marked) > _SHOWN else []
    made = f"snapshot {reach.number} of {reach.created_at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    age = (now or datetime.now(UTC)) - reach.created_at
    old = f", {span_in_words(age)} old" if has_age else ""
    return [_tasks(reach), *marked[:_SHOWN], *more, made + old]


def warnings(reach: Coverage) -> list[str]:
    """Return the line about the tasks if it reports that something is missing."""
    missing = (reach.unreadable, reach.partial, reach.unread, reach.lost)
    return [_tasks(reach)] if any((*missing, reach.shrunk, reach.gone)) else []


_SHOWN: Final = 5
OF_A_WINNER: Final = frozenset({"metric", "variant", "task_id", "value", "status"})
"""Columns of an answer that ranks tasks; in other answers no winner is marked."""


def winner_marks(row: Mapping[str, Any]) -> tuple[str, ...]:
    """List reasons to double-check a winner: ``still running``, ``archived``."""
    marks = []
    if row.get("status") == "in_progress":
        marks.append("still running")
    if row.get("archived"):
        marks.append("archived")
    return tuple(marks)


def _nonfinite(row: Mapping[str, Any]) -> int:
    if "n_points" not in row:
        return 0  # the counts are those of one task and are shown in its row
    return (row.get("n_nonfinite") or 0) + (row.get("n_null") or 0)


def _not_numbers(row: Mapping[str, Any]) -> str:
    count, points = _nonfinite(row), row["n_points"]
    be = "is not finite" if count == 1 else "are not finite"
    return f"{row['metric']}/{row['variant']}: {count:,} of {points:,} values {be} and cannot win"


def _tasks(reach: Coverage) -> str:
    narrowed = reach.selected != reach.stored and not reach.about_tasks
    among = f" (of {reach.stored:,} in the snapshot)" if narrowed else ""
    noun, verb = ("task", "has") if reach.selected == 1 else ("tasks", "have")
    text = f"{reach.selected:,} {noun}"
    missing = _missing(reach)
    if reach.subject is None:
        return f"{text}{among}" + (f": {missing}" if missing else "")
    if reach.names_metrics or reach.having < reach.selected:
        text = f"{reach.having:,} of {text} {verb} {reach.subject}"
    having = _counted(
        (reach.running, "running"),
        (reach.queued, "queued"),
        (reach.draft, "draft"),
        (reach.failed, "failed"),
        (reach.stopped, "stopped"),
        (reach.archived, "archived"),
        (reach.shrunk, "shrunk on the server"),
        (reach.gone, "gone from the server"),
    )
    text += among + (f": {having}" if having else "")
    return text + (f"; of all selected {missing}" if missing else "")


def _missing(reach: Coverage) -> str:
    """Describe the selected tasks that were not read completely; empty if there are none."""
    states = {name: getattr(reach, name) for name in ("partial", "unread", "lost")}
    missing = in_words({"failed": reach.unreadable, **states})
    if reach.gone_before:
        before = f"{reach.gone_before:,} gone before they were read completely"
        missing = f"{missing}, {before}" if missing else before
    return missing


def _counted(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)
