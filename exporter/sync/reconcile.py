"""Decides whether a fetched task replaces, merges with or keeps the stored one. Pure, no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from clearml_snapshot.exporter.reader.last_metrics import MOST_SERIES, ServerSummary
from clearml_snapshot.exporter.store.compare.overlap import Overlap
from clearml_snapshot.exporter.store.compare.same_run import Sums, compare_runs
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline
from clearml_snapshot.exporter.sync.fetch import FetchedTask
from clearml_snapshot.exporter.sync.planning.plan import KnownTask

Action = Literal["replace", "merge", "refresh", "keep", "skip"]
"""``replace``: it replaces what is stored. ``merge``: stored points that the server has lost are
kept with it. ``refresh``: the stored points are those of the server, only metadata changes.
``keep``: stored points are kept although the server has others or none. ``skip``: nothing changes,
not even metadata."""

GivenUp = Literal["another run", "in doubt", "read in part"]
"""Why stored points that are not in the new reading are not kept."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one task, and which stored points it gives up."""

    action: Action
    given_up: GivenUp | None = None
    points: int = 0
    """Number of stored points that are given up."""


def decide(
    fetched: FetchedTask,
    stored_series: Callable[[], Mapping[Name, SeriesOutline]],
    compare: Callable[[], Overlap],
    was_run_again: Callable[[], bool],
    *,
    accept_loss: bool,
) -> Decision:
    """Decide: nothing is lost because the server lost it, or because a reading failed.

    Args:
        fetched: the task as it was read.
        stored_series: returns its stored series; called only if they matter.
        compare: compares its points with the stored ones; called only if they matter.
        was_run_again: checks with the server whether the task was run again since it was listed;
            called only if nothing but its start connects the stored points with the new ones.
        accept_loss: discard stored points that the server no longer has.
    """
    stored = fetched.planned.stored
    if fetched.state == "kept":
        return Decision("refresh" if fetched.reason is None else "skip")
    if stored is None:
        return Decision("replace")
    if fetched.state != "complete" and _is_worth_more(stored, fetched):
        return Decision("skip" if fetched.details.missing else "keep")
    if accept_loss or not stored.points_stored:
        return Decision("replace")
    if fetched.state == "complete" and not fetched.read.received:
        return Decision("keep")
    overlap = compare()
    if fetched.state != "complete":
        missing = overlap.missing
        return Decision("replace", "read in part" if missing else None, missing)
    return _compared(fetched, stored, overlap, stored_series(), was_run_again)


def _compared(
    fetched: FetchedTask,
    stored: KnownTask,
    overlap: Overlap,
    before: Mapping[Name, SeriesOutline],
    was_run_again: Callable[[], bool],
) -> Decision:
    """Decide about a complete reading: stored points of the same run are kept.

    The start is from the listing, and the points were read later.
    """
    started = fetched.planned.task.started
    is_same_start = started is not None and started == stored.started
    compared = partial(compare_runs, overlap, before, server_sums(fetched.details.last_metrics))
    verdict = compared(is_same_start=is_same_start)
    rests_on_start = is_same_start and not overlap.identical
    if verdict == "same" and overlap.missing and rests_on_start and was_run_again():
        verdict = compared(is_same_start=False)
    if verdict == "same":
        return Decision("merge" if overlap.missing else "replace")
    if overlap.missing and verdict == "doubt":
        return Decision("replace", "in doubt", overlap.missing)
    if verdict == "other" or (overlap.retimed and not overlap.identical):
        return Decision("replace", "another run", stored.points_stored)
    return Decision("replace")


def server_sums(summary: ServerSummary) -> dict[Name, Sums] | None:
    """Return the server's sums of each series; None if its summary may be incomplete."""
    if summary.is_ambiguous or len(summary.rows) >= MOST_SERIES:
        return None
    return {
        (row["metric"], row["variant"]): (row["server_count"], row["server_min"], row["server_max"])
        for row in summary.rows
    }


def _is_worth_more(stored: KnownTask, fetched: FetchedTask) -> bool:
    """Return whether the stored points of a task are worth more than this incomplete reading."""
    if stored.points_stored != fetched.read.received:
        return stored.points_stored > fetched.read.received
    has_no_details = fetched.state == "failed" or fetched.details.missing is not None
    return stored.state in ("complete", "shrunk", "lost", "gone") and has_no_details
