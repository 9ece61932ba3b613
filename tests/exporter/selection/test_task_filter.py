"""What the words of a filter mean, without a server."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.names import Names, names_pattern
from clearml_snapshot.exporter.selection.task_filter import TaskFilter, resolve
from clearml_snapshot.exporter.selection.times import parse_time

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
NAMES = Names(
    projects={
        "1" * 32: "vision",
        "2" * 32: "vision/det",
        "3" * 32: "vision/det/old",
        "4" * 32: "visionary",
        "5" * 32: "vision*",
        "6" * 32: "vision*/below",
        "7" * 32: "nlp",
    },
    users={"u1": "Ada", "u2": "Jun", "u3": "Jun", "me": "me too"},
    tags={"gpu", "", " ", "-x"},
    me="u1",
)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31", "2026-01-31T05:00:00"),
        ("2026-07-31", "2026-07-31T04:00:00"),
        ("2026-01-31T10:00", "2026-01-31T15:00:00"),
        ("2026-01-31 10:00:00.5", "2026-01-31T15:00:00.500000"),
        ("2026-01-31T10:00Z", "2026-01-31T10:00:00"),
        ("2026-01-31T10:00+05:30", "2026-01-31T04:30:00"),
        (" 2026-01-31T10:00Z ", "2026-01-31T10:00:00"),
        ("12h", "2026-03-29T00:00:00"),
        ("7d", "2026-03-22T12:00:00"),
        ("2 w", "2026-03-15T12:00:00"),
        ("0d", "2026-03-29T12:00:00"),
        ("90min", "2026-03-29T10:30:00"),
        ("1mo", "2026-02-28T12:00:00"),
        ("1y", "2025-03-29T12:00:00"),
        ("3 months", "2025-12-29T12:00:00"),
    ],
)
@pytest.mark.usefixtures("new_york")
def test_times(text: str, meant: str) -> None:
    assert parse_time(text, NOW) == datetime.fromisoformat(meant).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["1m", "30 m", "6M"])
@pytest.mark.parametrize("option", ["created_after", "updated_after", "updated_before"])
def test_an_age_of_minutes_or_months_is_refused(text: str, option: str) -> None:
    options: dict[str, Any] = {option: text}
    with pytest.raises(
        UsageError, match=f"{text}.* could be minutes or months; use [0-9]+min or [0-9]+mo"
    ):
        resolve(TaskFilter(**options), NAMES, NOW)


@pytest.mark.parametrize(
    "text", ["yesterday", "", "7", "7 yards", "-3d", "2026-13-01", "99999999999w", "9999999d"]
)
def test_an_invalid_time_names_the_argument(text: str) -> None:
    with pytest.raises(UsageError, match=r"^`updated_before`: ") as caught:
        resolve(TaskFilter(updated_before=text), NAMES, NOW)
    assert "\n" not in str(caught.value)


def projects(*texts: str, subprojects: bool = True) -> set[str]:
    project_ids = resolve(
        TaskFilter(projects=texts, subprojects=subprojects), NAMES, NOW
    ).project_ids
    assert project_ids is not None
    return {NAMES.projects[project_id] for project_id in project_ids}


def test_projects() -> None:
    assert projects("nlp") == {"nlp"}
    assert projects("vision") == {"vision", "vision/det", "vision/det/old"}
    assert projects("vision", subprojects=False) == {"vision"}
    assert projects("vision/det") == {"vision/det", "vision/det/old"}
    assert projects("2" * 32, subprojects=False) == {"vision/det"}
    # An exact name beats a glob.
    assert projects("vision*") == {"vision*", "vision*/below"}
    assert projects("visio*") == set(NAMES.projects.values()) - {"nlp"}
    assert projects("*det", subprojects=False) == {"vision/det"}
    assert projects("v*old", "nlp", subprojects=False) == {"vision/det/old", "nlp"}
    with pytest.raises(NoSuchNameError, match="no project 'vison'; did you mean 'vision'"):
        projects("nlp", "vison")


def test_users() -> None:
    assert resolve(TaskFilter(users=("me",)), NAMES, NOW).user_ids == frozenset({"u1"})
    both = resolve(TaskFilter(users=("Jun", "u1")), NAMES, NOW).user_ids
    assert both == frozenset({"u1", "u2", "u3"})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": 0}, "`limit=0`"),
        ({"limit": -5}, "`limit=-5`"),
        ({"task_name_regex": "("}, "`task_name_regex` '('"),
        ({"tags": ("x",)}, "no tag 'x'"),
        ({"statuses": ("",)}, "no status ''"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=re.escape(error)):
        resolve(TaskFilter(**options), NAMES, NOW)


def test_the_filter_in_words() -> None:
    task_filter = TaskFilter(
        projects=("vision", "nlp"),
        subprojects=False,
        task_names=("train*",),
        tags=("gpu", "-x"),
        statuses=("running",),
        created_after="7d",
        limit=3,
        archived="exclude",
    )
    assert str(resolve(task_filter, NAMES, NOW)) == (
        "project vision or nlp (without sub-projects) AND name train* AND tags gpu AND -x "
        "AND status in_progress AND created since 2026-03-22 12:00 UTC AND not archived "
        "AND the newest 3"
    )
    assert str(resolve(TaskFilter(), NAMES, NOW)) == "every task"


def test_is_empty() -> None:
    assert TaskFilter(order="oldest", subprojects=False).is_empty
    assert not TaskFilter(limit=1).is_empty
    assert not TaskFilter(archived="exclude").is_empty


TEXTS = st.text(max_size=8) | st.text("ab*?[]!-/\\.^$()\n\x00", max_size=8)


@given(TEXTS, TEXTS)
def test_a_name_without_a_glob_means_itself(name: str, other: str) -> None:
    pattern = names_pattern([re.sub(r"[*?\[]", "_", name)]) or ""
    assert "\x00" not in pattern
    assert re.search(pattern, re.sub(r"[*?\[]", "_", name))
    assert bool(re.search(pattern, other)) == (other == re.sub(r"[*?\[]", "_", name))


@given(TEXTS, TEXTS, TEXTS)
def test_a_star_matches_anything(begin: str, middle: str, end: str) -> None:
    plain_begin, plain_end = (re.sub(r"[*?\[]", "_", text) for text in (begin, end))
    pattern = names_pattern([f"{plain_begin}*{plain_end}"]) or ""
    assert "\x00" not in pattern
    assert re.search(pattern, plain_begin + middle + plain_end)
    behind = names_pattern([f"b{plain_begin}*{plain_end}e"]) or ""
    assert re.search(behind, f"b{plain_begin}{middle}{plain_end}e")
    for text in (f"b{begin}{middle}e\n", f"a{begin}{middle}e"):
        assert not re.search(behind, text)


@given(st.timedeltas(timedelta(0), timedelta(days=700_000)))
def test_every_age_is_read_or_refused(age: timedelta) -> None:
    assert parse_time(f"{age.days}d", NOW) == NOW - timedelta(days=age.days)


def test_names_that_no_longer_exist_are_dropped_and_reported() -> None:
    names = Names({"p1": "vision"}, {"u1": "ada"}, {"keep"})
    typed = TaskFilter(projects=("vision", "gone"), users=("ada",), exclude_tags=("old",))
    resolved = resolve(typed, names, NOW, missing="drop")
    assert resolved.project_ids == frozenset({"p1"})
    assert resolved.user_ids == frozenset({"u1"})
    assert resolved.exclude_tags == ()
    assert [text.split(";")[0] for text in resolved.dropped] == ["no project 'gone'"]
    assert str(resolved) == "project vision AND user ada"


@pytest.mark.parametrize(
    "typed", [TaskFilter(projects=("gone",)), TaskFilter(tags=("keep", "old"))]
)
def test_a_filter_of_which_nothing_can_match_is_refused(typed: TaskFilter) -> None:
    with pytest.raises(NoSuchNameError):
        resolve(typed, Names({"p1": "vision"}, {}, {"keep"}), NOW, missing="drop")
