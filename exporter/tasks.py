"""What the server says of a task → the rows of ``tasks`` and ``hyperparams``."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clearml_snapshot.exporter.claims import Claims, read_claims
from clearml_snapshot.exporter.events import clean_text
from clearml_snapshot.exporter.redact import Redactor

LIGHT_FIELDS: Final = (
    "id",
    "name",
    "type",
    "status",
    "status_changed",
    "project.name",
    "user.name",
    "tags",
    "system_tags",
    "created",
    "started",
    "completed",
    "last_update",
    "last_change",
    "last_iteration",
    "active_duration",
    "parent",
)
"""What the listing asks for: enough to see whether a task has changed."""

HEAVY_FIELDS: Final = (
    "id",
    "comment",
    "status_reason",
    "status_message",
    "hyperparams",
    "script.repository",
    "script.branch",
    "script.version_num",
    "script.entry_point",
    "last_metrics",
)
"""What is asked for new and changed tasks only."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the listing shows it; field names are those of the table ``tasks``."""

    task_id: str
    name: str
    project_id: str | None
    project: str | None
    type: str | None
    status: str
    user_id: str | None
    user: str | None
    tags: tuple[str, ...]
    system_tags: tuple[str, ...]
    created: datetime | None
    started: datetime | None
    completed: datetime | None
    last_update: datetime | None
    last_change: datetime | None
    status_changed: datetime | None
    last_iteration: int | None
    active_duration: int | None
    parent: str | None

    @property
    def archived(self) -> bool:
        """Whether it lies in the archive."""
        return "archived" in self.system_tags

    @property
    def hidden(self) -> bool:
        """Whether the web UI hides it, as it does with the tasks behind datasets."""
        return "hidden" in self.system_tags

    def fingerprint(self, *context: object) -> str:
        """Hash all that the listing says, and what it is read for; equal means unchanged."""
        return hashlib.sha256(msgspec.json.encode((self, *context))).hexdigest()

    def row(self) -> dict[str, Any]:
        """Give the columns of ``tasks`` that the listing knows."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**known, "archived": self.archived, "hidden": self.hidden}


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """The heavy part of a task, with what looks like a credential taken out."""

    columns: Mapping[str, str | None]
    """Columns of ``tasks``."""
    hyperparams: tuple[Mapping[str, str | None], ...]
    """Rows of ``hyperparams`` without the task id."""
    redacted: int = 0
    missing: str | None = None
    """Why they could not be read."""
    claims: Claims = field(default_factory=Claims)


def read_task(said: Mapping[str, Any]) -> Task:
    """Make a task of one entry of a listing; what is missing or odd becomes None."""
    return Task(
        task_id=str(said["id"]),
        name=_text(said.get("name")) or "",
        project_id=_shared(_joined(said, "project", "id")),
        project=_shared(_joined(said, "project", "name")),
        type=_shared(_text(said.get("type"))),
        status=_shared(_text(said.get("status"))) or "unknown",
        user_id=_shared(_joined(said, "user", "id")),
        user=_shared(_joined(said, "user", "name")),
        tags=_texts(said.get("tags")),
        system_tags=_texts(said.get("system_tags")),
        created=read_time(said.get("created")),
        started=read_time(said.get("started")),
        completed=read_time(said.get("completed")),
        last_update=read_time(said.get("last_update")),
        last_change=read_time(said.get("last_change")),
        status_changed=read_time(said.get("status_changed")),
        last_iteration=_integer(said.get("last_iteration")),
        active_duration=_integer(said.get("active_duration")),
        parent=_joined(said, "parent", "id"),
    )


def read_details(
    said: Mapping[str, Any], redactor: Redactor, *, with_params: bool = True
) -> TaskDetails:
    """Make the heavy part of one entry of ``tasks.get_all_ex``."""
    script = said.get("script") if isinstance(said.get("script"), dict) else {}
    assert isinstance(script, dict)
    redacted = 0
    columns: dict[str, str | None] = {}
    for name in ("comment", "status_reason", "status_message"):
        columns[name], hits = redactor.text(_text(said.get(name)))
        redacted += hits
    columns["repository"], hits = redactor.url(_text(script.get("repository")))
    redacted += hits
    columns["branch"] = _text(script.get("branch"))
    columns["commit"] = _text(script.get("version_num"))
    columns["entry_point"] = _text(script.get("entry_point"))
    rows = list(_hyperparams(said.get("hyperparams"))) if with_params else []
    for row in rows:
        value, hit = redactor.parameter(row["section"] or "", row["name"] or "", row["value"])
        row["value"] = value
        redacted += hit
    claims = read_claims(str(said["id"]), said.get("last_metrics"))
    return TaskDetails(columns, tuple(rows), redacted, claims=claims)


def read_time(text: object) -> datetime | None:
    """Read a server's time, whose fraction is absent when it is 0; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    # Arrow keeps milliseconds; cut them here, so that what is compared is what is stored.
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def web_url(web_host: str | None, task: Task) -> str | None:
    """Make the address of a task's page; None without a known web server."""
    if web_host is None:
        return None
    return f"{web_host}/projects/{task.project_id or '*'}/experiments/{task.task_id}/output/log"


def _hyperparams(sections: object) -> Iterable[dict[str, str | None]]:
    if not isinstance(sections, dict):
        return
    for section, params in sections.items():
        for name, param in params.items() if isinstance(params, dict) else ():
            entry = param if isinstance(param, dict) else {"value": param}
            yield {
                "section": clean_text(str(section)),
                "name": clean_text(str(name)),
                "value": _text(entry.get("value")),
                "type": _text(entry.get("type")),
            }


def _joined(said: Mapping[str, Any], field: str, part: str) -> str | None:
    """Read ``{"id": …, "name": …}``, or the plain id that some calls give instead."""
    entry = said.get(field)
    if isinstance(entry, dict):
        return _text(entry.get(part))
    return _text(entry) if part == "id" else None


def _shared(text: str | None) -> str | None:
    """Keep one copy of a text that many tasks have in common."""
    return None if text is None else sys.intern(text)


def _text(value: object) -> str | None:
    return None if value is None else clean_text(value if isinstance(value, str) else str(value))


def _texts(values: object) -> tuple[str, ...]:
    """Read tags, which may be doubled."""
    known = values if isinstance(values, list) else []
    return tuple(dict.fromkeys(clean_text(str(value)) for value in known))


def _integer(value: object) -> int | None:
    is_whole = isinstance(value, int) and -(2**63) <= value < 2**63
    return value if is_whole and isinstance(value, int) else None
