"""Lists every selection on the server and finds stored tasks that no selection matches."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from clearml_snapshot.exporter.addresses import same_address
from clearml_snapshot.exporter.client.auth import Identity
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import NoSuchNameError, RefusedError, UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.listing import Listing, beyond_limit, list_by_id, list_tasks
from clearml_snapshot.exporter.reader.names import read_names
from clearml_snapshot.exporter.reader.scalars.fetch import scan_series
from clearml_snapshot.exporter.reader.series import list_series
from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.metric_filter import EVERY_METRIC, MetricFilter
from clearml_snapshot.exporter.selection.selection import (
    Remembered,
    Selection,
    wanted_metrics,
)
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter, resolve
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.sync.planning.fulfilling import find_fulfilling
from clearml_snapshot.exporter.sync.planning.plan import KnownTask, SelectedTask
from clearml_snapshot.exporter.sync.planning.stored_state import stored_series
from clearml_snapshot.exporter.sync.planning.task_ids import find_task_ids
from clearml_snapshot.exporter.sync.planning.vanished import judge
from clearml_snapshot.exporter.sync.report import Problem

_UNFINISHED: Final = ("partial", "failed", "unread")
"""States of stored tasks that every run retries."""

_NAMED: Final = 3
"""Number of tasks that a warning names."""

NOT_LISTED: Final = "not all its metrics are known"
"""The reason for a task whose metrics could not be listed although some are selected."""


@dataclass
class Discovery:
    """The tasks that a run brings up to date, and reports about the others."""

    tasks: dict[str, SelectedTask] = field(default_factory=dict)
    """The tasks to bring up to date, by id."""
    words: list[str] = field(default_factory=list)
    """A description of each selection."""
    left_out: list[str] = field(default_factory=list)
    """What the filters do not include, and the option that includes it."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Warnings that are not about a single task."""
    matched: dict[Selection, int] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    """Ids of stored tasks that the server no longer has."""
    gone_expected: frozenset[str] = frozenset()
    """Those of them that were known to be deleted."""
    covers_remembered: bool = False
    """Everything that the dataset remembers was listed, so no warning about it is missing."""
    doubts: dict[str, str] = field(default_factory=dict)
    """Tasks for which some selected metrics may be unknown, and why."""
    is_incomplete: bool = False
    """A selection could not be listed, so absent tasks are not known."""

    def take_tasks(self) -> Iterator[SelectedTask]:
        """Yield the tasks and forget each: a hundred thousand of them are a hundred megabytes."""
        while self.tasks:
            yield self.tasks.pop(next(iter(self.tasks)))


@dataclass(frozen=True)
class Discoverer:
    """Finds the selected tasks on a server."""

    api: Client
    identity: Identity
    progress: Progress
    snapshot: Snapshot | None
    """What is stored; None if nothing is."""
    stored_tasks: Mapping[str, KnownTask]
    """Its tasks."""
    now: datetime
    """The moment from which ages such as ``7d`` count back."""
    context: Sequence[object] = ()
    """Options that change the rows, see ``make_plan``."""
    accept_gone: Collection[str] = ()
    """Ids of tasks that may be gone, or ``all``: see ``vanished.judge``."""

    def selections(
        self,
        selections: Sequence[Selection],
        remembered: Sequence[Remembered] = (),
        *,
        once: bool = False,
    ) -> Discovery:
        """List what every selection matches, and look for stored tasks that none matches.

        Absent tasks are known only after listing everything that the dataset remembers.

        Args:
            selections: those of this run.
            remembered: those that the dataset remembers.
            once: the dataset will not remember those of this run.

        Raises:
            NoSuchNameError: a selection that is new to the dataset has a name that does not exist.
        """
        discovery = Discovery()
        matched = {entry.selection: entry.matched or 0 for entry in remembered}
        for selection in selections:
            self._list(discovery, selection, matched.get(selection))
        to_remember = {*matched, *(() if once else selections)}
        discovery.covers_remembered = all(
            _is_covered(selection, selections) for selection in to_remember
        )
        if to_remember and discovery.covers_remembered and not discovery.is_incomplete:
            self._look_after_absent(discovery)
        discovery.warnings += self.api.remarks
        return discovery

    def unfinished(self) -> Discovery:
        """List the tasks that are stored as partial, failed or unread, and nothing else."""
        ids = [key for key, task in self.stored_tasks.items() if task.state in _UNFINISHED]
        discovery = Discovery(words=[f"{len(ids)} partial, failed or unread tasks"])
        existing_ids = self._stored(discovery, ids)
        for task_id in sorted(set(ids) - existing_ids):
            discovery.problems.append(Problem(task_id, "", "failed", "no longer on the server"))
        return discovery

    def _list(self, discovery: Discovery, selection: Selection, matched: int | None) -> None:
        """List one selection; ``matched`` is the number of tasks that it matched last, None if new.

        An error in a new selection is a usage error. One that was valid before is reported, and
        the others are listed without it.
        """
        is_new = matched is None
        try:
            listing = self._listing(discovery, selection, is_new=is_new)
            metrics_by_task = self._metrics(discovery, selection, listing.tasks, is_new=is_new)
        except NoSuchNameError as error:
            if is_new:
                raise
            discovery.warnings.append(f"a remembered selection {_matches_none(matched)}: {error}")
            return
        except UsageError as error:
            if is_new:
                raise
            discovery.warnings.append(f"a remembered selection is no longer valid: {error}")
            discovery.is_incomplete = True
            return
        discovery.matched[selection] = len(listing.tasks)
        if not is_new and not listing.tasks:
            never = _matches_none(matched)
            discovery.warnings.append(f"a remembered selection {never}: {discovery.words[-1]}")
        for task, metrics in zip(listing.tasks, metrics_by_task, strict=True):
            before = discovery.tasks.get(task.task_id)
            together = metrics if before is None else metrics.merged(before.metrics)
            self._ask(
                discovery, SelectedTask(task, together, doubt=discovery.doubts.get(task.task_id))
            )

    def _listing(self, discovery: Discovery, selection: Selection, *, is_new: bool) -> Listing:
        resolved = self._resolved(discovery, selection, is_new=is_new)
        words = "; ".join(filter(None, (str(resolved), selection.metric_words)))
        discovery.words.append(words)
        self.progress.note(f"tasks: {words}")
        listing = self._listed(discovery, resolved, selection.filter.where)
        left_out = (*listing.left_out, *selection.left_out)
        discovery.left_out += [text for text in left_out if text not in discovery.left_out]
        self._note_missing(discovery, resolved, listing.tasks)
        return listing

    def _listed(
        self, discovery: Discovery, resolved: ResolvedFilter, where: Sequence[str]
    ) -> Listing:
        """List tasks; conditions on hyperparameters are decided before the limit is applied."""
        if not where:
            return list_tasks(self.api, resolved, self.progress)
        every = list_tasks(self.api, replace(resolved, limit=None), self.progress)
        for_where = f"for {setting('where')}"
        self.progress.note(f"reading the hyperparameters of {len(every.tasks):,} tasks {for_where}")
        found = find_fulfilling(self.api, where, every.tasks)
        discovery.problems += [
            Problem(task_id, "", "failed", f"its hyperparameters could not be read {for_where}")
            for task_id in found.unknown
        ]
        tasks = [task for task in every.tasks if task.task_id in found.task_ids]
        more = len(tasks[resolved.limit :]) if resolved.limit is not None else 0
        cut = (beyond_limit(resolved),) if more else ()
        return Listing(tuple(tasks[: resolved.limit]), (*every.left_out, *cut))

    def _metrics(
        self, discovery: Discovery, selection: Selection, tasks: Sequence[Task], *, is_new: bool
    ) -> list[MetricFilter]:
        """Find the selected metrics of each task of a selection.

        Arguments are resolved against the metrics that the tasks have. A task that has not changed
        since it was read for the same arguments is not queried again.
        """
        if not selection.narrows_metrics:
            return [EVERY_METRIC] * len(tasks)
        question = frozenset({selection.metric_words})
        answered = {task.task_id for task in tasks if self._has_answered(task, question)}
        others = {task.task_id: task for task in tasks if task.task_id not in answered}
        refused: dict[str, RefusedError] = {}
        series = list_series(self.api, list(others), refused)
        for task_id, error in refused.items():
            doubt = self._scan(task_id, series, error)
            if doubt is not None:
                discovery.doubts[task_id] = doubt
        if others:
            for metric, variants in stored_series(self.snapshot, answered).items():
                series.setdefault(metric, set()).update(variants)
        choices = wanted_metrics(selection, series, missing="raise" if is_new else "drop")
        filter_of = {
            **dict.fromkeys(answered, MetricFilter((), question)),
            **dict.fromkeys(others, MetricFilter(choices, question)),
            **{task_id: MetricFilter(choices) for task_id in others if task_id in discovery.doubts},
        }
        return [filter_of[task.task_id] for task in tasks]

    def _scan(self, task_id: str, series: dict[str, set[str]], error: RefusedError) -> str | None:
        """Add the series of a task whose metrics the server cannot list; return any doubt."""
        self.progress.note(f"{error}; reading them from all its points")
        try:
            names, reason = scan_series(self.api, task_id)
        except RefusedError as refusal:
            return f"{NOT_LISTED}: {refusal}"
        for metric, variants in names.items():
            series.setdefault(metric, set()).update(variants)
        return None if reason is None else f"{NOT_LISTED}: {reason}"

    def _has_answered(self, task: Task, question: frozenset[str]) -> bool:
        stored = self.stored_tasks.get(task.task_id)
        if stored is None or stored.state not in ("complete", "shrunk", "lost"):
            return False
        metrics = MetricFilter.read(stored.metric_filter)
        is_asked = metrics.choices is None or question <= metrics.arguments
        return is_asked and stored.fingerprint == task.fingerprint(*self.context)

    def _resolved(
        self, discovery: Discovery, selection: Selection, *, is_new: bool
    ) -> ResolvedFilter:
        task_filter = selection.filter
        ids = find_task_ids(self.api, task_filter.task_ids, self.stored_tasks, self.progress)
        task_filter = replace(task_filter, task_ids=ids)
        names = read_names(self.api, task_filter, self.identity.user_id)
        decided = replace(task_filter, where=())  # after the listing
        resolved = resolve(decided, names, self.now, missing="raise" if is_new else "drop")
        resolved = replace(resolved, words=(*resolved.words, *task_filter.where))
        discovery.warnings += [
            f"a remembered selection has names that no longer exist: {text}"
            for text in resolved.dropped
        ]
        return resolved

    def _note_missing(
        self, discovery: Discovery, resolved: ResolvedFilter, tasks: Sequence[Task]
    ) -> None:
        """Report selected ids that the server does not have."""
        missing = sorted((resolved.task_ids or frozenset()) - {task.task_id for task in tasks})
        if missing and not tasks:
            raise NoSuchNameError(f"the server has no task {missing[0]} that matches the filter")
        for task_id in missing:
            reason = "not on the server, or filtered out"
            discovery.problems.append(Problem(task_id, "", "failed", reason))

    def _ask(self, discovery: Discovery, selected: SelectedTask) -> None:
        """Add a task, unless the dataset has its id from another server."""
        task = selected.task
        stored = self.stored_tasks.get(task.task_id)
        if stored is None or _is_of(stored, self.api.host):
            discovery.tasks[task.task_id] = selected
            return
        reason = f"stored from {stored.server_id}; it is not changed"
        discovery.problems.append(Problem(task.task_id, task.name, "skipped", reason))

    def _look_after_absent(self, discovery: Discovery) -> None:
        """Look up stored tasks that no selection lists: they may be archived, or moved."""
        absent = [
            task_id
            for task_id, task in self.stored_tasks.items()
            if task_id not in discovery.tasks
            and task.state != "gone"
            and (task.selected is not False or task.state in _UNFINISHED)
            and _is_of(task, self.api.host)
        ]
        existing_ids = self._stored(discovery, absent, selected=False)
        # An entry without an id may be any of them, so none counts as absent then.
        missing = [
            task_id for task_id in absent if task_id not in existing_ids and not self.api.remarks
        ]
        vanished = judge(missing, self.stored_tasks, self.accept_gone)
        discovery.gone, discovery.gone_expected = vanished.gone, vanished.expected
        self._warn_of_unread(discovery)
        if vanished.unexplained:
            there = sum(task.state != "gone" for task in self.stored_tasks.values())
            discovery.warnings.append(
                f"{vanished.unexplained:,} of {there:,} stored tasks vanished from "
                f"{self.api.host} at once: is it the right server, has this user lost a "
                "permission? They are not marked as gone; if they were deleted on purpose, use "
                f"{setting('accept_gone', typed='@FILE')} with their ids, or "
                f"{setting('accept_gone', 'all')}"
            )

    def _warn_of_unread(self, discovery: Discovery) -> None:
        """Report tasks that can no longer be read completely, because they are gone."""
        never = [
            task_id
            for task_id in discovery.gone
            if task_id not in discovery.gone_expected
            and self.stored_tasks[task_id].state in _UNFINISHED
        ]
        if never:
            ids = ", ".join(never[:_NAMED]) + ", …" * (len(never) > _NAMED)
            discovery.warnings.append(
                f"{len(never):,} of the tasks that are gone from the server had not been read "
                f"completely: {ids}"
            )

    def _stored(
        self, discovery: Discovery, task_ids: Sequence[str], *, selected: bool | None = None
    ) -> set[str]:
        """Look up stored tasks by id, each for its stored metrics; return those that exist."""
        existing_ids = set()
        for task in list_by_id(self.api, task_ids):
            existing_ids.add(task.task_id)
            stored = self.stored_tasks[task.task_id]
            is_selected = stored.selected is not False if selected is None else selected
            metrics = MetricFilter.read(stored.metric_filter)
            self._ask(discovery, SelectedTask(task, metrics, is_selected, _stored_doubt(stored)))
        return existing_ids


def _matches_none(matched: int | None) -> str:
    return "no longer matches any task" if matched else "has never matched a task"


def _is_covered(selection: Selection, selections: Sequence[Selection]) -> bool:
    """Return whether the selections list all tasks of one; ``--all`` lists no hidden tasks."""
    return selection in selections or (Selection() in selections and not selection.filter.hidden)


def _stored_doubt(stored: KnownTask) -> str | None:
    """Return why a task may have more metrics than it was read for, until they are listed."""
    _, mark, rest = (stored.reason or "").partition(NOT_LISTED)
    if mark:
        return mark + rest.partition("; ")[0]
    metrics = MetricFilter.read(stored.metric_filter)
    is_open = stored.state == "unread" and metrics.choices is not None and not metrics.arguments
    return f"{NOT_LISTED}: an export has to list them again" if is_open else None


def _is_of(stored: KnownTask, host: str) -> bool:
    """Return whether a task was stored from a server, or may have been, in an old dataset."""
    return stored.server_id is None or same_address(stored.server_id, host)
