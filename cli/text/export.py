"""Formats an export report for the terminal."""

from collections.abc import Iterator
from typing import Final

from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

_SHOWN_PROBLEMS: Final = 10


def summary(report: ExportReport | Forecast) -> Iterator[str]:
    """Describe the result of an export, or of a dry run, in a few lines."""
    return _done(report) if isinstance(report, ExportReport) else _expected(report)


def alerts(report: ExportReport | Forecast) -> Iterator[str]:
    """Report only what failed or needs attention: what ``--quiet`` still prints.

    These lines are also in ``summary``.
    """
    if isinstance(report, ExportReport):
        yield from _losses(report)
        yield from _problems(report)
    yield from _warnings(report)
    if isinstance(report, ExportReport) and report.result not in ("complete", "partial"):
        yield _ending(report)


def missing_tasks(report: ExportReport | Forecast) -> dict[str, int] | None:
    """Count the tasks of this run that are not complete, by state; a dry run reads none."""
    if not isinstance(report, ExportReport):
        return None
    return {
        "partial": report.tasks_partial,
        "failed": report.tasks_failed,
        "unread": report.tasks_unread,
        "lost": report.tasks_lost,
    }


def _warnings(report: ExportReport | Forecast) -> Iterator[str]:
    return (f"warning: {text}" for text in report.warnings)


def _done(report: ExportReport) -> Iterator[str]:
    """Describe the result of an export; the last line is the folder to copy."""
    yield _tasks(report)
    if not (report.totals["tasks"] or report.problems):
        yield "no task matches the filter; the dataset is valid"
    total = report.totals["points"]
    share = f", {report.monitor_points / total:.0%} of them :monitor:" if total else ""
    yield f"points: {report.points:,} fetched; the snapshot contains {total:,}{share}"
    yield from _losses(report)
    yield from _reread(report)
    yield from _altered(report)
    yield from (f"not included: {text}" for text in report.left_out)
    yield from _problems(report)
    yield from _warnings(report)
    if report.removed:
        numbers = ", ".join(map(str, report.removed))
        word = "snapshot" if len(report.removed) == 1 else "snapshots"
        yield f"removed {word} {numbers} (kept: {report.keep}; --keep changes it)"
    yield (
        f"{report.server}: {counted(report.requests, 'request')} ({report.retries:,} retried), "
        f"{size_in_words(report.bytes)}, {report.seconds:,.1f} s"
    )
    yield _ending(report)


def _tasks(report: ExportReport) -> str:
    refreshed = f"{report.tasks_refreshed:,} with new metadata only, "
    expected = report.tasks_gone_expected
    as_expected = f" ({expected:,} as expected)" if expected else ""
    gone = f", {report.tasks_gone:,} newly gone from the server{as_expected}"
    return (
        f"tasks: {report.tasks_new:,} new, {report.tasks_changed:,} read again, "
        f"{refreshed if report.tasks_refreshed else ''}{report.tasks_unchanged:,} unchanged, "
        f"{report.tasks_partial:,} partial, {report.tasks_failed:,} failed"
        f"{gone if report.tasks_gone else ''}"
    )


def _reread(report: ExportReport) -> Iterator[str]:
    """Report which stored points were or will be read again."""
    if report.tasks_ahead:
        yield (
            f"partial: the newest points of {counted(report.tasks_ahead, 'running task')} are not "
            "visible on the server yet; the next export reads them"
        )
    if report.tasks_changed_silently:
        yield (
            f"changed silently: the points of {counted(report.tasks_changed_silently, 'task')} "
            "differed from those stored, although no date had changed; they were read again"
        )
    if report.tasks_rerun:
        yield (
            f"run again: {counted(report.tasks_rerun, 'task')}; "
            f"{counted(report.points_replaced, 'point')} of earlier runs were replaced, and "
            f"snapshot {report.snapshot_before} still has them"
        )


def _altered(report: ExportReport) -> Iterator[str]:
    """Report values that are not stored as they were sent."""
    if report.points_bad:
        altered = counted(report.points_bad, "point")
        yield f"altered values: {altered} could not be stored exactly (see points_bad)"
    if report.redacted:
        values = counted(report.redacted, "value")
        yield f"redacted: {values} that looked like credentials (--keep-secrets keeps them)"


def _ending(report: ExportReport) -> str:
    result = _RESULTS.get(report.result, report.result)
    if report.address is not None:
        return f"{result}; {report.address} has snapshot {report.number} now"
    return f"{result}; the folder to copy: {report.snapshot}"


def _losses(report: ExportReport) -> Iterator[str]:
    """Report which tasks are not stored as they are on the server."""
    if report.tasks_unread:
        yield _unread(report)
    if report.tasks_shrunk:
        yield (
            f"shrunk: the server has fewer points than stored for "
            f"{counted(report.tasks_shrunk, 'task')}; the stored points are kept (--accept-loss "
            "discards them)"
        )
    if report.tasks_lost:
        yield (
            f"lost: the server's own summary of {counted(report.tasks_lost, 'task')} includes "
            "points that the server no longer has; they cannot be read (state lost)"
        )


def _unread(report: ExportReport) -> str:
    old = counted(report.tasks_outdated, "task")
    stored = f"; {old} of these kept as stored before" if report.tasks_outdated else ""
    return f"not read: {counted(report.tasks_unread, 'selected task')}{stored}; run export again"


_RESULTS: Final = {"ceiling": "stopped at a limit, run it again to continue"}


def _expected(report: Forecast) -> Iterator[str]:
    """Describe what an export would do, and what the dry run cost."""
    yield (
        f"tasks: {report.tasks_new:,} new, {report.tasks_changed:,} to read again, "
        f"{report.tasks_refreshed:,} with new metadata only, {report.tasks_unchanged:,} unchanged, "
        f"{report.tasks_gone:,} gone from the server"
    )
    yield f"points: {_points_to_read(report)}"
    yield from _warnings(report)
    about = "at least" if report.tasks_uncounted else "about"
    yield (
        f"an export would send {about} {counted(report.requests, 'request')}; this dry run took "
        f"{report.requests_spent:,}, {report.seconds:,.1f} s, and wrote nothing"
    )


def _points_to_read(report: Forecast) -> str:
    if report.points is None:
        return "unknown: the server does not count them"
    counts = f"about {report.points:,} to read (by the server's own summary)"
    if not report.tasks_uncounted:
        return counts
    return f"{counts}; unknown for {counted(report.tasks_uncounted, 'task')}"


def _problems(report: ExportReport) -> Iterator[str]:
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        yield f"{problem.state}: {problem.task_id[:8]} {problem.name[:40]}: {problem.reason}"
    if len(report.problems) > _SHOWN_PROBLEMS:
        yield f"… and {len(report.problems) - _SHOWN_PROBLEMS:,} more (clearml-snapshot status)"
