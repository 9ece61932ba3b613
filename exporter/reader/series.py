"""Lists the metrics and variants that tasks have, although the server cuts its lists of them."""

from collections.abc import Sequence
from typing import Any, Final

from clearml_snapshot.exporter.client.answers import (
    Columns,
    MetricData,
    Metrics,
    TaskMetrics,
    reader,
)
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import RefusedError

_LISTS_SINCE: Final = (2, 28)
"""API version (ClearML 1.14) that added the list of metrics of several tasks
(docs/clearml-server.md, "Older servers")."""
NO_SUCH_TASK: Final = (400, 101)
"""Status and subcode of a request for a task that does not exist."""
_TASKS_A_CALL: Final = 500
"""Tasks per request; with more, the server reports existing ones as invalid
(docs/clearml-server.md, "Lists of metrics")."""
_EVENTS_PAGE: Final = 10_000
"""Points per request for columns (docs/clearml-server.md, "Other ways to read points")."""
_LISTED: Final = 8_000
"""Variants that the server lists in total, divided evenly among the metrics
(docs/clearml-server.md, "Lists of metrics")."""
_MOST_SCROLLED: Final = 500_000
"""Points of a metric up to which a thousand requests are spent only to list its variants."""
FEW_TRIES: Final = 4
"""Of a request that the server answers with an error, if there is another way."""
SERVER_ERROR: Final = 500
"""The HTTP status of an unexpected error in the server."""


def list_series(
    api: Client, task_ids: Sequence[str], refused: dict[str, RefusedError] | None = None
) -> dict[str, set[str]]:
    """List the metrics and all their variants that some tasks have.

    The server cuts each list of variants at 8,000 divided by the number of metrics, so a group of
    tasks whose lists may be cut is halved, and those of one task are
    read from its points.

    Args:
        api: a client that is logged in.
        task_ids: the tasks.
        refused: receives the tasks whose metrics the server cannot list; without it the first
            such error is raised.

    Raises:
        RefusedError: the server cannot list the metrics of a task.
    """
    series: dict[str, set[str]] = {}
    groups = [task_ids[at : at + _TASKS_A_CALL] for at in range(0, len(task_ids), _TASKS_A_CALL)]
    while groups:
        group = groups.pop()
        listed = listed_series(api, group, refused)
        cut = [name for name, names in listed.items() if len(names) >= _LISTED // len(listed)]
        if cut and len(group) > 1:
            groups += _halves(group)
            continue
        for metric in cut:
            listed[metric] |= list_variants(api, group[0], metric)
        for metric, variants in listed.items():
            series.setdefault(metric, set()).update(variants)
    return series


def listed_series(
    api: Client, task_ids: Sequence[str], refused: dict[str, RefusedError] | None = None
) -> dict[str, set[str]]:
    """List metrics and variants as the server does, with long lists of variants cut.

    A task that was deleted in the meantime makes the server refuse its complete group, so the
    group is halved until only that task is left out.

    Raises:
        RefusedError: the server is too old for it, or cannot list a task's metrics.
    """
    if api.version < _LISTS_SINCE:
        raise RefusedError(
            f"{api.host} is too old to list the metrics of its tasks: it has API "
            f"{'.'.join(map(str, api.version))}, and a choice of metrics needs ClearML 1.14 "
            "(API 2.28) or newer; export all metrics instead",
            status=404,
            subcode=0,
        )
    series: dict[str, set[str]] = {}
    groups = [task_ids]
    while groups:
        group = groups.pop()
        body = {"tasks": list(group), "event_type": "training_stats_scalar"}
        try:
            data = api.call("events.get_multi_task_metrics", body, reader(Metrics), FEW_TRIES)
        except RefusedError as error:
            if len(group) > 1:
                groups += _halves(group)
            elif (error.status, error.subcode) != NO_SUCH_TASK:
                _refuse(group[0], error, refused)
            continue
        for entry in data.metrics:
            series.setdefault(entry.metric, set()).update(entry.variants or ())
    return series


def _refuse(task_id: str, error: RefusedError, refused: dict[str, RefusedError] | None) -> None:
    may_be_many = f", of which it may have more than {_LISTED:,}" * (error.status == SERVER_ERROR)
    refusal = RefusedError(
        f"task {task_id}: the server cannot list its metrics{may_be_many} ({error})",
        status=error.status,
        subcode=error.subcode,
    )
    if refused is None:
        raise refusal from None
    refused[task_id] = refusal


def _halves(group: Sequence[str]) -> list[Sequence[str]]:
    half = len(group) // 2
    return [group[half:], group[:half]]


def metric_names(api: Client, task_id: str) -> set[str]:
    """List metrics of a task, the first 8,000 by name, except those with only single values.

    The list is empty if the server refuses: this is called after better lists have failed.
    """
    body = {"tasks": [task_id], "event_type": "training_stats_scalar"}
    try:
        data = api.call("events.get_task_metrics", body, reader(TaskMetrics), FEW_TRIES)
    except RefusedError:
        return set()
    return {name for entry in data.metrics or () for name in entry.metrics}


def list_variants(api: Client, task_id: str, metric: str) -> set[str]:
    """List the variants of a metric: by wall time the server pages through any number of them.

    More than 10,000 in one millisecond are cut here too; in that case the events are scrolled
    through.
    """
    names = set(listed_series(api, [task_id]).get(metric) or ())
    total = _add_by_time(api, task_id, metric, names)
    if total is not None and total <= _MOST_SCROLLED:
        _add_by_scroll(api, task_id, metric, names)
    return names


def _add_by_time(api: Client, task_id: str, metric: str, names: set[str]) -> int | None:
    """Add variants by wall time; returns the number of points if some were not returned."""
    body: dict[str, Any] = {
        "task": task_id,
        "metric": {"metric": metric},
        "key": "timestamp",
        "batch_size": _EVENTS_PAGE,
        "count_total": True,
    }
    seen, total = 0, None
    while total is None or seen < total:
        try:
            data = api.call("events.scalar_metrics_iter_raw", body, reader(Columns), FEW_TRIES)
        except RefusedError as error:
            if error.status != SERVER_ERROR:
                raise
            return None  # an event without a value breaks this call; what is listed must suffice
        names.update(data.variants or ())
        total = data.total or 0
        if not data.returned or data.scroll_id is None:
            return total
        seen += data.returned
        body["scroll_id"] = data.scroll_id
    return None


def _add_by_scroll(api: Client, task_id: str, metric: str, names: set[str]) -> None:
    """Add variants event by event, 500 per request: this scroll is not cut at any iteration."""
    body: dict[str, Any] = {"task": task_id, "metric": metric}
    for _ in range(_MOST_SCROLLED // 500):
        try:
            data = api.call("events.get_scalar_metric_data", body, reader(MetricData), FEW_TRIES)
        except RefusedError:
            return
        variants = (event.get("variant") for event in data.events or ())
        names.update(name for name in variants if isinstance(name, str))
        if not data.events or not data.scroll_id:
            return
        body["scroll_id"] = data.scroll_id
