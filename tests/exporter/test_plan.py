"""What is read again, and for what: a later question never drops what is stored."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.metrics import MetricChoice, filter_text
from clearml_snapshot.exporter.plan import KnownTask, Wanted, make_plan, merge, read_filter
from clearml_snapshot.exporter.tasks import Task, read_task

SAID: dict[str, Any] = {
    "id": "t1",
    "name": "task",
    "status": "completed",
    "project": {"id": "p", "name": "project"},
    "tags": ["a"],
    "created": "2026-01-01T00:00:00+00:00",
    "last_update": "2026-01-02T00:00:00.123+00:00",
}

NAMES = st.sampled_from(["loss", "acc", "", "a/b", "é"])
CHOICES = st.builds(MetricChoice, NAMES, st.none() | st.frozensets(NAMES, min_size=1, max_size=3))
WANTED = st.none() | st.lists(CHOICES, max_size=4).map(tuple)


def asks_for(wanted: Wanted, metric: str, variant: str) -> bool:
    return wanted is None or any(
        one.metric == metric and (one.variants is None or variant in one.variants) for one in wanted
    )


@given(WANTED, WANTED, NAMES, NAMES)
def test_merged_is_what_either_asks_for(one: Wanted, other: Wanted, metric: str, name: str) -> None:
    either = asks_for(one, metric, name) or asks_for(other, metric, name)
    assert asks_for(merge(one, other), metric, name) == either


@given(WANTED)
def test_a_stored_filter_is_read_back(wanted: Wanted) -> None:
    stored = filter_text(wanted)
    assert filter_text(read_filter(stored)) == stored
    assert filter_text(merge(wanted, wanted)) == stored


def known(task: Task, wanted: Wanted = None, **changes: Any) -> dict[str, KnownTask]:
    fields = {"fingerprint": task.fingerprint("params"), "state": "complete", "points_stored": 5}
    return {task.task_id: KnownTask(**{**fields, "metric_filter": filter_text(wanted), **changes})}


LOSS = (MetricChoice("loss"),)
ACC = (MetricChoice("acc"),)
BOTH = (MetricChoice("acc"), MetricChoice("loss"))


@pytest.mark.parametrize(
    ("asked", "stored", "read_for"),
    [
        (None, None, "unchanged"),
        (LOSS, None, "unchanged"),
        (LOSS, LOSS, "unchanged"),
        ((), LOSS, "unchanged"),
        ((), (), "unchanged"),
        (LOSS, BOTH, "unchanged"),
        (None, LOSS, None),
        (ACC, LOSS, BOTH),
        (LOSS, (), LOSS),
        (LOSS, (MetricChoice("loss", frozenset({"train"})),), LOSS),
    ],
)
def test_an_unchanged_task_is_read_only_for_more(
    asked: Wanted, stored: Wanted, read_for: Wanted | str
) -> None:
    task = read_task(SAID)
    plan = make_plan([(task, asked)], known(task, stored), ("params",))
    if read_for == "unchanged":
        assert (plan.unchanged, plan.to_read) == ((task,), ())
    else:
        assert [one.wanted for one in plan.to_read] == [read_for]


def test_what_makes_a_task_be_read() -> None:
    task = read_task(SAID)
    stored = known(task)
    assert make_plan([(task, None)], {}, ("params",)).to_read[0].known is None
    for state in ("partial", "failed", "gone", "shrunk"):
        assert make_plan([(task, None)], known(task, state=state), ("params",)).to_read
    assert make_plan([(task, None)], stored, ("other",)).to_read
    changes: dict[str, Any] = {
        "name": "renamed",
        "status": "failed",
        "tags": ["a", "b"],
        "system_tags": ["archived"],
        "project": {"id": "q", "name": "project"},
        "last_update": "2026-01-02T00:00:00.124+00:00",
        "last_change": "2026-01-03T00:00:00+00:00",
        "last_iteration": 7,
        "parent": {"id": "t0"},
    }
    for name, value in changes.items():
        changed = read_task({**SAID, name: value})
        [planned] = make_plan([(changed, None)], stored, ("params",)).to_read
        assert planned.known == stored["t1"]


def test_odd_fields_of_a_listing() -> None:
    task = read_task({"id": 5, "project": "plain id", "tags": ["x", "x", 3], "created": "never"})
    assert (task.task_id, task.name, task.status) == ("5", "", "unknown")
    assert (task.project_id, task.project, task.created) == ("plain id", None, None)
    assert task.tags == ("x", "3")
    assert read_task({**SAID, "last_iteration": 2**63}).last_iteration is None
    assert read_task({**SAID, "name": "a\ud800"}).name == "a\ufffd"
    assert read_task(SAID).last_update == datetime(2026, 1, 2, 0, 0, 0, 123_000, tzinfo=UTC)
