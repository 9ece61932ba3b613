"""What an export would do now, found out without writing anything."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.agenda import Agenda, ExportOptions, Server, log_in, make_agenda
from clearml_snapshot.exporter.fetch import with_details
from clearml_snapshot.exporter.known import stored_reports
from clearml_snapshot.exporter.plan import PlannedTask
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.redact import Redactor
from clearml_snapshot.exporter.report import Forecast
from clearml_snapshot.exporter.run import check_asked
from clearml_snapshot.exporter.scalars import PAGE
from clearml_snapshot.exporter.selection import Selection
from clearml_snapshot.exporter.store.snapshots import (
    Snapshot,
    current_snapshot_folder,
    hold,
    open_snapshot,
)
from clearml_snapshot.exporter.tasks import TaskDetails

_AGAIN: Final = 1
"""Requests that count a task once more, when it did not come in one page."""


def forecast(
    data: str | Path = "data",
    selection: Selection | None = None,
    *,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> Forecast:
    """Find out what ``export`` would do with the same arguments.

    The tasks are listed as an export lists them; how many points they have is the server's own
    summary of them, one request for up to a hundred tasks.

    Raises:
        UsageError, LoginError, ServerError, DatasetError: as ``export`` does.
    """
    folder, options, progress = Path(data), options or ExportOptions(), progress or Progress()
    clock = time.monotonic()
    check_asked(folder, selection, options)
    server = log_in(options, progress)
    with ExitStack() as held:
        snapshot = None
        if current_snapshot_folder(folder) is not None:
            snapshot = open_snapshot(folder)
            held.enter_context(hold(snapshot))
        agenda = make_agenda(server, snapshot, selection, options, progress)
        expected = _expected(server, agenda, snapshot)
    traffic, plan, planned = server.api.traffic, agenda.plan, agenda.plan.to_read
    read = {task_id for task_id, points in expected.items() if points is not None}
    return Forecast(
        server=server.api.host,
        user=server.identity.user_name,
        selections=tuple(agenda.survey.words),
        tasks_new=sum(one.known is None for one in planned),
        tasks_changed=sum(one.known is not None and one.task.task_id in read for one in planned),
        tasks_refreshed=sum(one.task.task_id not in read for one in planned),
        tasks_unchanged=len(plan.unchanged),
        tasks_gone=len(agenda.survey.gone),
        alarms=tuple(agenda.survey.alarms),
        points=sum(points or 0 for points in expected.values()),
        requests=traffic.requests + sum(map(_requests, planned, map(expected.get, _ids(agenda)))),
        cost=traffic.requests,
        seconds=time.monotonic() - clock,
    )


def _expected(server: Server, agenda: Agenda, snapshot: Snapshot | None) -> dict[str, int | None]:
    """Estimate the points to read of each planned task; None where those stored can stay."""
    in_doubt = [one.task.task_id for one in agenda.plan.to_read if one.points == "ask"]
    reports = stored_reports(snapshot, in_doubt)
    heavy = with_details(server.api, agenda.plan.to_read, Redactor(False), False)
    return {one.task.task_id: _points(one, details, reports) for one, details in heavy}


def _points(one: PlannedTask, details: TaskDetails, reports: Mapping[str, int]) -> int | None:
    if one.points == "keep":
        return None
    stored = reports.get(one.task.task_id)
    is_same = stored is not None and details.claims.reports(one.metrics.wanted) == stored
    return None if one.points == "ask" and is_same else details.claims.points(one.metrics.wanted)


def _requests(one: PlannedTask, points: int | None) -> int:
    """Count the requests for a task's points: its pages, and a last count when they are several."""
    if points is None:
        return int(one.points == "ask")
    pages = max(1, -(-points // PAGE))
    return pages + (_AGAIN if pages > 1 else 0)


def _ids(agenda: Agenda) -> list[str]:
    return [one.task.task_id for one in agenda.plan.to_read]
