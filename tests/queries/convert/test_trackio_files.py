"""A copy for trackio, read by trackio itself."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from trackio import sqlite_storage

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.convert import copying, trackio_files
from tests.queries.conftest import START, MakeDataset
from tests.queries.convert.conftest import HOSTILE_TASKS, copy, expected, same
from tests.support.nasty import nasty


@contextmanager
def opened(folder: Path) -> Iterator[type[sqlite_storage.SQLiteStorage]]:
    """Open a folder as trackio does whose TRACKIO_DIR it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_storage, "TRACKIO_DIR", folder)
        yield sqlite_storage.SQLiteStorage


def runs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    with opened(folder) as storage:
        return {
            f"{project}/{run}": storage.get_logs(project, run)
            for project in storage.get_projects()
            for run in storage.get_runs(project)
        }


def curves_of(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in {"timestamp", "step"}:
                curves.setdefault(name, []).append((row["step"], value))
    return {name: sorted(curve, key=lambda point: point[0]) for name, curve in curves.items()}


def test_every_point_is_there_bit_for_bit(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The points of several tasks come in several parts, batches and writes."""
    monkeypatch.setattr(copying, "_AT_ONCE", 20)
    monkeypatch.setattr(copying, "_BATCH", 7)
    monkeypatch.setattr(trackio_files, "_ROWS", 3)
    tasks = expected(nasty())
    copied = copy(make_dataset(nasty()), "trackio", tmp_path / "copy")
    found = runs(tmp_path / "copy")
    assert len(found) == len(tasks) == copied.n_tasks
    for task_id, curves in tasks.items():
        (rows,) = (rows for name, rows in found.items() if f"-{task_id[:8]}" in name)
        read = curves_of(rows)
        assert sorted(read) == sorted(curves)
        for name, curve in curves.items():
            assert [step for step, _ in read[name]] == [step for step, _, _ in curve]
            assert same([v for _, v in read[name]], [value for _, value, _ in curve])


def test_an_iteration_is_one_row_with_its_time(make_dataset: MakeDataset, tmp_path: Path) -> None:
    points = [
        ("a", "", 3, 1.0, 5),
        ("b", "x", 3, 2.0, 6),
        ("b", "x", 4, float("nan"), None),
        ("c", "", None, 9.0, 7),
    ]
    task = {
        "task_id": "ab" * 16,
        "name": "resnet",
        "project": "vision/train",
        "project_id": "p",
        "points": points,
        "params": [{"section": "Args", "name": "lr", "value": "0.1"}],
    }
    copied = copy(make_dataset([task]), "trackio", tmp_path / "copy")
    with opened(tmp_path / "copy") as storage:
        assert storage.get_projects() == ["vision-train"]
        assert storage.get_runs("vision-train") == ["resnet-abababab"]
        rows = storage.get_logs("vision-train", "resnet-abababab")
        config = storage.get_run_config("vision-train", "resnet-abababab")
    by_name = {tuple(set(row) - {"timestamp", "step"}): row for row in rows}
    both = next(row for row in rows if "a" in row)
    assert (both["step"], both["a"], both["b/x"]) == (3, 1.0, 2.0)
    assert both["timestamp"] == (START + timedelta(seconds=5)).isoformat()
    assert by_name[("c",)]["step"] == 0
    assert by_name[("b/x",)]["timestamp"] == ""
    assert config is not None
    assert config["Args/lr"] == "0.1"
    assert config["task_id"] == "ab" * 16
    notes = "\n".join(copied.notes)
    assert "1 point with the time of another metric" in notes
    assert "1 value of NaN" in notes
    assert "1 single value at step 0" in notes
    assert "1 point without a time" in notes


def test_its_page_leaves_out_what_the_notes_say(make_dataset: MakeDataset, tmp_path: Path) -> None:
    from trackio.server import get_logs_batch

    points = [("loss", "", step, float(step) if step else float("inf")) for step in range(3_001)]
    data = make_dataset([{"task_id": "a" * 32, "points": points}])
    notes = "\n".join(copy(data, "trackio", tmp_path / "copy").notes)
    assert "1 run with more than 3,000 iterations" in notes
    assert "1 value of NaN or infinity" in notes
    with opened(tmp_path / "copy") as storage:
        (project,) = storage.get_projects()
        (run,) = storage.get_runs(project)
        (drawn,) = get_logs_batch(project, [{"run": run}], scalar_only=True)
    assert len(drawn["logs"]) <= 3_000
    assert all(row["loss"] == row["step"] for row in drawn["logs"] if "loss" in row)


def test_hostile_names_stay_in_the_folder(make_dataset: MakeDataset, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    copied = copy(make_dataset(HOSTILE_TASKS), "trackio", tmp_path / "a" / "copy")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["copy"]
    assert {path.suffix for path in (tmp_path / "a" / "copy").iterdir()} == {".db"}
    found = runs(tmp_path / "a" / "copy")
    assert len(found) == len(HOSTILE_TASKS) == copied.n_tasks
    values = [value for rows in found.values() for c in curves_of(rows).values() for _, value in c]
    assert sorted(values) == [*range(len(HOSTILE_TASKS))]


def test_names_that_trackio_refuses_or_merges_are_changed(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    names = ["registry-x", "model_system", "a.b", "A/b", "a-b", ""]
    tasks = [
        {
            "task_id": f"{number:032x}",
            "project": name,
            "project_id": f"p{number}",
            "points": [("step", "", 0, 1.0), ("metrics", "", 0, 2.0)],
        }
        for number, name in enumerate(names)
    ]
    copy(make_dataset(tasks), "trackio", tmp_path / "copy")
    found = runs(tmp_path / "copy")
    assert len(found) == len({name.partition("/")[0].casefold() for name in found}) == len(names)
    for rows in found.values():
        assert curves_of(rows) == {"step (2)": [(0, 1.0)], "metrics (2)": [(0, 2.0)]}


def test_nothing_is_sent_and_nothing_is_written_elsewhere(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    (home := tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("TRACKIO_SPACE_ID", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID", "SPACE_REPO_NAME"):
        monkeypatch.setenv(name, "someone/else")
    monkeypatch.setattr(sqlite_storage.SQLiteStorage, "_dataset_import_attempted", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    before = dict(os.environ)
    copy(make_dataset(nasty()), "trackio", tmp_path / "copy")
    assert [*home.iterdir()] == []
    assert dict(os.environ) == before
    assert tmp_path / "copy" != sqlite_storage.TRACKIO_DIR


def test_a_package_that_is_missing_is_one_line(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.setitem(sys.modules, "trackio.sqlite_storage", None)
    with pytest.raises(UsageError, match=r"^a copy for trackio needs .* pip install trackio"):
        copy(make_dataset(nasty()), "trackio", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir() if "data" not in path.name] == []
