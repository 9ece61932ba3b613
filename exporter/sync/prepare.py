"""What a run is going to do: its options, the way to the server, and the plan out of both sides."""

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
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.permissions.modes import SharedWith
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.sync.fetch import MOST_DETAILS
from clearml_snapshot.exporter.sync.planning.discovery import Survey, Surveyor
from clearml_snapshot.exporter.sync.planning.plan import Again, Plan, PlannedTask, make_plan
from clearml_snapshot.exporter.sync.planning.stored_state import known_tasks, remembered_selections
from clearml_snapshot.exporter.sync.planning.vanished import accepted_tasks


@dataclass(frozen=True)
class ExportOptions:
    """How to export; what is exported says the Selection."""

    workers: int = 4
    """Tasks in flight."""
    limits: RequestLimits = field(default_factory=RequestLimits)
    web_host: str | None = None
    """The web UI's address, for links; None asks the configuration."""
    keep_secrets: bool = False
    """Store what looks like a credential as it is."""
    with_params: bool = True
    """Store hyperparameters and user properties."""
    wait: bool = False
    """Wait for another writer."""
    once: bool = False
    """Do not remember the selection; one of task ids never is."""
    only_failed: bool = False
    """Try the tasks again that are stored as partial or failed, and nothing else."""
    accept_loss: bool = False
    """Take the server's word where it has less of a task than is stored."""
    server_moved: bool = False
    """The server has a new address; see ``server_moved``."""
    again: Again | None = None
    """What to ask of stored tasks although no date of them moved."""
    accept_gone: tuple[str, ...] = ()
    """Ids of tasks, or unique beginnings, that may be gone; ``all`` accepts every task."""
    order: Literal["newest", "oldest", "archived-first"] = "newest"
    """Which tasks are read first; archived ones are those that a server deletes."""
    keep: Retention | None = None
    """Which snapshots stay when an export ends, from now on; None is what the dataset remembers."""
    share: SharedWith | None = None
    """Who may read the dataset from now on; None leaves that as it is, which is the owner of a new
    one."""


@dataclass(frozen=True)
class Server:
    """A server, logged in."""

    api: Client
    identity: Identity


@dataclass(frozen=True)
class Agenda:
    """The work of one run."""

    survey: Survey
    plan: Plan
    remembered: tuple[Remembered, ...]
    """What the dataset will remember."""
    begun: datetime


def connect(options: ExportOptions, progress: Progress) -> Client:
    """Read the configuration; nothing is sent yet.

    Raises:
        LoginError, ServerError: the configuration names no credentials, or not a valid address.
    """
    return Client(read_configuration(options.web_host), options.limits, progress.note)


def log_in(api: Client, progress: Progress) -> Server:
    """Log in to a server and say which it is.

    Raises:
        LoginError, ServerError: no way in.
    """
    identity = api.login()
    progress.note(
        f"server {api.host} (ClearML {identity.server_version}), user {identity.user_name}"
    )
    if api.web_host is None:
        progress.note("the web address is unknown, so tasks have no links; --web-host sets it")
    return Server(api, identity)


def make_agenda(
    server: Server,
    snapshot: Snapshot | None,
    selection: Selection | None,
    options: ExportOptions,
    progress: Progress,
) -> Agenda:
    """List what is asked, compare it with what is stored, and decide what to read.

    Args:
        server: where to ask.
        snapshot: what is stored; None is nothing.
        selection: what is asked; None is all that the dataset remembers.
        options: how.
        progress: is told what is asked.

    Raises:
        UsageError: nothing is asked.
        OtherServerError: the dataset is of another server.
        NoSuchNameError: a new selection names what does not exist.
    """
    begun = datetime.now(UTC)
    remembered = remembered_selections(snapshot, server.api.host)
    known = known_tasks(snapshot)
    context = (options.with_params, options.keep_secrets)
    surveyor = Surveyor(
        server.api,
        server.identity,
        progress,
        snapshot,
        known,
        begun,
        context,
        accept_gone=accepted_tasks(options.accept_gone, known),
    )
    if options.only_failed:
        survey = surveyor.unfinished()
    else:
        once = options.once or (selection is not None and bool(selection.filter.task_ids))
        selections = _selections(selection, remembered)
        survey = surveyor.selections(selections, remembered, once=once)
        if not once:
            remembered = _remember(remembered, selections)
    plan = make_plan(
        survey.asked.values(),
        known,
        begun,
        context,
        accept_loss=options.accept_loss,
        again=options.again,
    )
    _note_cost(plan, options.again, progress)
    plan = replace(plan, to_read=_ordered(plan.to_read, options))
    survey.asked.clear()  # a hundred thousand tasks are a hundred megabytes
    matched = survey.matched
    # What a selection matched once is what it is expected to match, until it is removed.
    remembered = [
        replace(one, matched=matched.get(one.selection) or one.matched) for one in remembered
    ]
    return Agenda(survey, plan, tuple(remembered), begun)


def _selections(selection: Selection | None, remembered: Sequence[Remembered]) -> list[Selection]:
    if selection is not None:
        return [selection]
    if not remembered:
        raise UsageError(
            "this dataset remembers no selection; give a filter (see `clearml-snapshot export "
            "--help`), or --all for every task"
        )
    return [one.selection for one in remembered]


def _remember(
    remembered: Sequence[Remembered], selections: Sequence[Selection]
) -> list[Remembered]:
    known = {one.selection for one in remembered}
    return [*remembered, *(Remembered(one) for one in selections if one not in known)]


def _note_cost(plan: Plan, again: Again | None, progress: Progress) -> None:
    """Say what asking for stored tasks again takes, before it begins."""
    if again is None:
        return
    tasks = [one for one in plan.to_read if one.is_quiet]
    details = -(-len(tasks) // MOST_DETAILS)
    if again == "counts":
        cost, what = len(tasks), "to compare the counts"
    else:
        points = [one.known.points_stored if one.known else 0 for one in tasks]
        cost, what = sum(map(pages_of, points)), "to read all points"
    progress.note(
        f"{what} of {len(tasks):,} stored tasks whose dates did not move takes about "
        f"{cost + details:,} requests"
    )


def _ordered(planned: Sequence[PlannedTask], options: ExportOptions) -> tuple[PlannedTask, ...]:
    """Sort by what is read first; the oldest in the archive are the next to be deleted."""
    is_newest_first = options.order == "newest"
    by_age = sorted(planned, key=_created, reverse=is_newest_first)
    if options.order == "archived-first":
        by_age.sort(key=lambda one: not one.task.archived)
    return tuple(by_age)


def _created(planned: PlannedTask) -> datetime:
    return planned.task.created or datetime.min.replace(tzinfo=UTC)
