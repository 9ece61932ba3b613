"""Prepares an export: options, login, and the plan computed from server and dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from clearml_snapshot.exporter.client.auth import Identity
from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.scalars.fetch import pages_of
from clearml_snapshot.exporter.selection.selection import Remembered, Selection
from clearml_snapshot.exporter.selection.several import Texts
from clearml_snapshot.exporter.settings import a_selection, setting
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.permissions.modes import SharedWith
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.sync.fetch import MOST_DETAILS
from clearml_snapshot.exporter.sync.planning.discovery import Discoverer, Discovery
from clearml_snapshot.exporter.sync.planning.plan import Again, Plan, PlannedTask, make_plan
from clearml_snapshot.exporter.sync.planning.stored_state import (
    read_stored_tasks,
    remembered_selections,
)
from clearml_snapshot.exporter.sync.planning.vanished import accepted_tasks


@dataclass(frozen=True)
class ExportOptions:
    """How to export; a Selection determines what is exported."""

    workers: int = 4
    """Tasks fetched in parallel."""
    limits: RequestLimits = field(default_factory=RequestLimits)
    web_host: str | None = None
    """The web UI's address, for links; None takes it from the configuration."""
    keep_secrets: bool = False
    """Store values that look like credentials unchanged."""
    with_params: bool = True
    """Store hyperparameters and user properties."""
    wait: bool = False
    """Wait until another writer has finished."""
    once: bool = False
    """Do not remember the selection; one with task ids is never remembered."""
    only_failed: bool = False
    """Only retry the tasks that are stored as partial, failed or unread."""
    accept_loss: bool = False
    """Discard stored points of a task that the server no longer has."""
    server_moved: bool = False
    """The server has a new address; see ``server_moved``."""
    again: Again | None = None
    """What to check of stored tasks although none of their dates changed."""
    accept_gone: Texts = Texts()
    """Ids, or unique beginnings of ids, of tasks that may be gone; ``all`` accepts every task."""
    order: Literal["newest", "oldest", "archived-first"] = "newest"
    """Which tasks are read first; archived ones are likely to be deleted soon."""
    keep: Retention | None = None
    """Which snapshots to keep from now on; None is the rule that the dataset remembers."""
    share: SharedWith | None = None
    """Who may read the dataset from now on; None changes nothing, and a new one is private."""


@dataclass(frozen=True)
class Server:
    """A server with a valid login."""

    api: Client
    identity: Identity


@dataclass(frozen=True)
class PreparedExport:
    """The work of one run."""

    discovery: Discovery
    plan: Plan
    remembered: tuple[Remembered, ...]
    """What the dataset will remember."""
    begun: datetime


def connect(options: ExportOptions, progress: Progress) -> Client:
    """Read the configuration, without sending anything.

    Raises:
        LoginError, ServerError: the configuration names no credentials, or not a valid address.
    """
    return Client(read_configuration(options.web_host), options.limits, progress.note)


def log_in(api: Client, progress: Progress) -> Server:
    """Log in to a server and report which it is.

    Raises:
        LoginError, ServerError: the login failed.
    """
    identity = api.login()
    progress.note(
        f"server {api.host} (ClearML {identity.server_version}), user {identity.user_name}"
    )
    if api.web_host is None:
        progress.note(
            f"the web address is unknown, so tasks have no links; {setting('web_host')} sets it"
        )
    return Server(api, identity)


def prepare_export(
    server: Server,
    snapshot: Snapshot | None,
    selection: Selection | None,
    options: ExportOptions,
    progress: Progress,
) -> PreparedExport:
    """List what is selected, compare it with what is stored, and decide what to read.

    Args:
        server: the server, logged in.
        snapshot: what is stored; None if nothing is.
        selection: what to export; None selects what the dataset remembers.
        options: how to export.
        progress: is notified of each selection.

    Raises:
        UsageError: nothing is selected.
        OtherServerError: the dataset was exported from another server.
        NoSuchNameError: a new selection has a name that does not exist.
    """
    begun = datetime.now(UTC)
    stored_tasks = read_stored_tasks(snapshot)
    remembered = remembered_selections(snapshot, server.api.host)
    discoverer = Discoverer(
        server.api,
        server.identity,
        progress,
        snapshot,
        stored_tasks,
        begun,
        _row_options(options),
        accept_gone=accepted_tasks(options.accept_gone, stored_tasks),
    )
    discovery, remembered = _discover(discoverer, selection, remembered, options)
    plan = make_plan(
        discovery.take_tasks(),
        stored_tasks,
        begun,
        _row_options(options),
        accept_loss=options.accept_loss,
        again=options.again,
    )
    _note_cost(plan, options.again, progress)
    plan = replace(plan, to_read=_ordered(plan.to_read, options))
    return PreparedExport(discovery, plan, tuple(remembered), begun)


def _discover(
    discoverer: Discoverer,
    selection: Selection | None,
    remembered: list[Remembered],
    options: ExportOptions,
) -> tuple[Discovery, list[Remembered]]:
    """List the tasks of the run; also returns what the dataset will remember."""
    if options.only_failed:
        return discoverer.unfinished(), remembered
    once = options.once or (selection is not None and bool(selection.filter.task_ids))
    selections = _selections(selection, remembered)
    discovery = discoverer.selections(selections, remembered, once=once)
    if not once:
        remembered = _remember(remembered, selections)
    matched = discovery.matched
    # A selection that once matched tasks is expected to match that many until it is removed.
    return discovery, [
        replace(
            entry,
            matched=matched.get(entry.selection) or entry.matched,
        )
        for entry in remembered
    ]


def _row_options(options: ExportOptions) -> tuple[bool, bool]:
    """The options that change the stored rows of a task."""
    return options.with_params, options.keep_secrets


def _selections(selection: Selection | None, remembered: Sequence[Remembered]) -> list[Selection]:
    if selection is not None:
        return [selection]
    if not remembered:
        raise UsageError(f"this dataset remembers no selection; give {a_selection()}")
    return [entry.selection for entry in remembered]


def _remember(
    remembered: Sequence[Remembered], selections: Sequence[Selection]
) -> list[Remembered]:
    before = {entry.selection for entry in remembered}
    return [
        *remembered,
        *(Remembered(selection) for selection in selections if selection not in before),
    ]


def _note_cost(plan: Plan, again: Again | None, progress: Progress) -> None:
    """Report how many requests checking stored tasks takes, before it begins."""
    if again is None:
        return
    checked = [planned for planned in plan.to_read if planned.is_quiet]
    details = -(-len(checked) // MOST_DETAILS)
    if again == "counts":
        cost, what = len(checked), "to compare the counts"
    else:
        points = [planned.stored.points_stored if planned.stored else 0 for planned in checked]
        cost, what = sum(map(pages_of, points)), "to read all points"
    progress.note(
        f"{what} of {len(checked):,} stored tasks whose dates did not change takes about "
        f"{cost + details:,} requests"
    )


def _ordered(to_read: Sequence[PlannedTask], options: ExportOptions) -> tuple[PlannedTask, ...]:
    """Sort by what is read first; the oldest archived tasks are the next to be deleted."""
    is_newest_first = options.order == "newest"
    by_age = sorted(to_read, key=_created, reverse=is_newest_first)
    if options.order == "archived-first":
        by_age.sort(key=lambda planned: not planned.task.archived)
    return tuple(by_age)


def _created(planned: PlannedTask) -> datetime:
    return planned.task.created or datetime.min.replace(tzinfo=UTC)
