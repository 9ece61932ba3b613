"""Projects, tags and users, each with the number of their tasks."""

from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from tests.queries.conftest import START, MakeDataset
from tests.support.answers import ask


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    points = [("loss", "train", number, 1.0) for number in range(3)]
    tasks: list[dict[str, Any]] = [
        {"project_id": "p1", "project": "vision", "user_id": "u1", "user": "Ada"},
        {"project_id": "p1", "project": "vision", "user_id": "u2", "user": "Ada"},
        {"project_id": "p2", "project": "nlp", "user_id": "u1", "user": "Ada"},
        {"archived": True},
    ]
    more: list[dict[str, Any]] = [
        {"tags": ["gpu", "v1"], "status": "failed", "points": points},
        {"tags": ["gpu"], "points": points[:1], "last_update": START},
        {"tags": []},
        {"status": "in_progress"},
    ]
    return make_dataset(
        [
            {"task_id": letter * 32, "created": START, **task, **others}
            for letter, task, others in zip("abcd", tasks, more, strict=True)
        ]
    )


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_projects(folder: Path) -> None:
    counts = ("n_tasks", "n_completed", "n_failed", "n_running", "n_archived", "n_points")
    rows = ask(folder, "projects")
    assert columns(rows, "project", "project_id", *counts) == [
        ("nlp", "p2", 1, 1, 0, 0, 0, 0),
        ("vision", "p1", 2, 1, 1, 0, 0, 4),
        (None, None, 1, 0, 0, 1, 1, 0),
    ]
    assert [row["last_update"] for row in rows] == [None, START, None]


def test_tags(folder: Path) -> None:
    names = ("tag", "n_tasks", "n_projects", "first_created")
    assert columns(ask(folder, "tags"), *names) == [("gpu", 2, 1, START), ("v1", 1, 1, START)]
    assert ask(folder, "tags", TaskFilter(projects=("nlp",))) == []


def test_users(folder: Path) -> None:
    names = ("user", "user_id", "n_tasks", "n_projects", "n_points")
    assert columns(ask(folder, "users"), *names) == [
        ("Ada", "u1", 2, 2, 3),
        ("Ada", "u2", 1, 1, 1),
        (None, None, 1, 0, 0),
    ]
