"""One of a thing is written in the singular in every text."""

from dataclasses import replace
from pathlib import Path

import pytest

from clearml_snapshot.cli.output import progress as voices
from clearml_snapshot.cli.output.progress import PlainProgress
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.cli.text.export import summary
from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

FORECAST = Forecast(
    server="http://x",
    user="Ada",
    selections=(),
    tasks_new=1,
    tasks_changed=0,
    tasks_refreshed=0,
    tasks_unchanged=0,
    tasks_gone=0,
    warnings=(),
    points=1_000,
    tasks_uncounted=0,
    requests=1,
    requests_spent=1,
    seconds=0.0,
)
REPORT = ExportReport(
    result="complete",
    server="http://x",
    user="Ada",
    selections=(),
    tasks_new=1,
    tasks_changed=0,
    tasks_refreshed=0,
    tasks_unchanged=0,
    tasks_gone=0,
    tasks_shrunk=1,
    tasks_rerun=0,
    points_replaced=0,
    snapshot_before=None,
    tasks_ahead=0,
    tasks_lost=2,
    tasks_unread=0,
    tasks_outdated=0,
    tasks_changed_silently=0,
    tasks_gone_expected=0,
    problems=(),
    warnings=(),
    points=1,
    points_bad=1,
    redacted=1,
    requests=1,
    retries=0,
    bytes=0,
    seconds=0.0,
    totals={"tasks": 1, "points": 1},
    monitor_points=0,
    removed=(),
    keep="the newest 2",
    left_out=(),
    snapshot=Path("x"),
    number=1,
)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (1_000, "1,000 tasks")]
)
def test_counted(number: int, words: str) -> None:
    assert counted(number, "task") == words


def test_a_report_of_one() -> None:
    lines = [*summary(REPORT)]
    assert "shrunk: the server has fewer points than stored for 1 task; the stored " in lines[2]
    assert lines[3].startswith("lost: the server's own summary of 2 tasks includes points that the")
    assert lines[4].startswith("altered values: 1 point ")
    assert lines[5].startswith("redacted: 1 value ")
    assert lines[6].startswith("http://x: 1 request (")


@pytest.mark.parametrize(
    ("points", "uncounted", "text", "requests"),
    [
        (1_000, 0, "about 1,000 to read (by the server's own summary)", "about 1 request;"),
        (None, 2, "unknown: the server does not count them", "at least 1 request;"),
        (
            1_000,
            1,
            "about 1,000 to read (by the server's own summary); unknown for 1 task",
            "at least 1 request;",
        ),
    ],
)
def test_how_many_points_are_to_come(
    points: int | None, uncounted: int, text: str, requests: str
) -> None:
    forecast = replace(FORECAST, points=points, tasks_uncounted=uncounted)
    _, about_points, about_requests = summary(forecast)
    assert about_points == f"points: {text}"
    assert about_requests.startswith(f"an export would send {requests}")


def test_progress_of_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices, "_PLAIN_EVERY", 0.0)
    progress = PlainProgress()
    progress.begin(1, 0)
    progress.task_done(1, 1)
    progress.committed(1)
    begun, done, committed = capsys.readouterr().err.splitlines()
    assert begun == "1 task to read"
    assert done.startswith("1 of 1 task, 1 point (")
    assert done.endswith(", 1 request")
    assert committed == "checkpoint: 1 more task committed"
