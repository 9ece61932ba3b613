"""Formats the result of a merge: lines for the terminal, and rows of the report per task."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.text import moment
from clearml_snapshot.exporter.store.objects.address import as_typed, is_address

if TYPE_CHECKING:
    from clearml_snapshot.exporter.merge.report import MergeReport, SourceReport
    from clearml_snapshot.exporter.merge.rules import MergeDecision

_SHOWN_IDS: Final = 3


def summary(merged: "MergeReport") -> Iterator[str]:
    """Describe what was taken from which dataset; the last line is the folder to copy."""
    for source in merged.sources:
        yield from _source(source)
    yield from (f"warning: not proven: {text}" for text in merged.unproven)
    added = merged.added
    yield f"{counted(merged.shared, 'task')} in more than one dataset"
    if added.tasks:
        yield (
            f"{counted(added.tasks, 'task')} combined: {added.series:,} series "
            f"({counted(added.points, 'point')}) added from other copies, because the copy that "
            "was taken does not have them"
        )
    yield from _warnings(merged)
    totals = merged.totals
    yield f"merged: {counted(totals['tasks'], 'task')}, {counted(totals['points'], 'point')}"
    where = "the dataset" if is_address(merged.snapshot) else "the folder to copy"
    yield f"{where}: {as_typed(merged.snapshot)}"


def _warnings(merged: "MergeReport") -> Iterator[str]:
    dropped = merged.other_run
    if dropped.tasks:
        yield (
            f"warning: {counted(dropped.tasks, 'task')} run again since an older copy; "
            f"{dropped.series:,} series ({counted(dropped.points, 'point')}) of the earlier run "
            "are not included"
        )
    if merged.fewer:
        yield (
            f"warning: for {counted(len(merged.fewer), 'task')} a copy that was not taken has more "
            f"points ({merged.fewer_points:,}): {_ids(merged.fewer)}"
        )
    if merged.unlike:
        yield (
            f"warning: {counted(len(merged.unlike), 'task')} with different points in copies that "
            "have the same fingerprint, so one of the copies differs from what the server had: "
            f"{_ids(merged.unlike)}; compare the datasets with clearml-snapshot diff"
        )
    if merged.poorer:
        yield (
            f"warning: {counted(merged.poorer, 'task')} without what a pack left out, although "
            "another copy has it; no export restores it, so merge what was packed instead"
        )


def _ids(task_ids: Sequence[str]) -> str:
    return ", ".join(task_ids[:_SHOWN_IDS]) + ", …" * (len(task_ids) > _SHOWN_IDS)


def _source(source: "SourceReport") -> Iterator[str]:
    yield (
        f"{source.name} (snapshot {source.number}, {moment(source.created_at)}): "
        f"{source.taken:,} of {counted(source.tasks, 'task')} taken, "
        f"{counted(source.points, 'point')}"
    )
    for lost in source.lost:
        yield f"  {counted(lost.tasks, 'task')} taken from {lost.to} instead; here {lost.why}"
    if source.taken:
        yield from (f"  not in this pack: {text}" for text in source.taken_out)


def report_rows(merged: "MergeReport") -> Iterator[list[object]]:
    """List the header and one row per task: which copy was taken, and when each was read."""
    names = [source.name for source in merged.sources]
    header = ["task_id", "task", "taken_from", "fetched_at", "points", "series_from"]
    yield [*header, *(f"fetched_at in {name}" for name in names)]
    yield from (_row(choice, names) for choice in merged.choices)


def _row(choice: "MergeDecision", names: list[str]) -> list[object]:
    best = choice.best
    fetched = {copy.source: _iso(copy.fetched_at) for copy in choice.ranked}
    return [
        best.task_id,
        best.name,
        names[best.source],
        _iso(best.fetched_at),
        choice.points,
        " ".join(names[part.copy.source] for part in choice.with_series),
        *(fetched.get(number) for number in range(len(names))),
    ]


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")
