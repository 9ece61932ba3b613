"""Exports into one bucket at the same time: nothing is lost, and the newer reading stays."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import OtherServerError, OvertakenError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.objects.bucket import Bucket, Version
from clearml_snapshot.exporter.store.objects.keys import POINTER
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.writing.place import place_at
from clearml_snapshot.exporter.store.writing.remote import dataset
from clearml_snapshot.exporter.sync import export as sync_export
from tests.exporter.store.writing.remote.test_export import TakeHome, back, run, team
from tests.support.buckets import Store
from tests.support.changes import curve


@contextmanager
def first(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, do: Callable[[], object]
) -> Iterator[None]:
    """Do something once before a function is called."""
    wrapped, waiting = getattr(where, name), [do]

    def calling(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return wrapped(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, calling)
        yield
    assert not waiting


def tagged(number: int) -> Selection:
    return Selection(TaskFilter(tags=(f"t{number}",)))


@pytest.mark.parametrize("is_new", [True, False])
def test_two_selections_end_with_both(
    take_home: TakeHome,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
) -> None:
    home = take_home(team())
    ids = list(home.database.tasks)
    if not is_new:
        run(store, tagged(0))
    with first(monkeypatch, RemoteDataset, "publish", lambda: run(store, tagged(1))):
        report = run(store, tagged(2))
    assert report.totals["tasks"] == 2 + (not is_new)
    copied = back(home, store, tmp_path)
    copied.check(*ids[is_new:3])
    assert len(open_snapshot(Path(store.at())).selections) == 2 + (not is_new)
    assert len(copied.rows("exports")) == 2 + (not is_new)
    assert run(store).tasks_unchanged == 2 + (not is_new)


@pytest.mark.parametrize("when", ["send_files", "send_texts"])
def test_who_is_overtaken_sends_points_once_and_texts_only_if_it_may_still_win(
    take_home: TakeHome, store: Store, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    take_home(team())
    run(store, tagged(0))
    with first(monkeypatch, dataset, when, lambda: run(store, tagged(1))):
        run(store, tagged(2))
    put = Counter(key for method, key in store.proxy.seen.requests if method == "PUT")
    assert {n for key, n in put.items() if "/files/" in key} == {1}
    manifests = [key for key in put if "/snapshots/" in key and key.endswith(".json")]
    assert len(manifests) == 3 + (when == "send_texts")
    assert open_snapshot(Path(store.at())).totals.tasks == 3


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("ours_is_newer", [True, False])
def test_of_one_task_the_newer_reading_stays(
    take_home: TakeHome,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
    ours_is_newer: bool,
) -> None:
    home = take_home(team(3))
    ids = list(home.database.tasks)
    if not is_new:
        run(store, Selection())
        for task_id in ids:
            curve(home.database, task_id, "loss", 30, 33, 0.5)

    def other() -> None:
        if not ours_is_newer:
            curve(home.database, ids[1], "loss", 33, 40, 0.5)
        run(store, Selection())
        if ours_is_newer:
            curve(home.database, ids[1], "loss", 33, 40, 0.5)

    where, name = (sync_export, "_fetch") if ours_is_newer else (RemoteDataset, "publish")
    with first(monkeypatch, where, name, other):
        report = run(store, Selection())
    assert report.exit_code == 0
    back(home, store, tmp_path).check()
    run(store)
    back(home, store, tmp_path).check()


def test_two_readings_of_other_metrics_are_joined(
    take_home: TakeHome, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = take_home(team(3))
    losses, accuracies = (Selection.typed(TaskFilter(), (name,)) for name in ("loss", "acc"))
    with first(monkeypatch, RemoteDataset, "publish", lambda: run(store, accuracies)):
        run(store, losses)
    copied = back(home, store, tmp_path)
    copied.check()
    assert run(store).tasks_unchanged == 3


def test_metadata_and_points_of_one_task(
    take_home: TakeHome, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writer has read new points, the other one saw only another comment or project."""
    home = take_home(team(4))
    ids = list(home.database.tasks)
    run(store, Selection())
    for task_id in ids:
        home.database.edit(task_id, comment="first")

    def other() -> None:
        curve(home.database, ids[0], "loss", 30, 35, 0.5)
        home.database.edit(ids[1], comment="second")
        home.database.move(ids[2], "elsewhere")
        run(store, Selection())

    with first(monkeypatch, RemoteDataset, "publish", other):
        run(store, Selection())
    copied = back(home, store, tmp_path)
    copied.check()
    assert {row["name"]: row["comment"] for row in copied.rows("tasks")} == {
        "task 0": "first",
        "task 1": "second",
        "task 2": "first",
        "task 3": "first",
    }
    assert run(store).tasks_unchanged == 4


def test_every_checkpoint_may_be_overtaken(
    take_home: TakeHome, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._CHECKPOINT_TASKS", 2)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._COMMIT_SHARE", 0)
    home = take_home(team(8, 10))
    publish, others = RemoteDataset.publish, iter(range(8))

    def overtaken(self: RemoteDataset, choose: Any) -> Any:
        number = next(others, None) if threading.current_thread() is threading.main_thread() else 0
        if number is not None and threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=run, args=(store, tagged(number)))
            other.start()
            other.join()
        return publish(self, choose)

    monkeypatch.setattr(RemoteDataset, "publish", overtaken)
    run(store, Selection(), workers=1)
    back(home, store, tmp_path).check()
    assert not any(s.checkpoint for s in store.dataset().snapshots())
    overtakers = 8 - len(list(others))
    assert overtakers > 3
    assert len(open_snapshot(Path(store.at())).selections) == overtakers + 1
    assert run(store).tasks_unchanged == 8


def test_a_selection_that_was_removed_meanwhile_stays_removed(
    take_home: TakeHome, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_home(team(3))
    run(store, tagged(0))
    run(store, tagged(1))

    def remove() -> None:
        with place_at(Path(store.at())).writing() as dataset:
            assert dataset.snapshot is not None
            dataset.amend(selections=dataset.snapshot.selections[1:])

    with first(monkeypatch, RemoteDataset, "publish", remove):
        run(store, tagged(2))
    words = [str(s) for s in open_snapshot(Path(store.at())).selections]
    assert ["t1" in words[0], "t2" in words[1]] == [True, True]
    assert len(words) == 2


def test_two_servers_do_not_mix(
    take_home: TakeHome, store: Store, monkeypatch: pytest.MonkeyPatch, start_standin: Any
) -> None:
    other = start_standin(team(2))
    home = take_home(team(3))

    def elsewhere() -> None:
        with monkeypatch.context() as patch:
            for name, value in other.environment().items():
                patch.setenv(name, value)
            run(store, Selection())

    with (
        first(monkeypatch, RemoteDataset, "publish", elsewhere),
        pytest.raises(OtherServerError, match="meanwhile"),
    ):
        run(store, Selection())
    assert open_snapshot(Path(store.at())).totals.tasks == 2
    assert home.server.requests


def test_who_is_always_overtaken_ends_with_what_to_do(
    take_home: TakeHome, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_home(team(3))
    run(store, tagged(0))
    monkeypatch.setattr("clearml_snapshot.exporter.store.objects.remote._TRIES", 2)
    replace = Bucket.replace

    def overtaken(self: Bucket, key: str, content: bytes, last: Version | None) -> bool:
        return key != POINTER and replace(self, key, content, last)

    monkeypatch.setattr(Bucket, "replace", overtaken)
    with pytest.raises(OvertakenError, match=r"2 times in a row.*run it again") as error:
        run(store, tagged(1))
    assert error.value.exit_code == 8
    assert open_snapshot(Path(store.at())).totals.tasks == 1
