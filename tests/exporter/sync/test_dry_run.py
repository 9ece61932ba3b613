"""What an export would do, without doing it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter import forecast
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.sync.prepare import ExportOptions
from tests.support.changes import EVENTS, TakeHome, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


def test_a_dry_run_writes_nothing_and_reports_what_would_be(
    home: "Home", database: Database, task: str
) -> None:
    fresh = database.add_task("fresh", "team/project")
    curve(database, fresh, "loss", 0, 30, 0.0)
    curve(database, task, "loss", 40, 60, 0.0)
    database.rename(list(database.tasks)[1], "renamed")
    stored = _content(home.folder)
    events = len(home.sent(EVENTS))
    sent = len(home.server.requests)
    planned = forecast(home.folder, Selection(), options=ExportOptions())
    assert len(home.sent(EVENTS)) == events
    assert planned.requests_spent == len(home.server.requests) - sent
    counts = (
        planned.tasks_new,
        planned.tasks_changed,
        planned.tasks_refreshed,
        planned.tasks_unchanged,
    )
    assert counts == (1, 1, 1, 1)
    assert planned.points == 30 + 90 + 20
    assert _content(home.folder) == stored
    report = home.export()
    assert report.requests == planned.requests
    done = (report.tasks_new, report.tasks_changed, report.tasks_refreshed, report.tasks_unchanged)
    assert done == counts


def test_a_dry_run_before_the_first_export(take_home: TakeHome, database: Database) -> None:
    home = take_home(database)
    planned = forecast(home.folder, Selection())
    assert (planned.tasks_new, planned.points) == (3, 270)
    assert not home.folder.exists()
    with pytest.raises(UsageError, match="needs a selection"):
        forecast(home.folder)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
