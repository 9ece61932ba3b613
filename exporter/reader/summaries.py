"""Reads the server's own summary (``last_metrics``) of tasks, as it is at this moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.reader.last_metrics import ServerSummary, read_last_metrics
from clearml_snapshot.exporter.reader.paging import ask_entries
from clearml_snapshot.exporter.reader.tasks import Task, read_task

MOST_TASKS: Final = 500
"""Tasks per request; the server cuts longer pages (docs/clearml-server.md, "Pages of a list")."""
_FIELDS: Final = ("id", "status", "status_changed", "started", "last_update", "last_iteration")
"""What changes when points change; ``last_change`` changes with names and tags as well."""


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task as the server describes it now; of ``task`` only status, times and iteration."""

    task: Task
    last_metrics: ServerSummary


def read_summaries(
    api: Client, task_ids: Iterable[str], *, with_last_metrics: bool = True
) -> dict[str, TaskSummary]:
    """Read how at most ``MOST_TASKS`` tasks are now, by id; including hidden and archived ones.

    A task that the server does not have is left out. Without ``with_last_metrics`` the summaries
    are empty, which saves 350 bytes per series.

    Raises:
        RefusedError, ServerError: as ``paging.ask_entries`` does.
    """
    ids = list(task_ids)
    if not ids:
        return {}  # an empty list of ids does not filter
    body = {"id": ids, "search_hidden": True, "page": 0, "page_size": MOST_TASKS}
    only = [*_FIELDS, "last_metrics"] if with_last_metrics else _FIELDS
    return {
        entry["id"]: TaskSummary(
            read_task(entry), read_last_metrics(entry["id"], entry.get("last_metrics"))
        )
        for entry in ask_entries(api, "tasks", body, only).entries
    }
