"""The lines under an answer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.notes.coverage import coverage, lines, winner_marks

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


def mixed(make_dataset: MakeDataset) -> Path:
    loss, other = [("loss", "train", 1, 1.0)], [("acc", "val", 1, 2.0), (":monitor:", "x", 1, 0.0)]
    return make_dataset(
        [
            {"task_id": "a" * 32, "points": [("loss", "train", 1, 3.0)], "status": "in_progress"},
            {"task_id": "b" * 32, "points": loss, "archived": True, "state": "partial"},
            {"task_id": "c" * 32, "points": loss, "state": "gone"},
            {"task_id": "d" * 32, "points": other, "archived": True, "status": "in_progress"},
            {"task_id": "e" * 32, "state": "failed"},
            {"task_id": "f" * 32, "points": [(":monitor:", "x", 1, 0.0)]},
        ]
    )


def under(folder: Path, task_filter: TaskFilter | None = None, **typed: Any) -> list[str]:
    with open_dataset(folder, filter=task_filter) as dataset:
        rows = dataset.rows(dataset.query("max", **typed))
        reach = coverage(dataset, dataset.bound("max", **typed))
        return lines(reach, rows, dataset.snapshot.created_at + timedelta(hours=3, minutes=5))


def test_lines(make_dataset: MakeDataset) -> None:
    folder = mixed(make_dataset)
    tasks, winner, age = under(folder, metric="loss")
    assert tasks == (
        "3 of 6 tasks have it: 1 running, 1 archived, 1 gone from the server; "
        "of all selected 1 failed to export, 1 partial"
    )
    assert winner == "loss/train: task aaaaaaaa is still running"
    assert age.startswith("snapshot 1 of 20")
    assert age.endswith("Z, 3 hours old")


def test_tasks_that_were_gone_before_they_were_read_are_counted(make_dataset: MakeDataset) -> None:
    """All that was stored of them is here, and that is not all that they had."""
    read = {"points": [("loss", "train", 1, 3.0)], "points_stored": 1, "state": "gone"}
    folder = make_dataset(
        [
            {"task_id": "a" * 32, **read, "points_expected": 1},
            {"task_id": "b" * 32, **read, "points_expected": 0},
            {"task_id": "c" * 32, **read, "points_expected": 9},
            {"task_id": "d" * 32, "state": "gone", "points_stored": 0},
        ]
    )
    assert under(folder, metric="loss")[0] == (
        "3 of 4 tasks have it: 3 gone from the server; of all selected 2 gone before they were "
        "read completely"
    )


def test_monitoring_alone_is_not_having_it(make_dataset: MakeDataset) -> None:
    folder = mixed(make_dataset)
    ordinary = "4 of 6 tasks have metrics (:monitor: not counted)"
    assert under(folder)[0].startswith(f"{ordinary}: 2 running, 2 archived")
    assert under(folder, all_metrics=True)[0].startswith("5 of 6 tasks have metrics: 2 running")
    assert under(folder, metric=":monitor:")[0].startswith("2 of 6 tasks have it")
    assert under(folder)[1] == "acc/val: task dddddddd is still running and archived"


def test_a_filter_shows(make_dataset: MakeDataset) -> None:
    task_filter = TaskFilter(archived="exclude", statuses=("completed",))
    first = under(mixed(make_dataset), task_filter, metric="loss")[0]
    assert first == (
        "1 of 3 tasks have it (of 6 in the snapshot): 1 gone from the server; "
        "of all selected 1 failed to export"
    )


def test_many_marked_winners_are_cut_short(make_dataset: MakeDataset) -> None:
    points = [(f"m{n}", "v", 1, 1.0) for n in range(9)]
    folder = make_dataset([{"task_id": "a" * 32, "points": points, "archived": True}])
    assert under(folder)[-2] == "… and 4 more"
    assert len(under(folder)) == 8


def test_nothing(make_dataset: MakeDataset) -> None:
    assert under(make_dataset([]))[0] == "0 tasks"


def test_tasks_that_did_not_complete_are_counted(make_dataset: MakeDataset) -> None:
    """Their values are averaged with those of completed tasks unless a filter excludes them."""
    statuses = ("failed", "failed", "stopped", "queued", "created", "in_progress", "completed")
    loss = [("loss", "train", 1, 1.0)]
    tasks = [
        {"task_id": f"{at}" * 32, "status": status, "points": loss}
        for at, status in enumerate(statuses)
    ]
    without = {"task_id": "f" * 32, "status": "failed"}
    folder = make_dataset([*tasks, without, {**without, "task_id": "e" * 32, "status": "stopped"}])
    assert under(folder, metric="loss")[0] == (
        "7 of 9 tasks have it: 1 running, 1 queued, 1 draft, 2 failed, 1 stopped"
    )
    completed = TaskFilter(statuses=("completed",))
    assert under(folder, completed, metric="loss")[0] == (
        "1 of 1 task has it (of 9 in the snapshot)"
    )


def test_a_line_says_what_the_tasks_have(make_dataset: MakeDataset) -> None:
    points = [("loss", "train", 1, 1.0), ("loss", "val", 1, 1.0), ("acc", "val", 1, 1.0)]
    tasks = [{"task_id": letter * 32, "points": points} for letter in "ab"]
    every, some = make_dataset(tasks), make_dataset([*tasks, {"task_id": "c" * 32}])
    assert under(every)[0] == "2 tasks"
    assert under(some)[0] == "2 of 3 tasks have metrics (:monitor: not counted)"
    assert under(some, metric="loss")[0] == "2 of 3 tasks have it"
    assert under(some, metric=["loss", "acc"])[0] == "2 of 3 tasks have one of the selected metrics"


def test_a_question_about_no_metric_counts_tasks(make_dataset: MakeDataset) -> None:
    with open_dataset(mixed(make_dataset), filter=TaskFilter(archived="exclude")) as dataset:
        rows = dataset.rows(dataset.query("tasks"))
        text = lines(coverage(dataset, dataset.bound("tasks")), rows)
    assert text[0] == "4 tasks (of 6 in the snapshot): 1 failed to export"
    assert len(text) == 2


def test_a_winner_is_marked_once_however_many_rows_it_has(make_dataset: MakeDataset) -> None:
    points = [("m", "v", 1, 1.0), ("acc", "a", 1, 1.0), ("acc", "b", 1, 1.0)]
    folder = make_dataset([{"task_id": "a" * 32, "points": points, "archived": True}])
    assert under(folder, metric="m", at="acc")[1:-1] == ["m/v: task aaaaaaaa is archived"]


def test_every_state_that_is_not_complete_is_counted(make_dataset: MakeDataset) -> None:
    loss = [("loss", "train", 1, 1.0)]
    states = ["unread", "unread", "lost", "shrunk", "gone", "failed", "partial", "complete"]
    tasks = [
        {"task_id": f"{at}" * 32, "state": state, "points": [] if state == "unread" else loss}
        for at, state in enumerate(states)
    ]
    assert under(make_dataset(tasks), metric="loss")[0] == (
        "6 of 8 tasks have it: 1 shrunk on the server, 1 gone from the server; of all selected "
        "1 failed to export, 1 partial, 2 not read yet, 1 with points that the server lost"
    )


def test_marks() -> None:
    assert winner_marks({"status": "completed", "archived": None}) == ()
