"""Reports the result of a merge: what was used from which source, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from clearml_snapshot.exporter.merge.rules import MergeDecision, SeriesPart, Why, why_not
from clearml_snapshot.exporter.merge.sources import Source
from clearml_snapshot.exporter.store.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Lost:
    """Tasks of a source for which the copy of another source was used."""

    to: str
    """The other source."""
    why: Why
    tasks: int


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was used from one source."""

    name: str
    """As it was typed."""
    number: int
    created_at: datetime
    tasks: int
    """All of its tasks."""
    taken: int
    """Tasks whose row comes from this source."""
    points: int
    """Points used, including those of single series for tasks of other sources."""
    lost: tuple[Lost, ...]
    """The other tasks."""
    taken_out: tuple[str, ...]
    """What its pack left out; the tasks from this source do not have it."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of tasks, series and points."""

    tasks: int
    series: int
    points: int


@dataclass(frozen=True)
class MergeReport:
    """The numbers of a merge."""

    sources: tuple[SourceReport, ...]
    shared: int
    """Tasks in more than one source."""
    added: Amount
    """Series from other copies, for which the used one had not been read."""
    other_run: Amount
    """Such series that were left out, because the task was run again in between."""
    fewer: tuple[str, ...]
    """Tasks of which an unused copy has more points than the result."""
    fewer_points: int
    """The total number of these additional points."""
    poorer: int
    """Tasks whose copy is from a pack that left out something which another copy has."""
    totals: Mapping[str, int]
    """What the new snapshot contains: tasks, series, points, projects, bytes."""
    snapshot: Path
    """The folder to copy, or the address as it was given."""
    choices: tuple[MergeDecision, ...]
    """Each task with its copies, by task id."""
    unproven: tuple[str, ...] = ()
    """Texts of a source that could not be compared with its tables, one sentence each."""
    unlike: tuple[str, ...] = ()
    """Tasks of which two complete copies have the same fingerprint and different points."""


def report(
    sources: Sequence[Source], choices: Sequence[MergeDecision], snapshot: Snapshot
) -> MergeReport:
    """Count what was used."""
    behind = {c.best.task_id: more for c in choices if (more := _more_elsewhere(c)) > 0}
    return MergeReport(
        sources=tuple(_source_reports(sources, choices)),
        shared=sum(len(choice.ranked) > 1 for choice in choices),
        added=_amount([choice.with_series for choice in choices]),
        other_run=_amount([choice.left for choice in choices]),
        fewer=tuple(behind),
        fewer_points=sum(behind.values()),
        poorer=sum(any(o.taken_out < c.best.taken_out for o in c.ranked) for c in choices),
        totals=asdict(snapshot.totals),
        snapshot=snapshot.root,
        choices=tuple(choices),
    )


def _more_elsewhere(choice: MergeDecision) -> int:
    return max(copy.points for copy in choice.ranked) - choice.points


def _amount(parts_by_task: Sequence[Sequence[SeriesPart]]) -> Amount:
    parts = [part for task_parts in parts_by_task for part in task_parts]
    return Amount(
        tasks=sum(bool(task_parts) for task_parts in parts_by_task),
        series=sum(len(part.series) for part in parts),
        points=sum(part.points for part in parts),
    )


def _source_reports(
    sources: Sequence[Source], choices: Sequence[MergeDecision]
) -> list[SourceReport]:
    tasks: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    points: Counter[int] = Counter()
    lost: Counter[tuple[int, int, Why]] = Counter()
    for choice in choices:
        best = choice.best
        taken[best.source] += 1
        points[best.source] += best.points
        for part in choice.parts:
            points[part.copy.source] += part.points
        tasks.update(copy.source for copy in choice.ranked)
        lost.update((o.source, best.source, why_not(best, o)) for o in choice.ranked[1:])
    return [
        SourceReport(
            name=source.name,
            number=source.snapshot.number,
            created_at=source.snapshot.created_at,
            tasks=tasks[index],
            taken=taken[index],
            points=points[index],
            lost=tuple(
                Lost(sources[to].name, why, count)
                for (of, to, why), count in sorted(lost.items())
                if of == index
            ),
            taken_out=source.taken_out,
        )
        for index, source in enumerate(sources)
    ]
