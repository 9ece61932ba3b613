"""Creates and changes single documents of the stand-in: tasks and projects.

Pure functions; the database chooses the documents and holds the lock.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

# An edit of these moves ``last_update`` too; one of names, tags or comments only ``last_change``.
_OF_THE_RUN = frozenset(
    ("type", "parent", "models", "container", "execution", "configuration", "script", "runtime")
)
# What a reset removes besides events and summaries.
_OF_THE_LAST_RUN = (
    *("started", "completed", "published", "active_duration", "last_worker"),
    *("last_worker_report", "enqueue_status"),
)


def new_project(project_id: str, name: str, parent: Document | None, now: datetime) -> Document:
    """Return a project's document; the last part of its name is below ``parent``."""
    return {
        "id": project_id,
        "name": name,
        "basename": name.rpartition("/")[2],
        "description": "",
        "created": now,
        "last_update": now,
        "tags": [],
        "featured": 9999,
        **_below(parent),
    }


def rename_project(
    project: Document,
    below: Iterable[Document],
    name: str,
    parent: Document | None,
    now: datetime,
) -> None:
    """Change the full name of a project, in place; all projects below it follow."""
    old_name, old_depth = project["name"], len(project["path"])
    project.pop("parent", None)
    parent_fields = _below(parent)
    for document in (project, *below):
        rest = document["path"][old_depth:]
        document["name"] = name + document["name"].removeprefix(old_name)
        document["basename"] = document["name"].rpartition("/")[2]
        document.update(path=parent_fields["path"] + rest, last_update=now)
    project.update(parent_fields)


def new_task(task: str, name: str, created: datetime) -> Document:
    """Return the document of a task that has not run."""
    return {
        "id": task,
        "name": name,
        "type": "training",
        "status": "created",
        "report_assets": [],
        "created": created,
        "output": {},
        "execution": _execution(),
        "tags": [],
        "system_tags": [],
        "script": {"repository": "", "entry_point": "", "requirements": {}},
        "last_update": created,
        "last_change": created,
        "last_iteration": 0,
        "last_metrics": {},
        "unique_metrics": [],
        "metric_stats": {},
        "hyperparams": {},
        "configuration": {},
        "runtime": {},
        "models": {"input": [], "output": []},
        "container": {},
    }


def forget_run(document: Document) -> None:
    """Remove what a task's last run left in it, in place, as a reset does."""
    for name in _OF_THE_LAST_RUN:
        document.pop(name, None)
    document.update(last_metrics={}, metric_stats={}, unique_metrics=[], last_iteration=0)
    document.update(runtime={}, models={**document["models"], "output": []})
    document["output"] = _without(document["output"], "result", "error")
    document["execution"] = _without(document["execution"], "queue")
    document.update(status_reason="reset", status_message="reset")


def is_running(document: Document) -> bool:
    """Return whether a task is running."""
    return document["status"] == "in_progress" and "started" in document


def is_of_the_run(document: Document, fields: Mapping[str, Any]) -> bool:
    """Return whether an edit touches more than labels; a user's properties are labels."""
    if _OF_THE_RUN.intersection(fields):
        return True
    new, old = fields.get("hyperparams"), document["hyperparams"]
    return new is not None and _without(new, "properties") != _without(old, "properties")


def finite(value: Any) -> bool:
    """Return whether the server accepts a value: it refuses NaN and infinity."""
    return not isinstance(value, float) or math.isfinite(value)


def stored(name: str, value: Any) -> Any:
    """Return a field's value as the database stores it."""
    return sorted(value) if name in ("tags", "system_tags") else milliseconds(value)


def milliseconds(value: Any) -> Any:
    """Cut a time to milliseconds in UTC, as MongoDB does; anything else is unchanged."""
    if not isinstance(value, datetime):
        return value
    aware = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)


def _below(parent: Document | None) -> Document:
    if parent is None:
        return {"path": []}
    return {"parent": parent["id"], "path": [*parent["path"], parent["id"]]}


def _execution() -> Document:
    return {
        "test_split": 0,
        "parameters": {},
        "model_desc": {},
        "model_labels": {},
        "artifacts": [],
    }


def _without(mapping: Mapping[str, Any], *names: str) -> Document:
    return {key: value for key, value in mapping.items() if key not in names}
