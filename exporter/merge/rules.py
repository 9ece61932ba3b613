"""Decides which copy of a task to use, and which series of the other copies to add. No I/O.

No point may vanish without a report. Metrics for which the best copy was not read are taken from
the next best one, and the row of the task only states what is true of both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from clearml_snapshot.exporter.selection.metric_filter import MetricFilter
from clearml_snapshot.exporter.store.compare.overlap import Overlap
from clearml_snapshot.exporter.store.compare.same_run import compare_runs
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline

Why = Literal[
    "read earlier",
    "could not be read",
    "not read yet",
    "partial, with fewer points",
    "after the server lost points",
    "of the same reading, with fewer points",
    "of the same reading, with something taken out",
    "of the same reading, in an older snapshot",
    "the same",
]
"""Why a copy is not used."""

_GRAVITY: Final = ("complete", "shrunk", "lost", "partial", "failed", "unread", "gone")
"""States by severity; the task gets the most severe one of its parts."""

_WITHOUT_POINTS: Final = ("failed", "unread")
"""States of copies whose points were not read, or could not be."""

INCOMPLETE: Final = ("partial", "lost", *_WITHOUT_POINTS)
"""States of copies in which selected series may be missing."""


@dataclass(frozen=True, slots=True)
class TaskCopy:
    """A task in one source; field names from ``task_id`` on are columns of ``tasks``."""

    source: int
    """The index of the source."""
    made: datetime
    """When the source's snapshot was created."""
    taken_out: int
    """Number of categories that the source's pack left out."""
    task_id: str
    name: str | None
    project_id: str | None
    status: str | None
    state: str
    reason: str | None
    metric_filter: str | None
    points_expected: int | None
    points_stored: int | None
    points_bad: int | None
    fetched_at: datetime
    started: datetime | None
    last_update: datetime | None
    last_iteration: int | None
    selected: bool | None
    fingerprint: str

    @property
    def points(self) -> int:
        """The number of stored points; 0 if it is unknown."""
        return self.points_stored or 0

    @property
    def was_unread(self) -> bool:
        """Whether the server lost the task before all of its points were read."""
        if self.points_expected is None:
            return self.state == "gone" and not self.points
        return self.state == "gone" and self.points_expected > self.points


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """Some series of a copy other than the best one."""

    copy: TaskCopy
    series: frozenset[Name]
    """Empty if the copy only proves that nothing else of its selected metrics existed."""
    points: int


@dataclass(frozen=True, slots=True)
class MergeDecision:
    """The decision about the copies of one task."""

    ranked: tuple[TaskCopy, ...]
    """The first one is used."""
    parts: tuple[SeriesPart, ...] = ()
    """What is added from the others, because the first was not read for it."""
    left: tuple[SeriesPart, ...] = ()
    """What is not added, because it is of another run of the task."""

    @property
    def best(self) -> TaskCopy:
        """The copy that is used completely."""
        return self.ranked[0]

    @property
    def with_series(self) -> tuple[SeriesPart, ...]:
        """The parts that have series."""
        return tuple(part for part in self.parts if part.series)

    @property
    def points(self) -> int:
        """The points that the task ends with."""
        return self.best.points + sum(part.points for part in self.parts)


_NOTHING: Final = MetricFilter(())

SeriesOf = Callable[[TaskCopy], Mapping[Name, SeriesOutline]]
"""Gives the stored series of a copy."""

OverlapOf = Callable[[TaskCopy, TaskCopy], Overlap]
"""Compares the points of an earlier and a later copy."""


def choose(copies: Sequence[TaskCopy], series_of: SeriesOf, overlap_of: OverlapOf) -> MergeDecision:
    """Decide what to use from the copies of a task.

    Args:
        copies: at least one.
        series_of: called only if a copy was not read for every metric.
        overlap_of: called only if two copies differ in their start.
    """
    best, *others = rank(copies)
    selected = MetricFilter.read(best.metric_filter)
    # an unused copy can add nothing to what is covered
    covered = _NOTHING if best.state in INCOMPLETE or best.was_unread else selected
    parts, left = [], []
    held = set(series_of(best)) if others and covered.choices is not None else set()
    for other in others:
        if covered.choices is None:
            break
        missing = _missing_series(series_of(other), covered, held)
        part = SeriesPart(other, frozenset(missing), sum(outline.n for outline in missing.values()))
        if missing and is_other_run(best, other, series_of, overlap_of):
            left.append(part)
        elif missing or _asks_more(other, selected):
            parts.append(part)
            held.update(missing)
            selected = selected.merged(MetricFilter.read(other.metric_filter))
            covered = covered.merged(_covered_by(best, part))
    return MergeDecision((best, *others), tuple(parts), tuple(left))


def rank(copies: Sequence[TaskCopy]) -> list[TaskCopy]:
    """Order the copies of a task, the one to use first.

    The newest reading is the best, but one that failed ranks below any that has points. A partial
    one ranks below one with more points, and so does one that was read after the server had lost
    points. ``export`` keeps stored points in the same cases. The order of the sources decides only
    if everything else is equal.
    """
    newest = sorted(copies, key=_worth, reverse=True)
    able = newest
    if any(copy.points and copy.state not in _WITHOUT_POINTS for copy in newest):
        able = [copy for copy in newest if copy.state not in _WITHOUT_POINTS]
    most = max(copy.points for copy in able)
    unsure = ("partial", *_WITHOUT_POINTS)
    able = [c for c in able if c.points >= most or not (c.state in unsure or c.was_unread)]
    able = [c for c in able if not _was_fuller(c, able)]
    return [*able, *(copy for copy in newest if copy not in able)]


def _was_fuller(copy: TaskCopy, others: Sequence[TaskCopy]) -> bool:
    """Return whether another, otherwise current copy has points that the server lost later."""
    return copy.state == "lost" and any(
        other.points > copy.points and _is_up_to_date(copy, other) for other in others
    )


def _worth(copy: TaskCopy) -> tuple[object, ...]:
    return copy.fetched_at, copy.points, -copy.taken_out, copy.made, -copy.source


def why_not(best: TaskCopy, other: TaskCopy) -> Why:
    """Return why a copy is not used."""
    if best.fetched_at != other.fetched_at:
        if best.fetched_at > other.fetched_at:
            return "read earlier"
        if other.state in ("unread", "lost"):
            return "not read yet" if other.state == "unread" else "after the server lost points"
        is_empty = other.state == "failed" or (other.was_unread and not other.points)
        return "could not be read" if is_empty else "partial, with fewer points"
    if best.points != other.points:
        return "of the same reading, with fewer points"
    if best.taken_out != other.taken_out:
        return "of the same reading, with something taken out"
    is_older = best.made > other.made
    return "of the same reading, in an older snapshot" if is_older else "the same"


def _missing_series(
    series: Mapping[Name, SeriesOutline], covered: MetricFilter, held: set[Name]
) -> dict[Name, SeriesOutline]:
    return {
        name: outline
        for name, outline in series.items()
        if name not in held and not covered.includes(*name)
    }


def _asks_more(other: TaskCopy, selected: MetricFilter) -> bool:
    """Return whether a copy was read for more metrics, even if it has no points of them.

    A complete copy shows that they do not exist; any other one, that they were not read.
    """
    return selected.merged(MetricFilter.read(other.metric_filter)).choices != selected.choices


def _covered_by(best: TaskCopy, part: SeriesPart) -> MetricFilter:
    """Return the metrics of a copy if a third copy cannot have more of them."""
    other = part.copy
    is_sure = other.state not in INCOMPLETE if part.series else _state(best, other) == "complete"
    return MetricFilter.read(other.metric_filter) if is_sure else _NOTHING


def is_other_run(
    first: TaskCopy, second: TaskCopy, series_of: SeriesOf, overlap_of: OverlapOf
) -> bool:
    """Return whether two readings may be of different runs of a task; in doubt they are.

    See ``same_run`` for what proves that they are of the same run.
    """
    if (first.started, first.last_update) == (second.started, second.last_update):
        if (first.started or first.last_update) is not None:
            return False
    elif first.started is not None and first.started == second.started:
        return False
    earlier, later = sorted((first, second), key=lambda copy: copy.fetched_at)
    selected = MetricFilter.read(later.metric_filter)
    before = {
        name: outline for name, outline in series_of(earlier).items() if selected.includes(*name)
    }
    after = {
        name: (outline.server_count, outline.server_min, outline.server_max)
        for name, outline in series_of(later).items()
    }
    overlap = overlap_of(earlier, later)
    return compare_runs(overlap, before, after, is_same_start=False) != "same"


def changed_columns(choice: MergeDecision) -> dict[str, Any]:
    """Return the columns of ``tasks`` in which the result differs from the used copy."""
    best = choice.best
    changed = _columns(choice) if choice.parts else {}
    if not best.selected and any(copy.selected for copy in choice.ranked):
        changed["selected"] = True  # the merged dataset repeats the selections of all sources
    return changed


def _columns(choice: MergeDecision) -> dict[str, Any]:
    """Describe a combined task; a part that may be outdated makes it partial.

    So the next export reads it again, for all of its metrics.
    """
    best, parts = choice.best, choice.parts
    selected = MetricFilter.read(best.metric_filter)
    for part in parts:
        selected = selected.merged(MetricFilter.read(part.copy.metric_filter))
    state = max((best.state, *(_state(best, p.copy) for p in parts)), key=_GRAVITY.index)
    reasons = [best.reason, *(_reason(best, part) for part in parts)]
    expected = [best.points_expected, *(_expected(part) for part in parts)]
    has_odd = any(copy.points_bad != 0 for copy in (best, *(part.copy for part in parts)))
    return {
        "metric_filter": selected.text,
        "state": state,
        "reason": "; ".join(filter(None, reasons)) or None,
        "points_expected": None if None in expected else sum(n or 0 for n in expected),
        "points_stored": choice.points,
        "points_bad": None if has_odd else 0,
    }


def _state(best: TaskCopy, other: TaskCopy) -> str:
    if not _is_up_to_date(best, other) or not _is_whole(other):
        return "partial"
    return other.state if other.state in ("shrunk", "lost") else "complete"


def _is_whole(copy: TaskCopy) -> bool:
    counted = copy.points_expected == copy.points_stored
    return copy.state == "shrunk" or (copy.state not in ("partial", "failed") and counted)


def _expected(part: SeriesPart) -> int | None:
    """Return how many points the server had of some series, if it had what is stored."""
    is_counted = part.copy.points_expected == part.copy.points_stored
    return part.points if is_counted else None


def _is_up_to_date(best: TaskCopy, other: TaskCopy) -> bool:
    """Return whether no point can have been added between the two readings, as in ``plan``."""
    return (best.started, best.last_iteration, best.last_update) == (
        other.started,
        other.last_iteration,
        other.last_update,
    )


def _reason(best: TaskCopy, part: SeriesPart) -> str | None:
    copy = part.copy
    if _state(best, copy) == "complete":
        return None
    series = f"{len(part.series):,} series {'is' if len(part.series) == 1 else 'are'}"
    if not part.series:
        series = "what else was selected is"
    read = f"{series} of a reading at {copy.fetched_at:%Y-%m-%d %H:%M} UTC"
    moved = "" if _is_up_to_date(best, copy) else ", and the task has changed between the two"
    own = f" ({copy.state}: {copy.reason})" if copy.reason else ""
    return f"{read}{moved}{own}"
