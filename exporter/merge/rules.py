"""Several copies of one task: which is taken, and which series of the others come with it. Pure.

No point may vanish unsaid. What the best copy was not asked for is taken from the next best, and
the row of the task says no more than is true of the two together.
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
"""Why a copy is not taken."""

_GRAVITY: Final = ("complete", "shrunk", "lost", "partial", "failed", "unread", "gone")
"""States; of two parts of a task the later one here is the task's."""

_WITHOUT_POINTS: Final = ("failed", "unread")
"""States of copies whose points could not be read, or were not."""

LACKING: Final = ("partial", "lost", *_WITHOUT_POINTS)
"""States of copies that may lack series for which they were asked."""


@dataclass(frozen=True, slots=True)
class TaskCopy:
    """A task as one source has it; field names from ``task_id`` on are columns of ``tasks``."""

    source: int
    """Its place among the sources."""
    made: datetime
    """When the source's snapshot was."""
    taken_out: int
    """Kinds of columns that the source's pack left out."""
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
        """The points stored; none where nothing is known of them."""
        return self.points_stored or 0

    @property
    def was_unread(self) -> bool:
        """Whether the server lost the task before all of its points were read."""
        if self.points_expected is None:
            return self.state == "gone" and not self.points
        return self.state == "gone" and self.points_expected > self.points


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """Some series of a copy that is not the best one."""

    copy: TaskCopy
    series: frozenset[Name]
    """None: the copy proves only that there was nothing else of what it was asked for."""
    points: int


@dataclass(frozen=True, slots=True)
class MergeDecision:
    """What becomes of the copies of one task."""

    ranked: tuple[TaskCopy, ...]
    """The first one is taken."""
    parts: tuple[SeriesPart, ...] = ()
    """What is taken of the others, because the first was not asked for it."""
    left: tuple[SeriesPart, ...] = ()
    """What would be, and is of another run of the task."""

    @property
    def best(self) -> TaskCopy:
        """The copy that is taken whole."""
        return self.ranked[0]

    @property
    def with_series(self) -> tuple[SeriesPart, ...]:
        """The parts of which there is something to take."""
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
    """Decide what is taken of the copies of a task.

    Args:
        copies: at least one.
        series_of: is asked only where a copy was not asked for every metric.
        overlap_of: is asked only where two copies differ in their start.
    """
    best, *others = rank(copies)
    asked = MetricFilter.read(best.metric_filter)
    # of what is covered, a copy that is not taken can add nothing
    covered = _NOTHING if best.state in LACKING or best.was_unread else asked
    parts, left = [], []
    held = set(series_of(best)) if others and covered.wanted is not None else set()
    for other in others:
        if covered.wanted is None:
            break
        lacking = _lacking(series_of(other), covered, held)
        part = SeriesPart(other, frozenset(lacking), sum(outline.n for outline in lacking.values()))
        if lacking and is_other_run(best, other, series_of, overlap_of):
            left.append(part)
        elif lacking or _asks_more(other, asked):
            parts.append(part)
            held.update(lacking)
            asked = asked.merged(MetricFilter.read(other.metric_filter))
            covered = covered.merged(_covered_by(best, part))
    return MergeDecision((best, *others), tuple(parts), tuple(left))


def rank(copies: Sequence[TaskCopy]) -> list[TaskCopy]:
    """Order the copies of a task, the one to take first.

    The newest reading is the best, but one that failed is worth less than any that has points. One
    that came to only a part of them is worth less than one that came to more, and so is one that
    came after the server had lost some. ``export`` keeps stored points in the same cases. The order
    of the sources decides only where all else is equal.
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
    """Whether another copy was read before the server lost points, and nothing happened since."""
    return copy.state == "lost" and any(
        other.points > copy.points and _is_up_to_date(copy, other) for other in others
    )


def _worth(copy: TaskCopy) -> tuple[object, ...]:
    return copy.fetched_at, copy.points, -copy.taken_out, copy.made, -copy.source


def why_not(best: TaskCopy, other: TaskCopy) -> Why:
    """Say why a copy is not the one that is taken."""
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


def _lacking(
    series: Mapping[Name, SeriesOutline], asked: MetricFilter, held: set[Name]
) -> dict[Name, SeriesOutline]:
    return {
        name: outline
        for name, outline in series.items()
        if name not in held and not asked.includes(*name)
    }


def _asks_more(other: TaskCopy, asked: MetricFilter) -> bool:
    """Whether a copy was asked for something more, even if there is nothing of it here.

    One that is complete shows that there is nothing of it; any other, that it was not read.
    """
    return asked.merged(MetricFilter.read(other.metric_filter)).wanted != asked.wanted


def _covered_by(best: TaskCopy, part: SeriesPart) -> MetricFilter:
    """Give what a copy was asked for, where nothing else of it can be in a third copy."""
    other = part.copy
    is_sure = other.state not in LACKING if part.series else _state(best, other) == "complete"
    return MetricFilter.read(other.metric_filter) if is_sure else _NOTHING


def is_other_run(
    one: TaskCopy, other: TaskCopy, series_of: SeriesOf, overlap_of: OverlapOf
) -> bool:
    """Whether two readings may be of two runs of a task; in doubt they are.

    See ``same_run`` for what proves that they are of one.
    """
    if (one.started, one.last_update) == (other.started, other.last_update):
        if (one.started or one.last_update) is not None:
            return False
    elif one.started is not None and one.started == other.started:
        return False
    earlier, later = sorted((one, other), key=lambda copy: copy.fetched_at)
    asked = MetricFilter.read(later.metric_filter)
    before = {
        name: outline for name, outline in series_of(earlier).items() if asked.includes(*name)
    }
    after = {
        name: (outline.server_count, outline.server_min, outline.server_max)
        for name, outline in series_of(later).items()
    }
    overlap = overlap_of(earlier, later)
    return compare_runs(overlap, before, after, is_same_start=False) != "same"


def changed_columns(choice: MergeDecision) -> dict[str, Any]:
    """Give the columns of ``tasks`` in which the result differs from the copy that is taken."""
    best = choice.best
    changed = _columns(choice) if choice.parts else {}
    if not best.selected and any(copy.selected for copy in choice.ranked):
        changed["selected"] = True  # the joined dataset repeats the selections of all
    return changed


def _columns(choice: MergeDecision) -> dict[str, Any]:
    """Describe a task that is put together; a part that may be out of date makes it partial.

    So the next export reads it again, for all that was asked of it.
    """
    best, parts = choice.best, choice.parts
    asked = MetricFilter.read(best.metric_filter)
    for part in parts:
        asked = asked.merged(MetricFilter.read(part.copy.metric_filter))
    state = max((best.state, *(_state(best, p.copy) for p in parts)), key=_GRAVITY.index)
    reasons = [best.reason, *(_reason(best, part) for part in parts)]
    expected = [best.points_expected, *(_expected(part) for part in parts)]
    has_odd = any(copy.points_bad != 0 for copy in (best, *(part.copy for part in parts)))
    return {
        "metric_filter": asked.text,
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
    """Give what the server held of some series; unknown unless it held what is stored."""
    is_counted = part.copy.points_expected == part.copy.points_stored
    return part.points if is_counted else None


def _is_up_to_date(best: TaskCopy, other: TaskCopy) -> bool:
    """Whether no point can have come between the two readings, as ``plan`` has it."""
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
