"""`best`: the winner with everything about it; and `params` of one task."""

from pathlib import Path

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from tests.support.answers import ask
from tests.support.chosen import MakeDataset


def two_tasks(make_dataset: MakeDataset) -> Path:
    return make_dataset(
        [
            {
                "task_id": letter * 32,
                "points": [
                    ("m", "v", 1, top),
                    ("m", "v", 2, 0.5),
                    ("other", "x", 1, 7.0),
                    ("other", "x", 2, float("nan")),
                    (":monitor:gpu", "use", 1, 99.0),
                ],
                "params": [{"section": "Args", "name": "lr", "value": lr}],
                "commit": letter * 40,
            }
            for letter, top, lr in (("a", 0.7, "0.1"), ("b", 0.9, "0.01"))
        ]
    )


def test_the_winner_is_shown_with_its_settings(make_dataset: MakeDataset) -> None:
    (row,) = ask(two_tasks(make_dataset), "best", metric="m", best="highest")
    assert (row["value"], row["iteration"], row["task_id"]) == (0.9, 1, "b" * 32)
    assert (row["Args/lr"], row["m/v (last)"], row["n_tasks"]) == ("0.01", 0.5, 2)
    assert row["other/x (last)"] != row["other/x (last)"], "unchanged, even if it is NaN"
    assert not any(name.startswith(":monitor:") for name in row)
    (low,) = ask(two_tasks(make_dataset), "best", metric="m", best="lowest")
    assert (low["value"], low["task_id"]) == (0.5, "a" * 32)


def test_each_metric_has_its_winner(make_dataset: MakeDataset) -> None:
    rows = ask(two_tasks(make_dataset), "best", metric=["m", "other"], best="highest")
    assert [(row["metric"], row["value"]) for row in rows] == [("m", 0.9), ("other", 7.0)]


def test_the_parameters_of_a_task_have_values(make_dataset: MakeDataset) -> None:
    folder = two_tasks(make_dataset)
    (row,) = ask(folder, "params", TaskFilter(task_ids=("a" * 32,)))
    assert (row["param"], row["value"], row["examples"]) == ("Args/lr", "0.1", None)
    (row,) = ask(folder, "params")
    assert (row["value"], row["examples"]) == (None, ["0.01", "0.1"])
