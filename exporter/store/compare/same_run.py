"""Decides whether a later reading of a task is of the same run as an earlier one. Pure, no I/O.

Two runs of a task must never be mixed. A reset deletes all points of a task; the next run writes
the same keys at other wall times. A task that is continued keeps its points with their wall times
(docs/clearml-server.md, "Two runs of one task"). The server's summary (``last_metrics``) is further
evidence: a reset empties it, and within one run its counts never fall, its minima never rise and
its maxima never fall.
"""

from collections.abc import Mapping
from typing import Literal

from clearml_snapshot.exporter.store.compare.overlap import Overlap
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline

Verdict = Literal["same", "other", "doubt"]
"""``same``: the run was continued. ``other``: the task was run again. ``doubt``: uncertain."""

Sums = tuple[int | None, float | None, float | None]
"""The server's summary of a series: its count of reports, smallest and largest value."""


def compare_runs(
    overlap: Overlap,
    before: Mapping[Name, SeriesOutline],
    after: Mapping[Name, Sums] | None,
    *,
    is_same_start: bool,
) -> Verdict:
    """Decide from the points of both readings, from the server's sums, and from the start.

    Args:
        overlap: the points of both readings, compared.
        before: the series of the earlier reading, with the server's sums at that time.
        after: the server's sums at the time of the later reading; None is unknown.
        is_same_start: the task was started at the same moment in both. A run that began between
            the listing and the reading has the start of the run before it, so this alone is no
            proof against points that were all reported again.
    """
    goes_on = _goes_on(before, after, {})
    explained = _goes_on(before, after, overlap.reported)
    is_again = bool(overlap.retimed or overlap.altered)
    is_short = is_again and explained is False
    is_other = goes_on is False or (is_short and _are_of_these(after, overlap.reported))
    if overlap.identical:
        is_same = is_same_start or (not overlap.altered and goes_on is not False)
        return "same" if is_same else "doubt"
    if is_other or (overlap.retimed and explained is None and not is_same_start):
        return "other"
    return "same" if is_same_start and not is_short else "doubt"


def _are_of_these(after: Mapping[Name, Sums] | None, reported: Mapping[Name, int]) -> bool:
    """Return whether the later sums are exactly those of the later points, as after a new start.

    If not, sums that are too small for a continued run prove nothing: points that the server stores
    of a refused chunk are not in its sums.
    """
    return after is not None and all(
        count == reported.get(name, 0) for name, (count, *_) in after.items()
    )


def _goes_on(
    before: Mapping[Name, SeriesOutline],
    after: Mapping[Name, Sums] | None,
    reported: Mapping[Name, int],
) -> bool | None:
    """Return whether the later sums can follow the earlier ones after that many reports."""
    counted = {
        name: outline for name, outline in before.items() if outline.server_count is not None
    }
    if after is None or not counted:
        return None
    return all(
        name in after and _can_follow(after[name], outline, reported.get(name, 0))
        for name, outline in counted.items()
    )


def _can_follow(after: Sums, before: SeriesOutline, reports: int) -> bool:
    count, lowest, highest = after
    if count is None or before.server_count is None:
        return False
    return (
        count >= before.server_count + reports
        and (before.server_min is None or (lowest is not None and lowest <= before.server_min))
        and (before.server_max is None or (highest is not None and highest >= before.server_max))
    )
