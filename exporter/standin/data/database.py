"""The records behind the stand-in: users, projects, tasks, events, and what people do to them.

Documents are dictionaries in the server's own fields, references as plain ids, times as aware
datetimes in UTC cut to milliseconds (as MongoDB keeps them).
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from clearml_snapshot.exporter.standin.data.documents import (
    Document,
    finite,
    forget_run,
    is_of_the_run,
    is_running,
    milliseconds,
    new_project,
    new_task,
    rename_project,
    stored,
)
from clearml_snapshot.exporter.standin.data.last_metrics import (
    batch_of_block,
    batch_of_events,
    hashed,
    merge,
)
from clearml_snapshot.exporter.standin.data.points import (
    SCALAR,
    SINGLE_VALUE,
    Block,
    Event,
    TaskEvents,
)

COMPANY = "d1bd92a3b039400cbafc60a7a5b1e52b"
DEFAULT_USER = "__tests__"
# Their iterations do not count as the task's last iteration.
_NO_ITERATION = (":monitor:machine", ":monitor:gpu")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """One company's records; every method may be called while the server is answering.

    Args:
        seed: ids follow from it, so that two databases built alike are equal.
        now: the clock for creation and change times; the real one unless given.
    """

    def __init__(self, seed: object = 0, now: Callable[[], datetime] = _utc_now) -> None:
        self.lock = threading.RLock()
        self.company = COMPANY
        self.users: dict[str, Document] = {}
        self.projects: dict[str, Document] = {}
        self.tasks: dict[str, Document] = {}
        self.events: dict[str, TaskEvents] = {}
        self.now = now
        self._seed = seed
        self._count = 0
        self.add_user("Default User", user_id=DEFAULT_USER)

    def new_id(self) -> str:
        """Return the next id: 32 hex digits that follow from the seed."""
        self._count += 1
        text = f"{self._seed}-{self._count}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def add_user(self, name: str, *, user_id: str | None = None) -> str:
        """Add a user and return its id."""
        user = user_id or self.new_id()
        self.users[user] = {
            "id": user,
            "company": self.company,
            "name": name,
            "created": self._time(),
        }
        return user

    def add_project(self, name: str, *, system_tags: Sequence[str] = (), **fields: Any) -> str:
        """Add a project (and its parents) and return its id; an existing one is left as it is."""
        for project in self.projects.values():
            if project["name"] == name:
                return str(project["id"])
        parent = self._parent(name)
        project_id = fields.pop("id", None) or self.new_id()
        now = self._time()
        self.projects[project_id] = {
            **new_project(project_id, name, parent, now),
            "company": self.company,
            "user": DEFAULT_USER,
            "system_tags": sorted(system_tags),
            **fields,
        }
        return str(project_id)

    def add_task(self, name: str, project: str | None = None, **fields: Any) -> str:
        """Add a task and return its id.

        Args:
            name: need not be unique.
            project: an id or a name (added if new); None for a task without a project.
            fields: any field of the task, in the server's form (``hyperparams``, ``script``, …).
        """
        task = fields.pop("id", None) or self.new_id()
        created = fields.pop("created", None) or self._time()
        document: Document = {
            **new_task(task, name, created),
            "company": self.company,
            "user": DEFAULT_USER,
            "last_changed_by": DEFAULT_USER,
        }
        if project is not None:
            exists = project in self.projects
            document["project"] = project if exists else self.add_project(project)
        document.update({key: stored(key, value) for key, value in fields.items()})
        with self.lock:
            self.tasks[task] = document
            self.events[task] = TaskEvents(task)
        return str(task)

    def report(self, task: str, events: Iterable[Mapping[str, Any]], *, worker: str = "") -> None:
        """Report one batch of scalar events: each a dict of metric, variant, iter, value and so on.

        ``iter`` None or absent stays absent. Absent ``timestamp`` and ``worker`` are filled in.
        A ``value`` may be anything; ``summaries`` counts the numbers only.
        """
        filled = self._filled(task, events, worker)
        if not all(finite(event.get("value")) for event in filled):
            raise ValueError("the server refuses NaN and infinity; the SDK sends 0.0 for them")
        with self.lock:
            self.events[task].put(Event(body) for body in filled)
            self._summarise(task, batch_of_events(filled), filled)

    def report_partly(self, task: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Report a batch that the server refuses in part, as one with a NaN in it.

        It answers 500 and stores the other events all the same, and then leaves the times and the
        summaries of the task as they were (docs/clearml-server.md, "Values").
        """
        filled = self._filled(task, events, "")
        if all(finite(event.get("value")) for event in filled):
            raise ValueError("the server refuses nothing of this batch; give a NaN")
        with self.lock:
            self.events[task].put(Event(body) for body in filled if finite(body.get("value")))

    def report_single(self, task: str, name: str, value: Any, *, metric: str = "Summary") -> None:
        """Report a single-value scalar, as ``Logger.report_single_value`` does."""
        self.report(
            task, [{"metric": metric, "variant": name, "iter": SINGLE_VALUE, "value": value}]
        )

    def report_series(
        self,
        task: str,
        metric: str,
        variant: str,
        iterations: Any,
        values: Any,
        timestamps: Any,
        *,
        worker: str = "",
    ) -> None:
        """Report a complete series as columns: cheap to keep and to serve.

        Args:
            task: an id.
            metric: the title.
            variant: the series.
            iterations: integers, none twice.
            values: floats, finite.
            timestamps: milliseconds since 1970.
            worker: the machine.
        """
        block = Block(
            metric,
            variant,
            np.asarray(iterations, np.int64),
            np.asarray(values, np.float64),
            np.asarray(timestamps, np.int64),
            worker,
            self._written(),
        )
        if not np.isfinite(block.values).all():
            raise ValueError("the server refuses NaN and infinity; the SDK sends 0.0 for them")
        with self.lock:
            self.events[task].put_block(block)
            highest = int(block.iterations.max(initial=0))
            newest = int(block.timestamps.max(initial=0))
            body = {"metric": metric, "type": SCALAR, "iter": highest, "timestamp": newest}
            self._summarise(task, batch_of_block(block), [body])

    def put_raw(self, task: str, text: str) -> None:
        """Store an event as exact JSON text: huge numbers, 1e400, lone surrogates, anything.

        Nothing is filled in and no field of the task is touched (the server, too, writes events
        first and the task's times and summaries later); the key decides what is replaced.
        """
        with self.lock:
            self.events[task].put([Event(json.loads(text), text)])

    def lose(self, task: str, keep: Callable[[str, str, Any], bool] | None = None) -> None:
        """Lose events, as a search engine that was restored from an old copy has.

        The task shows no trace of it: neither its times nor its summaries change.

        Args:
            task: an id.
            keep: returns whether (metric, variant, iteration) is kept; nothing is by default.
        """
        with self.lock:
            self.events[task].keep_only(keep or (lambda *_: False))

    def edit(self, task: str, **fields: Any) -> None:
        """Edit a task: ``last_change`` moves, and ``last_update`` if it is more than a label."""
        with self.lock:
            document, now = self.tasks[task], self._time()
            times = {"last_change": now}
            if is_of_the_run(document, fields):
                times["last_update"] = now
            changes = {key: stored(key, value) for key, value in fields.items()}
            document.update({**times, **changes})

    def ping(self, task: str) -> None:
        """Send a worker's sign of life: the task looks changed, although nothing else is."""
        with self.lock:
            self._touch(self.tasks[task])

    def rename(self, task: str, name: str) -> None:
        """Rename a task."""
        self.edit(task, name=name)

    def move(self, task: str, project: str) -> None:
        """Move a task to another project (an id or a name)."""
        self.edit(task, project=project if project in self.projects else self.add_project(project))

    def archive(self, task: str) -> None:
        """Archive a task: a system tag, and no new ``last_update``."""
        self.edit(task, system_tags=sorted({*self.tasks[task]["system_tags"], "archived"}))

    def unarchive(self, task: str) -> None:
        """Restore a task from the archive."""
        tags = [tag for tag in self.tasks[task]["system_tags"] if tag != "archived"]
        self.edit(task, system_tags=tags)

    def rename_project(self, project_id: str, name: str) -> None:
        """Rename a project (its full name), or move it below another; its tasks do not change."""
        with self.lock:
            inside = self.with_children([project_id]) - {project_id}
            below = [self.projects[key] for key in sorted(inside)]
            rename_project(self.projects[project_id], below, name, self._parent(name), self._time())

    def set_status(self, task: str, status: str) -> None:
        """Change the status as the server does: ``started`` and ``completed`` follow.

        There is no call to unpublish; a forced change to another status does it, as here.
        """
        with self.lock:
            document, now = self.tasks[task], self._time()
            if status == "in_progress" and not is_running(document):
                for name in ("completed", "active_duration"):
                    document.pop(name, None)
                document["started"] = now
            elif status in ("completed", "stopped", "failed"):
                document["completed"] = now
            elif status == "published":
                document["published"] = now
            document.update(status=status, status_changed=now, last_update=now, last_change=now)

    def continue_task(self, task: str) -> None:
        """Continue a task that had ended: it gets a new ``started`` and keeps all its events."""
        self.set_status(task, "in_progress")

    def reset(self, task: str) -> None:
        """Reset a task: its events and summaries are gone, it is a draft again."""
        with self.lock:
            self.events[task] = TaskEvents(task)
            forget_run(self.tasks[task])
            self.set_status(task, "created")

    def delete_task(self, task: str) -> None:
        """Delete a task and its events."""
        with self.lock:
            del self.tasks[task]
            del self.events[task]

    def with_children(self, projects: Iterable[str]) -> set[str]:
        """Return these project ids and those of all projects below them."""
        roots = set(projects)
        below = {key for key, doc in self.projects.items() if roots.intersection(doc["path"])}
        return roots | below

    def _filled(
        self, task: str, events: Iterable[Mapping[str, Any]], worker: str
    ) -> list[Document]:
        """Fill in what a report omits."""
        written, stamp = self._written(), int(self.now().timestamp() * 1000)
        return [
            {
                "type": SCALAR,
                "task": task,
                "metric": "",
                "variant": "",
                "timestamp": stamp,
                "worker": worker,
                **{key: value for key, value in event.items() if (key, value) != ("iter", None)},
                "model_event": False,
                "@timestamp": written,
            }
            for event in events
        ]

    def _summarise(
        self, task: str, batch: Mapping[tuple[str, str], Document], events: list[Document]
    ) -> None:
        document = self.tasks[task]
        merge(document["last_metrics"], batch)
        stats: Document = {}
        for event in events:
            iteration = event.get("iter")
            if isinstance(iteration, int) and event["metric"] not in _NO_ITERATION:
                document["last_iteration"] = max(document["last_iteration"], iteration)
            entry = stats.setdefault(hashed(event["metric"]), {"metric": event["metric"]})
            types = entry.setdefault("event_stats_by_type", {SCALAR: {"last_update": 0}})
            types[SCALAR]["last_update"] = max(types[SCALAR]["last_update"], event["timestamp"])
        document["metric_stats"] = stats
        self._touch(document)

    def _touch(self, document: Document) -> None:
        now = self._time()
        document.update(last_update=now, last_change=now)
        if is_running(document):
            running = (now - document["started"]).total_seconds()
            document["active_duration"] = max(0, int(running))

    def _parent(self, name: str) -> Document | None:
        """Return the project above a name, which is added if it is new; None at the top."""
        parent_name = name.rpartition("/")[0]
        return self.projects[self.add_project(parent_name)] if parent_name else None

    def _time(self) -> datetime:
        now: datetime = milliseconds(self.now())
        return now

    def _written(self) -> str:
        return self._time().isoformat(timespec="milliseconds").replace("+00:00", "Z")
