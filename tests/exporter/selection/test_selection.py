"""Selections: how they are remembered, and which metrics they select."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice
from clearml_snapshot.exporter.selection.selection import Selection, complete_ids, wanted_metrics
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

TEXTS = st.lists(st.text(max_size=5), max_size=3).map(tuple)
FILTERS = st.builds(
    TaskFilter,
    projects=TEXTS,
    subprojects=st.booleans(),
    task_names=TEXTS,
    tags=TEXTS,
    exclude_tags=TEXTS,
    created_after=st.none() | st.text(max_size=5),
    archived=st.sampled_from(["include", "exclude", "only"]),
    limit=st.none() | st.integers(1, 9),
    order=st.sampled_from(["newest", "oldest", "archived-first"]),
)


@given(st.builds(Selection, FILTERS, TEXTS, TEXTS))
def test_a_selection_is_remembered_as_it_was(selection: Selection) -> None:
    assert Selection.from_json(json.loads(json.dumps(selection.as_json()))) == selection


def test_what_is_written() -> None:
    assert Selection().as_json() == {"filter": {}}
    chosen = Selection(TaskFilter(tags=("gpu",), limit=3), metrics=("loss",))
    assert chosen.as_json() == {"filter": {"tags": ("gpu",), "limit": 3}, "metrics": ("loss",)}
    newer: dict[str, Any] = {"filter": {"tags": ["gpu"], "colour": "red"}, "more": 1}
    assert Selection.from_json(newer) == Selection(TaskFilter(tags=("gpu",)))


SERIES = {"loss": {"train", "test"}, "acc": {"train"}, ":monitor:gpu": {"util"}}


def chosen_metrics(
    metrics: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> dict[str, Any] | None:
    choices = wanted_metrics(Selection(metrics=metrics, exclude_metrics=exclude), SERIES)
    return None if choices is None else {choice.metric: choice.variants for choice in choices}


def test_metrics() -> None:
    assert chosen_metrics(("loss",)) == {"loss": None}
    assert chosen_metrics(("loss/test", "acc")) == {"loss": {"test"}, "acc": None}
    assert chosen_metrics(exclude=(":monitor:*",)) == {"loss": None, "acc": None}
    assert chosen_metrics(("*",), ("loss/train", "acc/train")) == {
        "loss": {"test"},
        ":monitor:gpu": None,
    }
    assert chosen_metrics(("loss",), ("loss",)) == {}
    with pytest.raises(NoSuchNameError):
        chosen_metrics(("loss", "nothing"))
    with pytest.raises(NoSuchNameError):
        chosen_metrics(exclude=("nothing",))
    assert wanted_metrics(Selection(metrics=("loss",)), {}) == ()
    both = wanted_metrics(Selection(metrics=("loss/train", "loss/test")), SERIES)
    assert both == tuple(MetricChoice("loss", frozenset({name})) for name in ("train", "test"))


def test_ids() -> None:
    stored = ["a" * 32, "ab" + "c" * 30, "d" * 32]
    assert complete_ids(["d", "ab", "f" * 32], stored) == ("d" * 32, "ab" + "c" * 30, "f" * 32)
    with pytest.raises(NoSuchNameError, match="no stored task has an id that begins with 'e'"):
        complete_ids(["e"], stored)
    with pytest.raises(UsageError, match="2 stored tasks have an id that begins with 'a'"):
        complete_ids(["a"], stored)


@pytest.mark.parametrize(
    ("tasks", "metrics", "everything", "selected"),
    [
        (TaskFilter(), (), False, None),
        (TaskFilter(order="oldest", subprojects=False), (), False, None),
        (TaskFilter(), ("loss",), False, Selection(TaskFilter(), ("loss",))),
        (TaskFilter(tags=("x",), order="oldest"), (), False, Selection(TaskFilter(tags=("x",)))),
        (TaskFilter(), (), True, Selection()),
        (TaskFilter(hidden=True), (), True, Selection(TaskFilter(hidden=True))),
        (
            TaskFilter(limit=5, order="oldest"),
            (),
            True,
            Selection(TaskFilter(limit=5, order="oldest")),
        ),
    ],
)
def test_what_was_typed_is_a_selection(
    tasks: TaskFilter, metrics: tuple[str, ...], everything: bool, selected: Selection | None
) -> None:
    assert Selection.typed(tasks, metrics, everything=everything) == selected


def test_everything_and_a_filter_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="`everything=True` and a task filter cannot be combined"):
        Selection.typed(TaskFilter(statuses=("failed",)), everything=True)
