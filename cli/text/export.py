"""What an export came to, in a few lines for a person."""

from collections.abc import Iterator
from typing import Final

from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

_SHOWN_PROBLEMS: Final = 10


def summary(report: ExportReport | Forecast) -> Iterator[str]:
    """Say in a few lines what an export came to, or would come to."""
    return _done(report) if isinstance(report, ExportReport) else _expected(report)


def alerts(report: ExportReport | Forecast) -> Iterator[str]:
    """Say only what went wrong, or needs somebody to look: what ``--quiet`` leaves.

    These lines are also in ``summary``.
    """
    if isinstance(report, ExportReport):
        yield from _losses(report)
        yield from _problems(report)
    yield from _warnings(report)
    if isinstance(report, ExportReport) and report.result not in ("complete", "partial"):
        yield _ending(report)


def _warnings(report: ExportReport | Forecast) -> Iterator[str]:
    return (f"warning: {text}" for text in report.warnings)


def _done(report: ExportReport) -> Iterator[str]:
    """Say what an export came to; the last line is the folder to copy."""
    refreshed = f"{report.tasks_refreshed:,} with new metadata only, "
    expected = report.tasks_gone_expected
    as_expected = f" ({expected:,} as expected)" if expected else ""
    gone = f", {report.tasks_gone:,} newly gone from the server{as_expected}"
    yield (
        f"tasks: {report.tasks_new:,} new, {report.tasks_changed:,} read again, "
        f"{refreshed if report.tasks_refreshed else ''}{report.tasks_unchanged:,} unchanged, "
        f"{report.tasks_partial:,} partial, {report.tasks_failed:,} failed"
        f"{gone if report.tasks_gone else ''}"
    )
    if not (report.totals["tasks"] or report.problems):
        yield "no task matches the filter; the dataset is valid"
    held = report.totals["points"]
    share = f", {report.monitor_points / held:.0%} of them :monitor:" if held else ""
    yield f"points: {report.points:,} fetched; the snapshot holds {held:,}{share}"
    yield from _losses(report)
    if report.tasks_ahead:
        yield (
            f"partial: of {counted(report.tasks_ahead, 'running task')} the newest points are not "
            "visible on the server yet; the next export reads them"
        )
    if report.tasks_changed_silently:
        yield (
            f"changed silently: {counted(report.tasks_changed_silently, 'task')} had other points "
            "than stored, without any date moving; they were read again"
        )
    if report.tasks_rerun:
        yield (
            f"run again: {counted(report.tasks_rerun, 'task')}; "
            f"{counted(report.points_replaced, 'point')} of earlier runs were replaced, and "
            f"snapshot {report.snapshot_before} still has them"
        )
    if report.points_bad:
        odd = counted(report.points_bad, "point")
        yield f"odd values: {odd} stored other than sent (points_bad)"
    if report.redacted:
        values = counted(report.redacted, "value")
        yield f"redacted: {values} taken for credentials (--keep-secrets)"
    yield from (f"left out: {text}" for text in report.left_out)
    yield from _problems(report)
    yield from _warnings(report)
    if report.removed:
        gone = ", ".join(map(str, report.removed))
        word = "snapshot" if len(report.removed) == 1 else "snapshots"
        yield f"removed {word} {gone} (kept: {report.keep}; --keep changes it)"
    yield (
        f"{report.server}: {counted(report.requests, 'request')} ({report.retries:,} repeated), "
        f"{report.bytes / 1e6:,.1f} MB, {report.seconds:,.1f} s"
    )
    yield _ending(report)


def _ending(report: ExportReport) -> str:
    return f"{_RESULTS.get(report.result, report.result)}; the folder to copy: {report.snapshot}"


def _losses(report: ExportReport) -> Iterator[str]:
    """Say which tasks are not here as they were on the server."""
    if report.tasks_unread:
        yield _unread(report)
    if report.tasks_shrunk:
        yield (
            f"shrunk: of {counted(report.tasks_shrunk, 'task')} the server has less than is stored "
            "here; that stays (--accept-loss gives it up)"
        )
    if report.tasks_lost:
        yield (
            f"lost: of {counted(report.tasks_lost, 'task')} the server's own summary knows points "
            "that it no longer has; they cannot be read (state lost)"
        )


def _unread(report: ExportReport) -> str:
    old = counted(report.tasks_outdated, "task")
    stored = f"; {old} of these stored as before" if report.tasks_outdated else ""
    return f"not read: {counted(report.tasks_unread, 'selected task')}{stored}; run export again"


_RESULTS: Final = {"ceiling": "stopped at a limit, run it again to continue"}


def _expected(report: Forecast) -> Iterator[str]:
    """Say what an export would do, and what finding that out took."""
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
    return f"{counts}; unknown of {counted(report.tasks_uncounted, 'task')} that it does not count"


def _problems(report: ExportReport) -> Iterator[str]:
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        yield f"{problem.state}: {problem.task_id[:8]} {problem.name[:40]}: {problem.reason}"
    if len(report.problems) > _SHOWN_PROBLEMS:
        yield f"… and {len(report.problems) - _SHOWN_PROBLEMS:,} more (clearml-snapshot status)"
