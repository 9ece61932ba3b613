"""Rows of ``tasks`` for what a run did not get to read: so that the folder itself says it. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from clearml_snapshot.exporter.reader.tasks import web_url
from clearml_snapshot.exporter.selection.metric_filter import MetricFilter
from clearml_snapshot.exporter.sync.planning.plan import PlannedTask

_MORE: Final = "not read yet: more of its metrics were selected since its points were read"
_WITHOUT_MORE: Final = ("unread", "failed", "partial")
"""States that say already that something is missing."""


def is_widened(planned: PlannedTask) -> bool:
    """Whether a stored task is to have metrics that its row does not name."""
    known = planned.known
    return known is not None and (
        MetricFilter.read(known.metric_filter).wanted != planned.metrics.wanted
    )


def widened_row(row: Mapping[str, Any], planned: PlannedTask) -> dict[str, Any]:
    """Make of the stored row of a task the one that names all that was selected of it.

    Its points and metadata stay as they are. It is ``partial`` until the rest is read.

    Args:
        row: the stored row, with all columns of ``tasks``.
        planned: what was to be read of the task.
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
        planned: the task, and what was to be read of it.
        host: the server's address.
        web_host: that of its web UI; None is unknown.
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
