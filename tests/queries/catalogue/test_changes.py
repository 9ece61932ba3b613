"""``changes`` and ``gone``: what one snapshot knows of the exports that made it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.answers import ask
from tests.support.nasty import START, nasty, seconds

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
DAY = timedelta(days=1)


def export(folder: Path, at: datetime, tasks: Sequence[Mapping[str, Any]], **row: Any) -> None:
    """Write the rows of tasks and of one export, as an export at that moment does."""
    with writing(folder) as dataset:
        stage = dataset.new_stage()
        for task in tasks:
            common = {"server_id": "s", "state": "complete", "fetched_at": at, "fingerprint": "f"}
            stage.add({**common, **task}, (), None)
        dataset.commit(
            stage,
            server={"host": "http://server"},
            selections=[],
            export_row={"export_id": f"{at}", "started": at, "result": "complete", **row},
        )


def task(letter: str, created: datetime, **more: Any) -> dict[str, Any]:
    return {"task_id": letter * 32, "name": letter, "created": created, **more}


def changes(folder: Path) -> dict[str, str]:
    return {row["task"]: row["change"] for row in ask(folder, "changes")}


@pytest.fixture
def two_nights(tmp_path: Path) -> Path:
    """Give a history of two exports in which each kind of change happens once, and none twice."""
    folder, second = tmp_path / "data", START + DAY
    left = [task("l", START - DAY, last_update=START - DAY), task("o", START - 9 * DAY)]
    export(folder, START, [*left, task("p", START - DAY)])
    noticed = "gone from the server, noticed 2026-01-02"
    long_gone = "gone from the server, noticed 2025-12-24"
    export(
        folder,
        second,
        [
            task("n", START + DAY / 2),
            task("a", START - DAY),
            task("s", START - DAY, state="shrunk", reason="the server holds 1 of its 4 points"),
            task(
                "g",
                START - DAY,
                state="gone",
                reason=f"{noticed}; was partial: x",
                fetched_at=START,
            ),
            task("G", START - DAY, state="gone", reason=long_gone, fetched_at=START),
            task("r", START - DAY, status_changed=START + DAY / 2, fetched_at=START),
            task("u", START + DAY / 2, state="failed", reason="no answer"),
        ],
        tasks_gone=1,
    )
    return folder


def test_each_kind(two_nights: Path) -> None:
    assert changes(two_nights) == {
        "n": "new",
        "u": "new",
        "a": "read again",
        "s": "shrunk",
        "r": "refreshed",
        "g": "gone",
    }
    rows = ask(two_nights, "changes")
    kinds = [row["change"] for row in rows]
    assert kinds == ["new", "new", "read again", "shrunk", "refreshed", "gone"]
    assert [row["state"] for row in rows[:2]] == ["complete", "failed"]


def test_an_export_that_noticed_none_gone(two_nights: Path) -> None:
    later = START + DAY + DAY / 4  # of the same day
    export(two_nights, later, [task("z", later)], tasks_gone=0)
    assert changes(two_nights) == {"z": "new"}


def test_the_first_export_is_all_new(tmp_path: Path) -> None:
    export(tmp_path / "data", START, [task("a", START - DAY), {"task_id": "b" * 32, "name": "b"}])
    assert changes(tmp_path / "data") == {"a": "new", "b": "new"}


def test_changes_follow_the_filter(two_nights: Path) -> None:
    (row,) = ask(two_nights, "changes", TaskFilter(task_names=("a",)))
    assert row["change"] == "read again"
    assert ask(two_nights, "changes", TaskFilter(task_names=("l",))) == []


def test_gone(make_dataset: MakeDataset) -> None:
    tasks = nasty()
    tasks[0] |= {"state": "gone", "reason": "gone from the server, noticed 2026-01-02"}
    tasks[4] |= {"state": "gone", "reason": "gone from the server, noticed 2026-01-03"}
    rows = ask(make_dataset(tasks), "gone")
    assert [(r["state"], r["task_id"][0]) for r in rows] == [
        ("gone", "1"),
        ("gone", "5"),
        ("shrunk", "4"),
    ]
    assert [r["n_points"] for r in rows] == [len(tasks[0]["points"]), 0, 4]
    assert [seconds(r["last_value"]) for r in rows] == [390, None, 20]
    assert rows[2]["reason"] == "the server holds 1 of its 4 points"


def test_nothing_is_gone(make_dataset: MakeDataset) -> None:
    assert ask(make_dataset([{"task_id": "a" * 32}]), "gone") == []
