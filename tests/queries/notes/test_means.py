"""Notes on means: tasks that are no replicates of each other, and tasks that are not completed."""

from typing import Any

import pytest

from clearml_snapshot.queries import open_dataset
from tests.support.chosen import MakeDataset

LEAVES_OUT = "`statuses='completed'` leaves tasks that are not completed out of means"


def _task(letter: str, lr: str, seed: str, status: str = "completed") -> dict[str, Any]:
    params = [{"section": "Args", "name": n, "value": v} for n, v in (("lr", lr), ("seed", seed))]
    return {
        "task_id": letter * 32,
        "name": f"run {letter}",
        "status": status,
        "params": params,
        "points": [("acc", "val", 0, 0.5)],
    }


@pytest.mark.parametrize(
    ("name", "typed"), [("group", {"best": "highest"}), ("curve", {"band": "std"})]
)
def test_tasks_with_the_same_seed_are_named(
    make_dataset: MakeDataset, name: str, typed: dict[str, Any]
) -> None:
    tasks = [
        _task("a", "0.1", "1"),
        _task("b", "1e-1", "2"),
        _task("c", "0.1", "1.0"),
        _task("d", "0.2", "1"),
    ]
    with open_dataset(make_dataset(tasks)) as dataset:
        answer = dataset.answer(name, metric="acc", by_all_except="Args/seed", **typed)
        named = [note for note in answer.notes if "replicates" in note]
        assert named == [
            "tasks with equal Args/seed are counted as replicates: 3 tasks such as 'run a' have 2 "
            "different values"
        ]
        others = dataset.answer(name, metric="acc", by="Args/lr", **typed).notes
        assert not [note for note in others if "replicates" in note]


def test_unfinished_tasks_in_means_have_a_way_out(make_dataset: MakeDataset) -> None:
    tasks = [_task("a", "0.1", "1"), _task("b", "0.1", "2", "failed")]
    with open_dataset(make_dataset(tasks)) as dataset:
        notes = dataset.answer("group", metric="acc", best="highest").notes
        assert notes[-3:-1] == (LEAVES_OUT, "2 of 2 tasks have it: 1 failed")
        assert LEAVES_OUT not in dataset.answer("max", metric="acc").notes
    with open_dataset(make_dataset(tasks[:1])) as dataset:
        assert LEAVES_OUT not in dataset.answer("group", metric="acc", best="highest").notes
