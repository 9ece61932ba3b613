"""Forecasts what an export would do, without writing anything."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.scalars.event_pages import PAGE
from clearml_snapshot.exporter.reader.tasks import TaskDetails
from clearml_snapshot.exporter.redaction.redactor import Redactor
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.place import FolderPlace, place_at
from clearml_snapshot.exporter.sync.export import check_asked
from clearml_snapshot.exporter.sync.fetch import with_details
from clearml_snapshot.exporter.sync.planning.plan import PlannedTask
from clearml_snapshot.exporter.sync.planning.stored_state import stored_reports
from clearml_snapshot.exporter.sync.prepare import (
    ExportOptions,
    PreparedExport,
    Server,
    connect,
    log_in,
    prepare_export,
)
from clearml_snapshot.exporter.sync.report import Forecast

_AGAIN: Final = 1
"""Requests that count a task again if it has more than one page."""


def forecast(
    data: str | Path = "data",
    selection: Selection | None = None,
    *,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> Forecast:
    """Forecast what ``export`` would do with the same arguments.

    The tasks are listed as in an export. Their points are counted with the server's own summary,
    one request per hundred tasks.

    Raises:
        UsageError, LoginError, ServerError, DatasetError: as ``export`` does.
    """
    folder, options, progress = Path(data), options or ExportOptions(), progress or Progress()
    clock = time.monotonic()
    place = place_at(folder)
    if isinstance(place, FolderPlace):  # nothing is written to a bucket, so it is not tried
        place.check(options.share)
    check_asked(folder, selection, options, has_dataset=place.has_dataset())
    if options.server_moved:
        raise UsageError(
            f"{setting('server_moved', True)} cannot be combined with {setting('forecast')}, which "
            "writes nothing"
        )
    server = log_in(connect(options, progress), progress)
    with place.reading() as snapshot:
        prepared = prepare_export(server, snapshot, selection, options, progress)
        expected = _expected(server, prepared, snapshot)
    traffic, plan, to_read = server.api.traffic, prepared.plan, prepared.plan.to_read
    counts = [points for points in expected.values() if points is not None]
    return Forecast(
        server=server.api.host,
        user=server.identity.user_name,
        selections=tuple(prepared.discovery.words),
        tasks_new=sum(planned.is_new for planned in to_read),
        tasks_changed=sum(
            not planned.is_new and planned.task.task_id in expected for planned in to_read
        ),
        tasks_refreshed=sum(
            planned.task.task_id not in expected and not planned.is_same for planned in to_read
        ),
        tasks_unchanged=len(plan.unchanged)
        + sum(planned.task.task_id not in expected and planned.is_same for planned in to_read),
        tasks_gone=len(prepared.discovery.gone),
        warnings=tuple(prepared.discovery.warnings),
        points=sum(counts) if counts or not expected else None,
        tasks_uncounted=len(expected) - len(counts),
        requests=traffic.requests + sum(_requests(planned, expected) for planned in to_read),
        requests_spent=traffic.requests,
        seconds=time.monotonic() - clock,
    )


def _expected(
    server: Server, prepared: PreparedExport, snapshot: Snapshot | None
) -> dict[str, int | None]:
    """Estimate the points of each task whose points would be read; None if they are not counted.

    A planned task that is not in the result only needs its metadata.
    """
    reports = stored_reports(snapshot, prepared.plan.in_doubt)
    heavy = with_details(server.api, prepared.plan.to_read, Redactor(False), False)
    return {
        planned.task.task_id: details.last_metrics.points(planned.metrics.choices)
        for planned, details in heavy
        if not _stays(planned, details, reports)
    }


def _stays(planned: PlannedTask, details: TaskDetails, reports: Mapping[str, int]) -> bool:
    """Return whether the stored points would be kept, according to the server's summary."""
    if planned.points in ("read", "keep"):
        return planned.points == "keep"
    stored, now = (
        reports.get(planned.task.task_id),
        details.last_metrics.reports(planned.metrics.choices),
    )
    if planned.points == "recount" and None in (stored, now):
        return True
    return stored is not None and now == stored


def _requests(planned: PlannedTask, expected: Mapping[str, int | None]) -> int:
    """Count the requests for a task's points: its pages, and a last count if there are several."""
    if planned.task.task_id not in expected:
        return int(planned.points in ("ask", "recount"))
    pages = max(1, -(-(expected[planned.task.task_id] or 0) // PAGE))
    return pages + (_AGAIN if pages > 1 else 0)
