"""What becomes of a task that was read, against what is stored of it. Pure, no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from clearml_snapshot.exporter.reader.last_metrics import MOST_SERIES, Claims
from clearml_snapshot.exporter.store.compare.overlap import Overlap
from clearml_snapshot.exporter.store.compare.same_run import Sums, compare_runs
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline
from clearml_snapshot.exporter.sync.fetch import FetchedTask
from clearml_snapshot.exporter.sync.planning.plan import KnownTask

Action = Literal["replace", "merge", "refresh", "hold", "leave"]
"""``replace``: it takes the place of what is stored. ``merge``: what is stored and the server lacks
stays with it. ``refresh``: the stored points are the server's. ``hold``: they stay, although the
server has others or none. ``leave``: all stays as it was, the metadata too."""

GivenUp = Literal["another run", "in doubt", "read in part"]
"""Why stored points are not in the new reading and do not stay either."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a task, and what is given up by it."""

    action: Action
    given_up: GivenUp | None = None
    points: int = 0
    """Stored points that are given up."""


def outcome(
    one: FetchedTask,
    stored_series: Callable[[], Mapping[Name, SeriesOutline]],
    compare: Callable[[], Overlap],
    was_run_again: Callable[[], bool],
    *,
    accept_loss: bool,
) -> Outcome:
    """Decide: nothing is lost here because the server lost it, or because a reading failed.

    Args:
        one: the task as it was read.
        stored_series: gives what is stored of it; asked only where it matters.
        compare: compares its points with the stored ones; asked only where it matters.
        was_run_again: asks the server whether the task was run again since it was listed; asked
            only where nothing but its start connects stored points with those that came.
        accept_loss: take the server's word where it has less than is stored.
    """
    stored = one.planned.known
    if one.state == "kept":
        return Outcome("refresh" if one.reason is None else "leave")
    if stored is None:
        return Outcome("replace")
    if one.state != "complete" and _is_worth_more(stored, one):
        return Outcome("leave" if one.details.missing else "hold")
    if accept_loss or not stored.points_stored:
        return Outcome("replace")
    if one.state == "complete" and not one.read.stored:
        return Outcome("hold")
    overlap = compare()
    if one.state != "complete":
        lacking = overlap.lacking
        return Outcome("replace", "read in part" if lacking else None, lacking)
    return _compared(one, stored, overlap, stored_series(), was_run_again)


def _compared(
    one: FetchedTask,
    stored: KnownTask,
    overlap: Overlap,
    before: Mapping[Name, SeriesOutline],
    was_run_again: Callable[[], bool],
) -> Outcome:
    """Decide about a complete reading: points that only the dataset has stay if of the same run.

    The start is that of the listing, and the points were read later.
    """
    started = one.planned.task.started
    is_same_start = started is not None and started == stored.started
    compared = partial(compare_runs, overlap, before, server_sums(one.details.claims))
    verdict = compared(is_same_start=is_same_start)
    rests_on_start = is_same_start and not overlap.identical
    if verdict == "same" and overlap.lacking and rests_on_start and was_run_again():
        verdict = compared(is_same_start=False)
    if verdict == "same":
        return Outcome("merge" if overlap.lacking else "replace")
    if overlap.lacking and verdict == "doubt":
        return Outcome("replace", "in doubt", overlap.lacking)
    if verdict == "other" or (overlap.retimed and not overlap.identical):
        return Outcome("replace", "another run", stored.points_stored)
    return Outcome("replace")


def server_sums(claims: Claims) -> dict[Name, Sums] | None:
    """Give the server's sums of each series; None where it may leave out a series of ours."""
    if claims.is_ambiguous or len(claims.rows) >= MOST_SERIES:
        return None
    return {
        (row["metric"], row["variant"]): (row["server_count"], row["server_min"], row["server_max"])
        for row in claims.rows
    }


def _is_worth_more(stored: KnownTask, one: FetchedTask) -> bool:
    """Whether what is stored of a task should stay in place of what came of it this time."""
    if stored.points_stored != one.read.stored:
        return stored.points_stored > one.read.stored
    lacks_details = one.state == "failed" or one.details.missing is not None
    return stored.state in ("complete", "shrunk", "lost", "gone") and lacks_details
