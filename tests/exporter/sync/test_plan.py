"""What is read again, and for what: a later question never drops what is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.reader.tasks import Task, read_task
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, MetricFilter
from clearml_snapshot.exporter.sync.planning.plan import (
    KnownTask,
    PlannedTask,
    SelectedTask,
    make_plan,
)

SAID: dict[str, Any] = {
    "id": "t1",
    "name": "task",
    "status": "completed",
    "project": {"id": "p", "name": "project"},
    "tags": ["a"],
    "created": "2026-01-01T00:00:00+00:00",
    "started": "2026-01-01T00:00:01+00:00",
    "last_update": "2026-01-02T00:00:00.123+00:00",
}

NAMES = st.sampled_from(["loss", "acc", "", "a/b", "é"])
CHOICES = st.builds(MetricChoice, NAMES, st.none() | st.frozensets(NAMES, min_size=1, max_size=3))
WANTED = st.none() | st.lists(CHOICES, max_size=4).map(tuple)


Wanted = tuple[MetricChoice, ...] | None


def includes(choices: Wanted, metric: str, variant: str) -> bool:
    return choices is None or any(
        choice.metric == metric and (choice.variants is None or variant in choice.variants)
        for choice in choices
    )


@given(WANTED, WANTED, NAMES, NAMES)
def test_merged_is_what_either_selects(
    first: Wanted, second: Wanted, metric: str, name: str
) -> None:
    either = includes(first, metric, name) or includes(second, metric, name)
    together = MetricFilter(first).merged(MetricFilter(second))
    assert includes(together.choices, metric, name) == either


@given(WANTED, st.frozensets(NAMES))
def test_a_stored_filter_is_read_back(choices: Wanted, exact_names: frozenset[str]) -> None:
    metrics = MetricFilter(choices, exact_names)
    assert MetricFilter.read(metrics.text).text == metrics.text
    assert metrics.merged(metrics).text == metrics.text


def test_a_filter_of_the_first_format_is_read() -> None:
    stored = '[{"metric": "loss"}, {"metric": "acc", "variants": ["a"]}]'
    choices = (MetricChoice("loss"), MetricChoice("acc", frozenset({"a"})))
    assert MetricFilter.read(stored) == MetricFilter(choices)


NOW = datetime(2026, 2, 1, tzinfo=UTC)


def known_task(task: Task, choices: Wanted = None, **changes: Any) -> dict[str, KnownTask]:
    fields = {
        "fingerprint": task.fingerprint("params"),
        "state": "complete",
        "points_stored": 5,
        "metric_filter": MetricFilter(choices).text,
        "started": task.started,
        "last_update": task.last_update,
        "last_iteration": task.last_iteration,
        "selected": True,
    }
    return {task.task_id: KnownTask(**{**fields, **changes})}


def planned(
    task: Task, stored: dict[str, KnownTask], choices: Wanted = None, **how: Any
) -> PlannedTask | None:
    """What is planned for one task; None when it is left as it is."""
    selected = SelectedTask(task, MetricFilter(choices), how.pop("selected", True))
    context = how.pop("context", ("params",))
    plan = make_plan([selected], stored, NOW, context, **how)
    assert len(plan.to_read) + len(plan.unchanged) == 1
    return plan.to_read[0] if plan.to_read else None


LOSS = (MetricChoice("loss"),)
ACC = (MetricChoice("acc"),)
BOTH = (MetricChoice("acc"), MetricChoice("loss"))


@pytest.mark.parametrize(
    ("selected", "stored", "read_for"),
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
    selected: Wanted, stored: Wanted, read_for: Wanted | str
) -> None:
    task = read_task(SAID)
    plan = planned(task, known_task(task, stored), selected)
    if read_for == "unchanged":
        assert plan is None
    else:
        assert plan is not None
        assert (plan.metrics.choices, plan.points) == (read_for, "read")


def changed(**changes: Any) -> Task:
    return read_task({**SAID, **changes})


def test_what_makes_a_task_be_read_completely() -> None:
    task = read_task(SAID)
    assert planned(task, {}) == PlannedTask(task, task.fingerprint("params"), MetricFilter(), None)
    for state in ("partial", "failed", "gone"):
        plan = planned(task, known_task(task, state=state))
        assert plan is not None
        assert plan.points == "read"
    assert planned(task, known_task(task, state="shrunk")) is None
    plan = planned(task, known_task(task, state="shrunk"), accept_loss=True)
    assert plan is not None
    assert plan.points == "read"


CHANGES: dict[str, tuple[Any, str]] = {
    "name": ("renamed", "keep"),
    "status": ("failed", "keep"),
    "tags": (["a", "b"], "keep"),
    "system_tags": (["archived"], "keep"),
    "project": ({"id": "q", "name": "project"}, "keep"),
    "last_change": ("2026-01-03T00:00:00+00:00", "keep"),
    "parent": ({"id": "t0"}, "keep"),
    "last_update": ("2026-01-02T00:00:00.124+00:00", "ask"),
    "last_iteration": (7, "read"),
    "started": ("2026-01-01T12:00:00+00:00", "read"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_change_makes_be_read(name: str) -> None:
    value, points = CHANGES[name]
    stored = known_task(read_task(SAID))
    plan = planned(changed(**{name: value}), stored)
    assert plan is not None
    assert (plan.points, plan.stored) == (points, stored["t1"])


def test_a_task_that_reported_just_now_is_read() -> None:
    just_now = (NOW - timedelta(minutes=4)).isoformat()
    plan = planned(changed(last_update=just_now), known_task(read_task(SAID)))
    assert plan is not None
    assert plan.points == "read"


def test_other_options_and_selections_refresh_the_metadata() -> None:
    task = read_task(SAID)
    for plan in (
        planned(task, known_task(task), context=("other",)),
        planned(task, known_task(task), selected=False),
        planned(task, known_task(task, selected=False)),
    ):
        assert plan is not None
        assert plan.points == "keep"
    assert planned(task, known_task(task, selected=False), selected=False) is None


def test_odd_fields_of_a_listing() -> None:
    odd = {"id": "t", "project": "plain id", "tags": ["x", 3], "created": "never", "type": True}
    task = read_task(odd)
    assert (task.task_id, task.name, task.status) == ("t", "", "unknown")
    assert (task.project_id, task.project, task.created) == ("plain id", None, None)
    assert (task.tags, task.type) == ((), None)
    assert task.odd == (
        "its type has another form (expected str | null, got bool), its tags has another form "
        "(expected str, got int at [1]); its created is not a time"
    )
    large = read_task({**SAID, "last_iteration": 2**63})
    assert (large.last_iteration, bool(large.odd)) == (None, True)
    early = read_task({**SAID, "created": "0001-01-01T00:00:00+14:00"})
    assert (early.created, early.odd) == (None, "its created is not a time")
    assert read_task({**SAID, "name": "a\ud800"}).name == "a\ufffd"
    assert read_task({**SAID, "tags": None, "\ud800": 1}).odd is None
    assert read_task(SAID).last_update == datetime(2026, 1, 2, 0, 0, 0, 123_000, tzinfo=UTC)
