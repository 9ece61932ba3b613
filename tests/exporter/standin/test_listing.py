"""Listing tasks and projects: filters, limits, order, projections, as the real server does them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.standin.http.server import StandIn

Start = Callable[..., StandIn]
Call = Callable[..., tuple[int, dict[str, Any]]]
LIST = "tasks.get_all_ex"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def team() -> Database:
    """Tasks named for what is special about them, a day apart from New Year."""
    database = Database()
    special: list[tuple[str, dict[str, Any]]] = [
        ("gpu", {"tags": ["gpu"]}),
        ("both", {"tags": ["model_v2", "gpu"]}),
        ("untagged", {}),
        ("dashed", {"tags": ["-x"]}),
        ("archived", {"tags": ["gpu"], "system_tags": ["archived"]}),
        ("hidden", {"system_tags": ["hidden"]}),
        ("below", {"project": "vision/detection"}),
        ("lonely", {"project": None}),
    ]
    for day, (name, fields) in enumerate(special):
        created = NEW_YEAR + timedelta(days=day)
        database.add_task(name, created=created, **{"project": "vision", **fields})
    return database


def names(answer: tuple[int, dict[str, Any]]) -> set[str]:
    status, body = answer
    assert status == 200, body["meta"]["result_msg"]
    return {task["name"] for task in body["data"]["tasks"]}


ALL = {"gpu", "both", "untagged", "dashed", "archived", "below", "lonely"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"search_hidden": True}, ALL | {"hidden"}),
        ({"system_tags": ["-archived"]}, ALL - {"archived"}),
        ({"tags": ["gpu", "model_v2"]}, {"gpu", "both", "archived"}),
        ({"tags": ["__$all", "gpu", "model_v2"]}, {"both"}),
        ({"tags": ["__$and", "gpu", "__$not", "model_v2"]}, {"gpu", "archived"}),
        ({"tags": ["gpu", "-model_v2"]}, {"gpu", "archived"}),
        ({"tags": ["-gpu"]}, ALL - {"gpu", "both", "archived"}),
        ({"tags": ["__$not", "gpu"]}, ALL - {"gpu", "both", "archived"}),
        ({"tags": [None]}, {"untagged", "below", "lonely"}),
        ({"tags": [None, "model_v2"]}, {"both", "untagged", "below", "lonely"}),
        ({"tags": ["-x"]}, ALL - set()),
        ({"filters": {"tags": {"any": {"include": ["-x"]}}}}, {"dashed"}),
        ({"filters": {"tags": {"all": {"exclude": ["gpu"]}}}}, ALL - {"gpu", "both", "archived"}),
        (
            {"filters": {"tags": {"all": {"include": ["gpu"], "exclude": ["model_v2"]}}}},
            {"gpu", "archived"},
        ),
        ({"name": "o"}, {"both", "below", "lonely"}),
        ({"name": "^GPU"}, set()),
        ({"_any_": {"fields": ["name"], "pattern": "^GPU"}}, {"gpu"}),
        ({"project": []}, ALL),
        ({"id": []}, ALL),
        ({"type": ["testing"]}, set()),
        ({"created": ["2026-01-05", None]}, {"archived", "below", "lonely"}),
        ({"created": [None, "2026-01-01T12:00:00+12:00"]}, {"gpu"}),
        ({"started": [None, "2100-01-01"]}, ALL),
        ({"started": ["2000-01-01", None]}, set()),
        ({"last_update": [">=2026-01-05", "<2026-01-08"]}, {"archived", "below"}),
        ({"last_update": ["2026-01-07", "2026-01-08"]}, {"below", "lonely"}),
        ({"last_update": [">=yesterday"]}, ALL),
        ({"completed": [">=2100-01-01"]}, ALL),
    ],
    # Sets have no order of their own, and each worker of a parallel run must name tests alike.
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_filters(
    team: Database,
    start_standin: Start,
    call: Call,
    filters: dict[str, Any],
    expected: set[str],
) -> None:
    assert names(call(start_standin(team), LIST, **filters)) == expected


def test_projects_above_and_below(team: Database, start_standin: Start, call: Call) -> None:
    server = start_standin(team)
    vision = next(key for key, project in team.projects.items() if project["name"] == "vision")
    assert "below" not in names(call(server, LIST, project=[vision]))
    inside = names(call(server, LIST, project=[vision], include_subprojects=True))
    assert inside == ALL - {"lonely"}


@pytest.mark.parametrize(
    ("body", "subcode"),
    [
        ({"only_fields": ["nope"]}, 14),
        ({"only_fields": ["name.first", "nope.x"]}, 14),
        ({"order_by": ["nope"]}, 14),
        ({"name": "(unclosed"}, 21),
        ({"tags": ["__$xor", "a"]}, 16),
        ({"tags": ["-"]}, 16),
        ({"tags": ["a", "__$not"]}, 16),
        ({"created": [">=2026-01-01"]}, 12),
        ({"created": [None, None]}, 12),
        ({"created": ["yesterday", None]}, 800),
        ({"page": -1}, 12),
        ({"page_size": 0}, 12),
        ({"scroll_id": None}, 12),
        ({"status": ["done"]}, 12),
        ({"project": "by name"}, 12),
        ({"only_fields": "name"}, 12),
    ],
    ids=str,
)
def test_errors(
    team: Database, start_standin: Start, call: Call, body: dict[str, Any], subcode: int
) -> None:
    status, answer = call(start_standin(team), LIST, **body)
    assert (status, answer["meta"]["result_subcode"]) == (400, subcode)


def test_500_are_all_that_comes(start_standin: Start, call: Call) -> None:
    server = start_standin(grid_history(503, 0, 0))
    for body in ({}, {"page_size": 5000}, {"page": 0}, {"page": 0, "page_size": 1000}):
        assert len(call(server, LIST, **body)[1]["data"]["tasks"]) == 500
    assert len(call(server, LIST, page=1, page_size=1000)[1]["data"]["tasks"]) == 3


def test_a_scroll_is_not_capped_and_expires(start_standin: Start, call: Call) -> None:
    server = start_standin(grid_history(620, 0, 0))
    body: dict[str, Any] = {"size": 600, "only_fields": ["name"], "order_by": ["created"]}
    _, first = call(server, LIST, scroll_id=None, **body)
    scroll = first["data"]["scroll_id"]
    _, second = call(server, LIST, scroll_id=scroll, **body)
    assert [len(answer["data"]["tasks"]) for answer in (first, second)] == [600, 20]
    assert second["data"]["scroll_id"] == scroll
    server.records.scrolls.seconds = 0
    assert call(server, LIST, scroll_id=scroll, **body)[1]["data"]["tasks"] == []
    status, again = call(server, LIST, scroll_id=scroll, **body)
    assert status == 200
    assert again["data"]["scroll_id"] != scroll
    assert again["data"]["tasks"] == first["data"]["tasks"]


def test_offset_pages_move_under_a_changing_order(
    team: Database, start_standin: Start, call: Call
) -> None:
    server = start_standin(team)
    body = {"order_by": ["-last_update"], "page_size": 4}
    seen = names(call(server, LIST, page=0, **body))
    last = next(key for key, task in team.tasks.items() if task["name"] == "gpu")
    team.report_single(last, "late", 1.0)
    seen |= names(call(server, LIST, page=1, **body))
    assert seen == ALL - {"gpu"}


def test_order_puts_empty_last_either_way(team: Database, start_standin: Start, call: Call) -> None:
    gpu, both, *_ = team.tasks
    team.edit(gpu, started=NEW_YEAR)
    team.edit(both, started=NEW_YEAR + timedelta(hours=1))
    server = start_standin(team)
    for order, expected in (("started", [gpu, both]), ("-started", [both, gpu])):
        tasks = call(server, LIST, order_by=[order])[1]["data"]["tasks"]
        assert [task["id"] for task in tasks[:2]] == expected


def test_projections(team: Database, start_standin: Start, call: Call) -> None:
    server = start_standin(team)
    only = ["project.name", "script.entry_point", "comment", "created", "parent.name"]
    body: dict[str, Any] = {"order_by": ["created"], "only_fields": only}
    first = call(server, LIST, **body)[1]["data"]["tasks"][0]
    vision = team.tasks[first["id"]]["project"]
    assert first == {
        "id": next(iter(team.tasks)),
        "project": {"id": vision, "name": "vision"},
        "script": {"entry_point": ""},
        "created": "2026-01-01T00:00:00+00:00",  # no fraction where it is 0
    }
    plain = {"order_by": ["created"], "only_fields": ["project"]}
    assert call(server, "tasks.get_all", **plain)[1]["data"]["tasks"][0]["project"] == vision
    assert call(server, "tasks.get_all", only_fields=["project.name"])[0] == 400


def test_unknown_ids(team: Database, start_standin: Start, call: Call) -> None:
    server = start_standin(team)
    for endpoint, body, subcode in (
        ("tasks.get_by_id", {"task": "nope"}, 101),
        ("projects.get_by_id", {"project": "nope"}, 401),
    ):
        status, answer = call(server, endpoint, **body)
        assert (status, answer["meta"]["result_subcode"]) == (400, subcode)
    assert names(call(server, LIST, id=["nope"])) == set()


def test_projects_users_and_tags(team: Database, start_standin: Start, call: Call) -> None:
    team.add_project("vision/.datasets/labels", system_tags=["hidden"])
    server = start_standin(team)

    def projects(**body: Any) -> set[str]:
        listed = call(server, "projects.get_all_ex", **body)[1]["data"]["projects"]
        return {project["name"] for project in listed}

    assert projects() == {"vision", "vision/detection", "vision/.datasets"}
    assert projects(search_hidden=True) == projects() | {"vision/.datasets/labels"}
    assert projects(name="^vision$") == {"vision"}
    assert projects(shallow_search=True) == {"vision"}
    users = call(server, "users.get_all_ex")[1]["data"]["users"]
    assert [user["name"] for user in users] == ["Default User"]
    scrolled = call(server, "users.get_all_ex", scroll_id=None, size=5)[1]["data"]
    assert scrolled.keys() == {"users"}, "they cannot be scrolled through"
    tags = call(server, "organization.get_tags", include_system=True)[1]["data"]
    assert tags == {"tags": ["-x", "gpu", "model_v2"], "system_tags": ["archived", "hidden"]}
    assert call(server, "tasks.get_types")[1]["data"] == {"types": ["training"]}
