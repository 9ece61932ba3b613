"""Converts tasks of the server to rows of ``tasks`` and ``hyperparams``."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from clearml_snapshot.exporter.client.answers import Reference, Script, TaskEntry, judge
from clearml_snapshot.exporter.reader.events import clean_text
from clearml_snapshot.exporter.reader.last_metrics import ServerSummary, read_last_metrics
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.shared_texts import shared

_TIMES: Final = (
    "created",
    "started",
    "completed",
    "last_update",
    "last_change",
    "status_changed",
)

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
"""Fields of the listing: enough to see whether a task has changed."""

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
"""Fields that are requested for new and changed tasks only."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as listed; field names are those of the table ``tasks``."""

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
    odd: str | None = None
    """A description of fields that could not be read; they are None."""

    @property
    def archived(self) -> bool:
        """Whether it is archived."""
        return "archived" in self.system_tags

    @property
    def hidden(self) -> bool:
        """Whether the web UI hides it, as it does with the tasks behind datasets."""
        return "hidden" in self.system_tags

    def fingerprint(self, *context: object) -> str:
        """Hash the listed fields and the options of the export; equal hashes mean unchanged."""
        odd = () if self.odd is None else (self.odd,)
        encoded = msgspec.json.encode((self._columns(), *context, *odd))
        return hashlib.sha256(encoded).hexdigest()

    def row(self) -> dict[str, Any]:
        """Return the columns of ``tasks`` that the listing contains."""
        return {**self._columns(), "archived": self.archived, "hidden": self.hidden}

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS: Final = tuple(column.name for column in fields(Task) if column.name != "odd")


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """The heavy fields of a task, with credentials redacted."""

    columns: Mapping[str, str | None]
    """Columns of ``tasks``."""
    hyperparams: tuple[Mapping[str, str | None], ...]
    """Rows of ``hyperparams`` without the task id."""
    redacted: int = 0
    missing: str | None = None
    """Why they could not be read."""
    last_metrics: ServerSummary = field(default_factory=ServerSummary)


def read_task(written: Mapping[str, Any]) -> Task:
    """Convert one entry of a listing, which has an id.

    Missing, null and invalid fields become None; the invalid ones are named in ``odd``.
    """
    judged = judge(written, TaskEntry)
    entry = judged.entry
    assert entry is not None, "an entry without an id is left out by paging"
    times = {name: getattr(entry, name) for name in _TIMES}
    moments = {name: read_time(text) for name, text in times.items()}
    odd = [judged.odd] if judged.odd else []
    odd += [f"its {name} is not a time" for name in _TIMES if times[name] and not moments[name]]
    return Task(
        task_id=clean_text(entry.id),
        name=_text(entry.name) or "",
        project_id=shared(_part_of(entry.project, "id")),
        project=shared(_part_of(entry.project, "name")),
        type=shared(_text(entry.type)),
        status=shared(_text(entry.status)) or "unknown",
        user_id=shared(_part_of(entry.user, "id")),
        user=shared(_part_of(entry.user, "name")),
        tags=_texts(entry.tags),
        system_tags=_texts(entry.system_tags),
        last_iteration=entry.last_iteration,
        active_duration=entry.active_duration,
        parent=_part_of(entry.parent, "id"),
        odd="; ".join(odd) or None,
        **moments,
    )


def read_details(
    written: Mapping[str, Any], redactor: Redactor, *, with_params: bool = True
) -> TaskDetails:
    """Convert the heavy fields of one entry of ``tasks.get_all_ex``, which has an id."""
    judged = judge(written, TaskEntry)
    entry = judged.entry
    assert entry is not None, "an entry without an id is left out by paging"
    script = entry.script or Script()
    redacted = 0
    columns: dict[str, str | None] = {}
    for name in ("comment", "status_reason", "status_message"):
        columns[name], hits = redactor.text(_text(getattr(entry, name)))
        redacted += hits
    columns["repository"], hits = redactor.url(_text(script.repository))
    redacted += hits
    columns["branch"] = _text(script.branch)
    columns["commit"] = _text(script.version_num)
    columns["entry_point"] = _text(script.entry_point)
    rows = list(_hyperparams(entry.hyperparams)) if with_params else []
    for row in rows:
        value, hit = redactor.parameter(row["section"] or "", row["name"] or "", row["value"])
        row["value"] = value
        redacted += hit
    missing = f"its metadata: {judged.odd}" if judged.odd else None
    last_metrics = read_last_metrics(entry.id, entry.last_metrics)
    return TaskDetails(columns, tuple(rows), redacted, missing, last_metrics)


def read_time(text: str | None) -> datetime | None:
    """Read a time of the server, whose fraction is absent if it is 0; None if it is not a time.

    See docs/clearml-server.md, "Dates of a task".
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):  # before the year 1, or after 9999, in UTC
        return None
    # Arrow keeps milliseconds; cut here, so that the compared value is the stored one.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def web_url(web_host: str | None, task: Task) -> str | None:
    """Return the URL of a task's page; None if the web server is unknown."""
    if web_host is None:
        return None
    return f"{web_host}/projects/{task.project_id or '*'}/experiments/{task.task_id}/output/log"


def _hyperparams(
    sections: Mapping[str, Mapping[str, Any] | None] | None,
) -> Iterable[dict[str, Any]]:
    for section, params in (sections or {}).items():
        for name, param in (params or {}).items():
            entry = param if isinstance(param, dict) else {"value": param}
            yield {
                "section": clean_text(section),
                "name": clean_text(name),
                "value": _written(entry.get("value")),
                "type": _written(entry.get("type")),
            }


def _part_of(entry: Reference | str | None, part: Literal["id", "name"]) -> str | None:
    """Read ``{"id": …, "name": …}``, or the id alone, which some calls return."""
    if isinstance(entry, Reference):
        return _text(getattr(entry, part))
    return _text(entry) if part == "id" else None


def _text(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _written(value: object) -> str | None:
    """Convert a parameter's value to text, as the server stores it; older servers kept numbers."""
    return None if value is None else clean_text(value if isinstance(value, str) else str(value))


def _texts(values: Iterable[str] | None) -> tuple[str, ...]:
    """Read tags, which may be repeated."""
    return tuple(dict.fromkeys(map(clean_text, values or ())))
