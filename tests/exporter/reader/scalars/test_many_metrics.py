"""A choice of metrics of a task that has more of them than the server lists."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.sync.planning.discovery import NOT_LISTED

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def many_metrics(count: int, *, at_one_iteration: bool) -> tuple[Database, str]:
    database = Database()
    small, wide = database.add_task("small", "p"), database.add_task("wide", "p")
    database.report_series(small, "loss", "t", range(20), [1.0] * 20, range(20))
    names = [f"m{at:05d}" for at in range(count - 1)] + ["z"]
    batch = [
        {"metric": name, "variant": "v", "iter": 1 if at_one_iteration else 1 + at % 9, "value": 1}
        for at, name in enumerate(names)
    ]
    database.report(wide, batch)
    return database, wide


@pytest.mark.usefixtures("hurried")
def test_metrics_are_found_in_the_points_where_the_server_lists_none(take_home: TakeHome) -> None:
    database, wide = many_metrics(8_100, at_one_iteration=False)
    home = take_home(database)
    assert home.export(Selection(metrics=("z", "loss"))).exit_code == 0
    home.check(only=lambda metric, _: metric in ("z", "loss"))
    assert home.tasks()[wide]["points_stored"] == 1
    requests = len(home.server.requests)
    assert home.export(all_tasks=False).exit_code == 0
    # An unchanged task that was read with the same filter is not scanned again.
    assert len(home.server.requests) - requests < 10


@pytest.mark.usefixtures("hurried")
def test_a_choice_among_metrics_that_nothing_names_stays_partial(take_home: TakeHome) -> None:
    database, wide = many_metrics(10_300, at_one_iteration=True)
    home = take_home(database)
    report = home.export(Selection(metrics=("m00007", "loss")))
    row = home.tasks()[wide]
    assert (row["state"], row["points_stored"], report.exit_code) == ("partial", 1, 3)
    assert row["reason"].startswith(f"{NOT_LISTED}: 300 of 10300 points were not received: ")
    assert [(problem.task_id, problem.reason) for problem in report.problems] == [
        (wide, row["reason"])
    ]
    again = home.export(all_tasks=False, only_failed=True)
    assert again.exit_code == 3
    assert home.tasks()[wide]["state"] == "partial"
    assert home.tasks()[wide]["reason"].startswith(f"{NOT_LISTED}: ")
