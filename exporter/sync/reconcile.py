"""What becomes of a task that was read, against what is stored of it. Pure, no I/O."""

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
"""``replace``: it takes the place of what is stored. ``merge``: what is stored and the server lacks
stays with it. ``refresh``: the stored points are the server's. ``keep``: they stay, although the
server has others or none. ``skip``: all stays as it was, the metadata too."""

GivenUp = Literal["another run", "in doubt", "read in part"]
"""Why stored points are not in the new reading and do not stay either."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a task, and what is given up by it."""

    action: Action
    given_up: GivenUp | None = None
    points: int = 0
    """Stored points that are given up."""


def decide(
    one: FetchedTask,
    stored_series: Callable[[], Mapping[Name, SeriesOutline]],
    compare: Callable[[], Overlap],
    was_run_again: Callable[[], bool],
    *,
    accept_loss: bool,
) -> Decision:
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
        return Decision("refresh" if one.reason is None else "skip")
    if stored is None:
        return Decision("replace")
    if one.state != "complete" and _is_worth_more(stored, one):
        return Decision("skip" if one.details.missing else "keep")
    if accept_loss or not stored.points_stored:
        return Decision("replace")
    if one.state == "complete" and not one.read.received:
        return Decision("keep")
    overlap = compare()
    if one.state != "complete":
        lacking = overlap.lacking
        return Decision("replace", "read in part" if lacking else None, lacking)
    return _compared(one, stored, overlap, stored_series(), was_run_again)


def _compared(
    one: FetchedTask,
    stored: KnownTask,
    overlap: Overlap,
    before: Mapping[Name, SeriesOutline],
    was_run_again: Callable[[], bool],
) -> Decision:
    """Decide about a complete reading: points that only the dataset has stay if of the same run.

    The start is that of the listing, and the points were read later.
    """
    started = one.planned.task.started
    is_same_start = started is not None and started == stored.started
    compared = partial(compare_runs, overlap, before, server_sums(one.details.last_metrics))
    verdict = compared(is_same_start=is_same_start)
    rests_on_start = is_same_start and not overlap.identical
    if verdict == "same" and overlap.lacking and rests_on_start and was_run_again():
        verdict = compared(is_same_start=False)
    if verdict == "same":
        return Decision("merge" if overlap.lacking else "replace")
    if overlap.lacking and verdict == "doubt":
        return Decision("replace", "in doubt", overlap.lacking)
    if verdict == "other" or (overlap.retimed and not overlap.identical):
        return Decision("replace", "another run", stored.points_stored)
    return Decision("replace")


def server_sums(summary: ServerSummary) -> dict[Name, Sums] | None:
    """Give the server's sums of each series; None where it may leave out a series of ours."""
    if summary.is_ambiguous or len(summary.rows) >= MOST_SERIES:
        return None
    return {
        (row["metric"], row["variant"]): (row["server_count"], row["server_min"], row["server_max"])
        for row in summary.rows
    }


def _is_worth_more(stored: KnownTask, one: FetchedTask) -> bool:
    """Whether what is stored of a task should stay in place of what came of it this time."""
    if stored.points_stored != one.read.received:
        return stored.points_stored > one.read.received
    lacks_details = one.state == "failed" or one.details.missing is not None
    return stored.state in ("complete", "shrunk", "lost", "gone") and lacks_details
