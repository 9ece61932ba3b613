"""A cache or a server swaps answers: nothing of another request is stored as this one's."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.client.failures import MixedUpError
from clearml_snapshot.exporter.errors import RefusedError
from clearml_snapshot.exporter.reader.events import decode_page
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from tests.exporter.reader.test_events import TASK, event, page

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

pytestmark = pytest.mark.usefixtures("hurried")
TakeHome = Callable[..., "Home"]
OTHER = "f" * 32
EVENTS = "events.get_task_events"
LISTING = "tasks.get_all_ex"


def report(database: Database, task: str, metric: str, variant: str) -> None:
    database.report_series(task, metric, variant, range(3), [1.0, 2.0, 3.0], [1, 2, 3])


@pytest.fixture
def home(take_home: TakeHome) -> "Home":
    """Three tasks of 3 points each of loss/train and acc/test."""
    database = Database()
    for name in ("a", "b", "c"):
        task = database.add_task(name, "p")
        report(database, task, "loss", "train")
        report(database, task, "acc", "test")
    return take_home(database)


@pytest.mark.parametrize("many", [1, 400])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"task": OTHER}, f"events of task {OTHER} instead of {TASK}"),
        ({"type": '"log"'}, "events of type log instead of training_stats_scalar"),
        ({"task": "x" * 1000}, f"events of task {'x' * 80}… instead of {TASK}"),
    ],
)
def test_one_event_among_many(many: int, other: dict[str, str], message: str) -> None:
    """A long page is read by another decoder than a short one."""
    mine = [event(iter=str(n)) for n in range(many)]
    with pytest.raises(MixedUpError, match=message):
        decode_page(TASK, page(*mine, event(iter="400", **other)))
    silent = event(type="", iter="400").replace(f'"task":"{TASK}",', "")
    assert decode_page(TASK, page(*mine, silent)).returned == many + 1


@pytest.mark.parametrize("endpoint_asks_metrics", [False, True])
def test_events_of_another_task(endpoint_asks_metrics: bool, home: "Home") -> None:
    a, b = sorted(home.database.tasks)[:2]
    fault = Fault("mixed up", EVENTS, when=lambda body: body["task"] == a, instead={"task": b})
    home.server.faults.add(fault)
    metrics = Selection(metrics=("loss",)) if endpoint_asks_metrics else None
    report = home.export(metrics)
    row = home.tasks()[a]
    assert report.exit_code == 3
    assert row["state"] == "failed"
    assert f"answered with events of task {b} instead of {a}" in row["reason"]
    assert not [key for key in home.points() if key[0] == a]
    home.server.faults.clear()
    home.export(metrics)
    assert home.tasks()[a]["state"] == "complete"


def test_a_cache_that_is_right_the_second_time(home: "Home") -> None:
    a, b = sorted(home.database.tasks)[:2]
    home.server.faults.add(
        Fault("mixed up", EVENTS, when=lambda body: body["task"] == a, instead={"task": b}, count=1)
    )
    home.export()
    home.check()


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"metrics": [{"metric": "acc"}]}, "with metric acc, which was not requested"),
        ({"metrics": None}, "with metric acc, which was not requested"),
    ],
)
def test_events_of_other_metrics(instead: dict[str, Any], message: str, home: "Home") -> None:
    home.server.faults.add(Fault("mixed up", EVENTS, instead=instead))
    a = min(home.database.tasks)
    home.server.faults.faults[0].when = lambda body: body["task"] == a
    home.export(Selection(metrics=("loss",)))
    row = home.tasks()[a]
    assert row["state"] == "failed"
    assert message in row["reason"]
    assert {key[1] for key in home.points()} == {"loss"}


def test_events_of_other_variants(home: "Home") -> None:
    a = min(home.database.tasks)
    report(home.database, a, "loss", "valid")
    instead = {"metrics": [{"metric": "loss"}]}
    home.server.faults.add(
        Fault("mixed up", EVENTS, when=lambda body: body["task"] == a, instead=instead)
    )
    home.export(Selection(metrics=("loss/train",)))
    assert "with series loss/valid that was not requested" in home.tasks()[a]["reason"]


def test_a_listing_by_id_that_answers_other_ids(home: "Home") -> None:
    """What such an answer leaves out would count as deleted."""
    home.export()
    a, b = sorted(home.database.tasks)[:2]
    home.server.faults.add(
        Fault("mixed up", LISTING, when=lambda body: a in body.get("id", ()), instead={"id": [b]})
    )
    with pytest.raises(RefusedError, match=f"with tasks that were not requested .{b}."):
        home.export(Selection(TaskFilter(task_ids=(a,))))
    assert home.tasks()[a]["state"] == "complete"


def test_a_summary_of_another_task(home: "Home") -> None:
    """The heavy fields, and the summary among them, come in a request by id."""
    a, b = sorted(home.database.tasks)[:2]

    def when(body: dict[str, Any]) -> bool:
        return "last_metrics" in body.get("only_fields", ()) and a in body.get("id", ())

    home.export()
    report(home.database, a, "loss", "valid")
    home.server.faults.add(Fault("mixed up", LISTING, when=when, instead={"id": [b]}))
    home.export()
    row = home.tasks()[a]
    assert row["state"] == "partial"
    assert f"with tasks that were not requested ({b})" in row["reason"]
