"""Changes of a history between two exports, and the second export."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.sync.report import ExportReport

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]
EVENTS = "events.get_task_events"
START = datetime.now(UTC) - timedelta(days=3)


class Clock:
    """Days ago, so that no task is too fresh to be trusted; an hour later at each look."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def curve(database: Database, task: str, metric: str, start: int, stop: int, shift: float) -> None:
    """Report one point an iteration, in one batch."""
    points = [
        {"metric": metric, "variant": "v", "iter": at, "value": at / 7 + shift, "timestamp": at + 1}
        for at in range(start, stop)
    ]
    database.report(task, points)


def again(home: "Home", **options: Any) -> tuple[ExportReport, list[dict[str, Any]]]:
    """Export everything once more; gives the report and the event requests it took."""
    before = len(home.sent(EVENTS))
    report = home.export(**options)
    return report, home.sent(EVENTS)[before:]


def many(database: Database, count: int) -> list[str]:
    return [database.add_task(f"extra {at}", "team/project") for at in range(count)]


def remembered(home: "Home") -> list[dict[str, Any]]:
    header = json.loads((home.folder / "current/snapshot.json").read_bytes())
    return list(header["selections"])
