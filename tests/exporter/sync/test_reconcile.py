"""Export again: metadata without points, points that changed, points that the server lost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from tests.support.changes import TakeHome, again, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


def rename(database: Database, task: str) -> None:
    database.rename(task, "a better name")


def retag(database: Database, task: str) -> None:
    database.edit(task, tags=["kept", "new"])


def publish(database: Database, task: str) -> None:
    database.set_status(task, "published")


def change_parameters(database: Database, task: str) -> None:
    lr = {"section": "Args", "name": "lr", "value": "0.1", "type": "float"}
    database.edit(task, hyperparams={"Args": {"lr": lr}})


def comment(database: Database, task: str) -> None:
    database.edit(task, comment="worth another look")


def archive(database: Database, task: str) -> None:
    database.archive(task)


def move(database: Database, task: str) -> None:
    database.move(task, "another/project")


def rename_project(database: Database, task: str) -> None:
    database.rename_project(database.tasks[task]["project"], "team/renamed")


def ping(database: Database, task: str) -> None:
    database.ping(task)


LABELS = [rename, retag, comment, archive, move, rename_project]
"""They move no ``last_update``, and so cost no event request."""
STATES = [publish, change_parameters, ping]
"""They move it as a report does: one count is requested from the server."""


@pytest.mark.parametrize("change", [*LABELS, *STATES])
def test_metadata_is_refreshed_without_the_points(
    change: Callable[[Database, str], None], home: "Home", database: Database, task: str
) -> None:
    fetched_at = home.tasks()[task]["fetched_at"]
    change(database, task)
    report, requests = again(home)
    assert report.tasks_refreshed >= 1
    assert (report.tasks_changed, report.tasks_new, report.points) == (0, 0, 0)
    if change in LABELS:
        assert requests == []
    assert all(request["batch_size"] == 0 for request in requests)
    home.check()
    row, document = home.tasks()[task], database.tasks[task]
    assert row["fetched_at"] == fetched_at
    assert row["project"] == database.projects[document["project"]]["name"]
    assert (row["name"], row["status"]) == (document["name"], document["status"])
    assert row["tags"] == document["tags"]
    assert row["archived"] == ("archived" in document["system_tags"])
    assert row["comment"] == (document.get("comment") or row["comment"])
    assert [row["value"] for row in home.rows("hyperparams")] == [
        row["value"] for args in document["hyperparams"].values() for row in args.values()
    ]
    assert again(home)[0].tasks_unchanged == 3


def test_a_moved_task_has_its_points_and_series_in_the_new_project(
    home: "Home", database: Database, task: str
) -> None:
    database.move(task, "another/project")
    again(home)
    project_id = database.tasks[task]["project"]
    folders = {path.parent.name for path in (home.folder / "current/scalars").rglob("*.parquet")}
    assert f"project_id={project_id}" in folders
    series = [row for row in home.rows("series") if row["task_id"] == task]
    assert {row["project_id"] for row in series} == {project_id}
    assert {row["server_count"] for row in series} == {50, 40}
    home.check()


def test_unarchived_again(home: "Home", database: Database, task: str) -> None:
    database.archive(task)
    again(home)
    assert home.tasks()[task]["archived"]
    database.unarchive(task)
    again(home)
    assert not home.tasks()[task]["archived"]
    home.check()


def test_a_task_of_more_series_than_the_server_sums_up_is_read_again(
    take_home: TakeHome, database: Database
) -> None:
    wide = database.add_task("wide", "team/project")
    database.set_status(wide, "in_progress")
    names = [f"v{number}" for number in range(2_005)]
    database.report(
        wide, [{"metric": "m", "variant": name, "iter": 0, "value": 1.0} for name in names]
    )
    database.set_status(wide, "completed")
    home = take_home(database)
    home.export()
    database.report(wide, [{"metric": "m", "variant": names[-1], "iter": 0, "value": 2.0}])
    assert again(home)[0].tasks_changed == 1
    home.check()


def late_points(database: Database, task: str) -> None:
    curve(database, task, "late", 3, 9, 5.0)


def overwritten(database: Database, task: str) -> None:
    curve(database, task, "loss", 10, 20, 100.0)


def overwritten_and_published(database: Database, task: str) -> None:
    curve(database, task, "loss", 10, 20, 100.0)
    database.set_status(task, "published")


def resumed(database: Database, task: str) -> None:
    database.set_status(task, "stopped")
    database.continue_task(task)
    curve(database, task, "loss", 50, 60, 0.0)
    database.set_status(task, "completed")


def reset_and_run_again(database: Database, task: str) -> None:
    database.reset(task)
    database.set_status(task, "in_progress")
    curve(database, task, "loss", 0, 10, -3.0)


def a_single_value(database: Database, task: str) -> None:
    database.report_single(task, "final", 0.5)


def without_a_number(database: Database, task: str) -> None:
    database.report(task, [{"metric": "loss", "variant": "v", "iter": 77, "value": 1.5}])
    database.set_status(task, "failed")


@pytest.mark.parametrize(
    "change",
    [
        late_points,
        overwritten,
        overwritten_and_published,
        resumed,
        reset_and_run_again,
        a_single_value,
        without_a_number,
    ],
)
def test_changed_points_end_exact(
    change: Callable[[Database, str], None], home: "Home", database: Database, task: str
) -> None:
    change(database, task)
    report, requests = again(home)
    assert (report.tasks_changed, report.tasks_unchanged) == (1, 2)
    assert {request["task"] for request in requests} == {task}
    home.check()
    assert again(home)[0].tasks_unchanged == 3


def test_a_task_seen_between_its_reset_and_its_new_points(
    home: "Home", database: Database, task: str
) -> None:
    before = {key: point for key, point in home.points().items() if key[0] == task}
    database.now = lambda: datetime.now(UTC)
    database.reset(task)
    assert again(home)[0].tasks_shrunk == 1
    database.set_status(task, "in_progress")
    assert again(home)[0].tasks_shrunk == 1
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("shrunk", 90, 0)
    assert {key: point for key, point in home.points().items() if key[0] == task} == before
    curve(database, task, "loss", 0, 5, 9.0)
    again(home)
    home.check()


def test_a_shrunk_task_keeps_what_is_stored(home: "Home", database: Database, task: str) -> None:
    before = home.points()
    curve(database, task, "loss", 0, 5, 100.0)
    database.lose(task, lambda metric, _, iteration: metric == "loss" and iteration < 20)
    report, _ = again(home)
    assert (report.tasks_shrunk, report.exit_code) == (1, 0)
    newer = {(task, "loss", "v", at): at / 7 + 100.0 for at in range(5)}
    after = home.points()
    assert after.keys() == before.keys()
    assert {key: after[key][0] for key in newer} == newer
    assert all(after[key] == before[key] for key in before.keys() - newer.keys())
    row = home.tasks()[task]
    assert (row["state"], row["points_stored"], row["points_expected"]) == ("shrunk", 90, 20)
    assert row["reason"] == "the server has 20 of its 90 points"
    home.check_series()
    assert again(home)[0].tasks_unchanged == 3
    database.move(task, "elsewhere")
    again(home)
    assert home.points() == after


def test_the_servers_word_is_taken_on_demand(home: "Home", database: Database, task: str) -> None:
    curve(database, task, "loss", 0, 5, 100.0)
    database.lose(task, lambda metric, _, iteration: metric == "loss" and iteration < 20)
    again(home)
    report, _ = again(home, accept_loss=True)
    assert (report.tasks_changed, report.tasks_shrunk, report.exit_code) == (1, 0, 0)
    assert len(home.points()) == 20 + 90 + 90
    assert home.tasks()[task]["state"] == "lost", "the summary still knows what was accepted"


def test_a_task_of_another_server_is_skipped(home: "Home", database: Database, task: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (file,) = (home.folder / "current/tasks").glob("*.parquet")
    table = pq.ParquetFile(file).read()
    names = ["http://elsewhere" if key == task else home.server.url for key in _ids(table)]
    at = table.schema.get_field_index("server_id")
    table = table.set_column(at, table.schema.field(at), pa.array(names))
    pq.write_table(table, file)
    header = home.folder / "current/snapshot.json"
    document = json.loads(header.read_bytes())
    for entry in document["files"]:
        if entry["table"] == "tasks":
            entry["bytes"] = file.stat().st_size
    header.write_text(json.dumps(document))
    before = home.points()
    curve(database, task, "loss", 50, 60, 0.0)
    report, requests = again(home)
    assert [(problem.task_id, problem.state) for problem in report.problems] == [(task, "skipped")]
    assert (report.exit_code, requests) == (3, [])
    assert home.points() == before


def _ids(table: Any) -> list[str]:
    return list(table["task_id"].to_pylist())
