"""The options of `export`: what a run does, and what is stored."""

from dataclasses import dataclass
from typing import Annotated

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import OUTPUT, SERVER, STORED, TASKS
from clearml_snapshot.cli.options.sharing import Share
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.permissions.modes import SharedWith


@dataclass(frozen=True)
class RunOptions:
    """What a run reads, and when it may start."""

    everything: bool
    once: bool
    only_failed: bool
    dry_run: bool
    wait: bool
    server_moved: bool = False


_All = Annotated[bool, option("--all", section=TASKS, help="Export all tasks, without a filter.")]
_Once = Annotated[
    bool,
    option(
        "--once",
        section=TASKS,
        help="Do not remember this selection for later exports (--task is never remembered).",
    ),
]
_OnlyFailed = Annotated[
    bool,
    option(
        "--only-failed",
        section=TASKS,
        help="Only tasks that are stored as partial, failed or unread.",
    ),
]
_DryRun = Annotated[
    bool,
    option("--dry-run", section=OUTPUT, help="Only report what would be read; nothing is written."),
]
_Wait = Annotated[
    bool,
    option("--wait", section=STORED, help="Wait for another export of this dataset to end."),
]
_ServerMoved = Annotated[
    bool,
    option(
        "--server-moved",
        section=SERVER,
        help="The dataset's server has a new address: check that its tasks are the stored ones, "
        "record the address and continue.",
    ),
]


def run_options(
    everything: _All = False,
    once: _Once = False,
    only_failed: _OnlyFailed = False,
    dry_run: _DryRun = False,
    wait: _Wait = False,
    server_moved: _ServerMoved = False,
) -> RunOptions:
    """Collect what the run does."""
    return RunOptions(everything, once, only_failed, dry_run, wait, server_moved)


Run = Annotated[RunOptions, OptionGroup(run_options)]


@dataclass(frozen=True)
class StoreOptions:
    """What is stored, and how many tasks are fetched in parallel."""

    with_params: bool
    keep_secrets: bool
    accept_loss: bool
    keep: Retention | None
    workers: int
    share: SharedWith | None


_NoParams = Annotated[
    bool,
    option("--no-params", section=STORED, help="Omit hyperparameters and user properties."),
]
_KeepSecrets = Annotated[
    bool,
    option(
        "--keep-secrets",
        section=STORED,
        help="Store values that look like credentials unchanged, not as <redacted>.",
    ),
]
_AcceptLoss = Annotated[
    bool,
    option(
        "--accept-loss",
        section=STORED,
        help="If the server has lost points of a task, discard them here too.",
    ),
]
_Keep = Annotated[
    str | None,
    option(
        "--keep",
        section=STORED,
        metavar="RULE",
        help="Which snapshots to keep, now and later: a number of them, an age (30d), or the "
        "newest of each day, week, month and year in UTC (7d,4w,12m,5y).",
        show_default="what the dataset remembers, else 2",
    ),
]
Workers = Annotated[
    int,
    option(
        "--workers", section=SERVER, metavar="N", min=1, max=64, help="Tasks fetched in parallel."
    ),
]


def store_options(
    no_params: _NoParams = False,
    keep_secrets: _KeepSecrets = False,
    accept_loss: _AcceptLoss = False,
    keep: _Keep = None,
    workers: Workers = 4,
    share: Share = None,
) -> StoreOptions:
    """Collect what is stored."""
    return StoreOptions(not no_params, keep_secrets, accept_loss, read_keep(keep), workers, share)


Store = Annotated[StoreOptions, OptionGroup(store_options)]


def read_keep(text: str | None) -> Retention | None:
    """Parse which snapshots to keep; None is what the dataset remembers.

    Raises:
        UsageError: it is not a number of at least 1, an age or a calendar.
    """
    try:
        return None if text is None else Retention.parse(text)
    except ValueError as error:
        raise UsageError(f"--keep {text}: {error}") from None
