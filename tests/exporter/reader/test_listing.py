"""The listing finds exactly the tasks that a filter means, and leaves the work to the server."""

import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader import paging
from clearml_snapshot.exporter.reader.listing import count_visible, list_tasks
from clearml_snapshot.exporter.reader.paging import list_at_once, list_in_groups, list_in_passes
from clearml_snapshot.exporter.reader.series import list_series
from clearml_snapshot.exporter.selection.names import Names
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter, resolve
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.sync.planning.task_ids import find_task_ids
from tests.support.listing import NOW, Lister, team

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


TakeHome = Callable[..., "Home"]


def last_listing(home: "Home") -> dict[str, Any]:
    return next(body for body in home.sent("tasks.get_all_ex") if "scroll_id" in body)


def test_the_server_does_the_filtering(take_home: TakeHome) -> None:
    database = team()
    home = take_home(database)
    project = next(key for key, doc in database.projects.items() if doc["name"] == "nlp")
    task_filter = TaskFilter(
        projects=("nlp",),
        task_names=("training*",),
        tags=("gpu",),
        any_tags=("v2", "-minus"),
        exclude_tags=("a b",),
        statuses=("running", "completed"),
        types=("training",),
        users=("me",),
        created_after="2026-01-01T00:00:00Z",
        updated_before="2026-02-27T10:00:00.5+02:00",
        archived="exclude",
        limit=5,
        order="oldest",
    )
    Lister(home).ids(task_filter)
    body = last_listing(home)
    only_fields = body.pop("only_fields")
    assert "last_metrics" not in only_fields
    name = body.pop("name")
    assert re.search(name, "training 5")
    assert not re.search(name, "a training")
    assert body == {
        "project": [project],
        "status": ["completed", "in_progress"],
        "type": ["training"],
        "user": ["__tests__"],
        "filters": {
            "tags": {
                "all": {"include": ["gpu"], "exclude": ["a b"]},
                "any": {"include": ["v2", "-minus"]},
            }
        },
        "system_tags": ["-archived"],
        "created": ["2026-01-01T00:00:00", None],
        # The server stores milliseconds; the request has seconds: the surplus is removed here.
        "last_update": ["<2026-02-27T08:00:01"],
        "search_hidden": False,
        "order_by": ["created"],
        "size": 6,
        "scroll_id": None,
    }


def test_nul_never_stands_in_a_pattern(take_home: TakeHome) -> None:
    home = take_home(team())
    assert Lister(home).ids(TaskFilter(task_names=("nul\x00byte",)))
    assert "\x00" not in last_listing(home)["name"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"projects": ("visio",)}, "no project 'visio'; did you mean 'vision'"),
        ({"projects": ("zzz*",)}, "no project 'zzz*'"),
        ({"tags": ("gpus",)}, "no tag 'gpus'; did you mean 'gpu'"),
        ({"any_tags": ("gpu", "nope")}, "no tag 'nope'"),
        ({"exclude_tags": ("minus",)}, "no tag 'minus'; did you mean '-minus'"),
        ({"statuses": ("runing",)}, "no status 'runing'; did you mean 'running'"),
        ({"types": ("train",)}, "no task type 'train'; did you mean 'training'"),
        ({"users": ("ada",)}, "no user 'ada'; did you mean 'Ada'"),
    ],
)
def test_what_cannot_exist_is_an_error_with_near_matches(
    options: dict[str, Any], text: str, take_home: TakeHome
) -> None:
    lister = Lister(take_home(team()))
    with pytest.raises(NoSuchNameError, match=re.escape(text)):
        lister.tell(TaskFilter(**options))


def test_a_filter_that_matches_nothing_gives_a_valid_empty_dataset(take_home: TakeHome) -> None:
    home = take_home(team())
    report = home.export(Selection(TaskFilter(task_names=("no such name",))))
    assert report.exit_code == 0
    assert home.tasks() == {}
    assert report.totals["tasks"] == report.totals["points"] == 0
    home.check_series()


def test_ids_and_unknown_ids(take_home: TakeHome) -> None:
    database = team()
    home = take_home(database)
    ids = tuple(database.tasks)[:3]
    home.export(Selection(TaskFilter(task_ids=ids)))
    assert set(home.tasks()) == set(ids)
    home.export(Selection(TaskFilter(task_ids=(ids[0][:31],))))
    with pytest.raises(NoSuchNameError, match="no task 'zz': no stored id begins like this"):
        home.export(Selection(TaskFilter(task_ids=("zz",))))
    with pytest.raises(NoSuchNameError, match="f" * 32):
        home.export(Selection(TaskFilter(task_ids=("f" * 32,))))
    report = home.export(Selection(TaskFilter(task_ids=("f" * 32, ids[0]))))
    assert [(problem.task_id, problem.state) for problem in report.problems] == [
        ("f" * 32, "failed")
    ]
    assert report.exit_code == 3


def test_a_task_is_found_by_its_name_and_its_address(take_home: TakeHome) -> None:
    database = Database()
    one = database.add_task(unicodedata.normalize("NFD", "é one*"), "p", system_tags=["hidden"])
    two, three = (database.add_task("two", "p") for _ in range(2))
    home = take_home(database)
    api = Lister(home).api
    for text, found in (
        ("é one*", [one]),
        (two[:5].upper(), [two]),
        (f"https://app.example.org/projects/*/experiments/{two}/output/log", [two]),
        (f"app.example.org/projects/p/compare-tasks;ids={two},{three}/scalars", [two, three]),
    ):
        assert [*find_task_ids(api, [text], [two], Progress())] == found
    with pytest.raises(UsageError, match=f"task 'two' matches 2 tasks: .*{three} .*, p.*; give"):
        find_task_ids(api, ["two"], [], Progress())
    home.export(Selection(TaskFilter(task_ids=("é one*",))))
    assert [*home.tasks()] == [one]


def test_a_name_that_no_task_has_as_a_whole(take_home: TakeHome) -> None:
    lister = Lister(take_home(team()))
    listing = lister.tell(TaskFilter(task_names=("raining",), archived="only"))
    matching = len(lister.ids(TaskFilter(task_names=("*raining*",), archived="only")))
    assert listing.tasks == ()
    assert f"{matching} tasks whose name contains it: `task_names='*raining*'`" in listing.left_out
    assert not lister.tell(TaskFilter(task_names=("xyzzy",), archived="only")).left_out


def test_globs_of_tags_statuses_and_types(take_home: TakeHome) -> None:
    database = Database()
    one = database.add_task("1", "p", tags=["v1.0", "gpu"], type="report", status="failed")
    two = database.add_task("2", "p", tags=["v1.1"], type="testing", status="stopped")
    old = database.add_task("3", "p", tags=["v2"], system_tags=["archived"])
    lister = Lister(take_home(database))
    for options, selected in (
        ({"tags": ("v1*",)}, {one, two}),
        ({"tags": ("v1*", "g*")}, {one}),
        ({"tags": ("v2*",)}, {old}),  # the server does not list the tags of archived tasks
        ({"any_tags": ("g*", "v1.1")}, {one, two}),
        ({"exclude_tags": ("v1*",)}, {old}),
        ({"statuses": ("fail*", "abort*")}, {one, two}),
        ({"types": ("report",)}, {one}),
        ({"types": ("rep*", "test*")}, {one, two}),
    ):
        chosen: dict[str, Any] = options
        assert set(lister.ids(TaskFilter(**chosen))) == selected, options


def test_tags_of_archived_tasks_exist_too(take_home: TakeHome) -> None:
    database = Database()
    task = database.add_task("t", "p", tags=["old"], system_tags=["archived"])
    assert Lister(take_home(database)).ids(TaskFilter(tags=("old",))) == [task]


def test_bounds_at_the_ends_of_time(take_home: TakeHome) -> None:
    lister = Lister(take_home(team()))
    everything = len(lister.ids(TaskFilter()))
    far = TaskFilter(created_after="0001-01-02T00:00Z", created_before="9999-12-31T23:59:59.9Z")
    assert len(lister.ids(far)) == everything
    assert last_listing(lister.home)["scroll_id"] is None
    assert [
        body["created"] for body in lister.home.sent("tasks.get_all_ex") if "created" in body
    ] == [["0001-01-02T00:00:00", "9999-12-31T23:59:59"]] * 2


def many(count: int) -> Database:
    database = Database(now=lambda: NOW)
    for number in range(count):
        database.add_task(f"task {number}", "many", created=NOW - timedelta(seconds=number // 7))
    return database


def test_more_tasks_than_any_page(take_home: TakeHome) -> None:
    database = many(2_345)
    lister = Lister(take_home(database))
    assert sorted(lister.ids(TaskFilter())) == sorted(database.tasks)
    assert len(lister.ids(TaskFilter(limit=1_001))) == 1_001
    assert count_visible(lister.api) == (1, 2_345)


def test_what_left_out_returns(take_home: TakeHome) -> None:
    lister = Lister(take_home(team()))
    hidden = "hidden tasks (behind datasets, pipelines, reports): `hidden=True`"
    assert lister.tell(TaskFilter()).left_out == (hidden,)
    assert lister.tell(TaskFilter(hidden=True)).left_out == ()
    assert lister.tell(TaskFilter(archived="exclude", hidden=True)).left_out == (
        "archived tasks: `archived='include'`",
    )
    assert lister.tell(TaskFilter(limit=3, hidden=True)).left_out == (
        "tasks beyond the newest 3: `limit`",
    )
    assert lister.tell(TaskFilter(limit=150, hidden=True)).left_out == ()


def test_no_request_depends_on_an_earlier_one(take_home: TakeHome) -> None:
    # A scroll that the server forgot begins again without a word; it never continues one.
    home = take_home(many(2_345))
    home.server.records.scrolls.seconds = 0.0
    lister = Lister(home)
    assert sorted(lister.ids(TaskFilter())) == sorted(home.database.tasks)
    assert all(body.get("scroll_id") is None for body in home.sent("tasks.get_all_ex"))


def moving(home: "Home", leaving: list[str], entering: list[str], each: int) -> None:
    """Let some tasks leave the filter and others enter it before each listing request."""

    def meanwhile(endpoint: str, body: dict[str, Any]) -> None:
        if endpoint != "tasks.get_all_ex" or "scroll_id" not in body:
            return
        for _ in range(min(each, len(leaving))):
            home.database.archive(leaving.pop())
        for _ in range(min(each, len(entering))):
            home.database.unarchive(entering.pop())

    home.server.meanwhile = meanwhile


@pytest.mark.parametrize(
    ("order", "count"), [("newest", 5_000), ("oldest", 1_200), ("archived-first", 1_200)]
)
def test_tasks_that_leave_the_filter_hide_no_others(
    order: Any, count: int, take_home: TakeHome
) -> None:
    database = many(count)
    ids = list(database.tasks)
    leaving, entering = ids[::25], ids[1::25]
    for task in entering:
        database.archive(task)
    throughout = set(ids) - set(leaving) - set(entering)
    home = take_home(database)
    lister = Lister(home)
    moving(home, leaving[::-1], entering, 40)
    listed = lister.ids(TaskFilter(archived="exclude", order=order))
    assert len(listed) == len(set(listed))
    assert throughout <= set(listed)
    made = [database.tasks[task]["created"] for task in listed]
    if order != "newest":
        assert made == sorted(made)
    assert len(home.sent("tasks.get_all_ex")) <= 8


def test_a_list_that_fits_into_no_answer(
    take_home: TakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many tasks of one moment, and answers of ids that are too short twice.
    monkeypatch.setattr(paging, "_IDS", 100)
    monkeypatch.setattr(paging, "PAGE", 150)
    database = Database(now=lambda: NOW)
    ids = [database.add_task("task", "many") for _ in range(700)]
    home = take_home(database)
    moving(home, ids[::9], [], 11)
    body = {"system_tags": ["-archived"]}
    entries = list_in_groups(Lister(home).api, "tasks", body, ("id", "created"), 20)
    listed = [entry["id"] for entry in entries]
    assert len(listed) == len(set(listed))
    assert set(ids) - set(ids[::9]) <= set(listed)
    # The first answer, three of ids, and the rest in groups of 150.
    assert len(home.sent("tasks.get_all_ex")) == 1 + 3 + 5


def test_a_task_without_a_creation_time_is_listed(take_home: TakeHome) -> None:
    database = many(1_050)
    odd = next(iter(database.tasks))
    del database.tasks[odd]["created"]
    lister = Lister(take_home(database))
    assert sorted(lister.ids(TaskFilter(order="oldest"))) == sorted(database.tasks)


def test_a_long_list_costs_few_requests(take_home: TakeHome) -> None:
    home = take_home(many(2_000))
    lister = Lister(home)
    assert len(lister.ids(TaskFilter(hidden=True))) == 2_000
    assert len(home.sent("tasks.get_all_ex")) == 3


def test_a_limit_that_needs_many_pages_does_not_need_many_requests(take_home: TakeHome) -> None:
    # A server that knows no filters for tags sends what does not match.
    database = many(1_500)
    last = next(iter(sorted(database.tasks.values(), key=lambda task: task["created"])))
    database.edit(last["id"], tags=["-odd"])
    home = take_home(database)
    lister = Lister(home)
    lister.api._version = "2.23"
    resolved = resolve(TaskFilter(tags=("-odd",), limit=1), Names({}, {}, ["-odd"]), NOW)
    assert [task.task_id for task in list_tasks(lister.api, resolved, Progress()).tasks] == [
        last["id"]
    ]
    assert len(home.sent("tasks.get_all_ex")) == 5


def test_users_and_projects_that_vanish_hide_no_others(take_home: TakeHome) -> None:
    database = Database()
    users = [database.add_user(f"user {number}") for number in range(40)]
    projects = [database.add_project(f"p{number}") for number in range(40)]
    home = take_home(database)
    lister = Lister(home)
    first = sorted(users)[0]

    def meanwhile(endpoint: str, body: dict[str, Any]) -> None:
        if endpoint == "users.get_all_ex" and body["page"] == 1:
            database.users.pop(first, None)

    home.server.meanwhile = meanwhile
    listed = {user["id"] for user in list_in_passes(lister.api, "users", ("id",), size=10)}
    assert set(users) - {first} <= listed
    assert projects == [
        entry["id"] for entry in list_at_once(lister.api, "projects", {}, ("id",), size=9)
    ]
    assert len(home.sent("projects.get_all_ex")) == 3


def test_tasks_that_are_made_while_listing_come_once(take_home: TakeHome) -> None:
    database = many(1_500)
    before = set(database.tasks)  # … with every request one more, which pushes the others along
    home = take_home(database)

    def when(body: dict[str, Any]) -> bool:
        database.add_task("newer", "many", created=NOW + timedelta(hours=1))
        return False

    home.server.faults.add(Fault("slow", "tasks.get_all_ex", when=when))
    ids = Lister(home).ids(TaskFilter())
    assert len(ids) == len(set(ids))
    assert before <= set(ids)


def test_lists_of_variants_are_complete_though_the_server_cuts_them(take_home: TakeHome) -> None:
    database = Database()
    wide = database.add_task("wide", "p")
    names = {f"v{number:05d}" for number in range(9_000)}
    for at, variant in enumerate(sorted(names)):
        database.report_series(wide, "wide", variant, [1], [1.0], [at])
    other = database.add_task("other", "p")
    for metric in range(40):
        for number in range(20):
            database.report_series(other, f"m{metric}", f"v{number}", [1], [1.0], [1])
    lister = Lister(take_home(database))
    variants = list_series(lister.api, [other, "f" * 32, wide])
    assert variants["wide"] == names
    assert {len(variants[f"m{metric}"]) for metric in range(40)} == {20}
