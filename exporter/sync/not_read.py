"""Makes rows for tasks that a run did not read, so that the dataset shows them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from clearml_snapshot.exporter.reader.tasks import web_url
from clearml_snapshot.exporter.selection.metric_filter import MetricFilter
from clearml_snapshot.exporter.sync.planning.plan import PlannedTask

_MORE: Final = "not read yet: more of its metrics were selected since its points were read"
_WITHOUT_MORE: Final = ("unread", "failed", "partial")
"""States that already show that something is missing."""


def is_widened(planned: PlannedTask) -> bool:
    """Return whether metrics are selected for a stored task that its row does not name."""
    stored = planned.stored
    return stored is not None and (
        MetricFilter.read(stored.metric_filter).choices != planned.metrics.choices
    )


def widened_row(row: Mapping[str, Any], planned: PlannedTask) -> dict[str, Any]:
    """Change the stored row of a task so that it names all metrics that were selected.

    Its points and metadata are unchanged. It is ``partial`` until the rest is read.

    Args:
        row: the stored row, with all columns of ``tasks``.
        planned: the planned reading of the task.
    """
    changed = {**row, "metric_filter": planned.metrics.text}
    state, reason = row["state"], row["reason"]
    if state in _WITHOUT_MORE:
        return changed
    before = "" if state == "complete" else f"; was {state}: {reason}"
    return {**changed, "state": "partial", "reason": _MORE + before}


def unread_row(
    planned: PlannedTask, host: str, web_host: str | None, now: datetime
) -> dict[str, Any]:
    """Make the row of a new task whose points were not read.

    Args:
        planned: the planned reading of the task.
        host: the server's address.
        web_host: the address of its web UI; None if it is unknown.
        now: when it was listed.
    """
    return {
        **planned.task.row(),
        "web_url": web_url(web_host, planned.task),
        "server_id": host,
        "metric_filter": planned.metrics.text,
        "points_stored": 0,
        "points_bad": 0,
        "state": "unread",
        "reason": "not read yet",
        "fetched_at": now,
        "fingerprint": planned.fingerprint,
        "selected": planned.selected,
    }
