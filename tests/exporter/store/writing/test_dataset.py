"""Making, locking and pruning a dataset."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import DatasetError, LockedError, UsageError
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import hold
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.exporter.store.writing.prepare import prepare

Call = Callable[..., Any]


def _numbers(data: Path) -> list[str]:
    return sorted(path.name.lstrip("0") for path in (data / "snapshots").iterdir())


def test_a_new_dataset_is_private_ignored_and_explained(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    prepare(data)
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / ".gitignore").read_text() == "*\n"
    assert "`current`" in (data / "README.md").read_text()
    prepare(data)


def test_existing_files_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("/data/*")
    (tmp_path / ".DS_Store").write_text("")
    prepare(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text() == "/data/*"


@pytest.mark.parametrize("name", ["thesis.tex", "snapshots/mine/x", "README.txt", "demo/x"])
def test_a_folder_that_is_not_a_dataset_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="is not a clearml-snapshot dataset"):
        prepare(tmp_path)
    assert not (tmp_path / ".gitignore").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        prepare(tmp_path / "data")


def test_a_snapshot_folder_is_not_written_to(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {})
    with pytest.raises(UsageError, match="is a single snapshot, which never changes"):
        prepare(tmp_path / "data" / "current")


def test_datasets_may_be_inside_a_new_one(tmp_path: Path, commit: Call) -> None:
    """``demo`` leaves ``data/demo`` behind, and ``data`` is the default."""
    with writing(tmp_path / "data" / "demo") as dataset:
        commit(dataset, {})
    with writing(tmp_path / "data") as dataset:
        assert dataset.snapshot is None
        commit(dataset, {})
    assert open_snapshot(tmp_path / "data" / "demo").number == 1


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "data"):
        with pytest.raises(LockedError) as caught, writing(tmp_path / "data"):
            pass
        message = str(caught.value)
        assert f"process {os.getpid()} since 20" in message
        assert "`wait=True`" in message
    with writing(tmp_path / "data"):
        pass
    assert not (tmp_path / "data" / ".staging").exists()


def test_a_second_writer_waits(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from clearml_snapshot.exporter.store.writing.dataset import writing\n"
        "with writing(Path(sys.argv[1])):\n"
        "    print('locked', flush=True); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    entered = threading.Event()

    def wait() -> None:
        with writing(tmp_path, wait=True):
            entered.set()

    waiting = threading.Thread(target=wait)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(LockedError, match=f"process {other.pid} "), writing(tmp_path):
            pass
        waiting.start()
        assert not entered.is_set()
        other.stdin.write("end\n")
        other.stdin.flush()
        waiting.join()
    assert entered.is_set()


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path) as dataset:
        commit(dataset, {})
    (tmp_path / ".staging" / "000002").mkdir(parents=True)
    (tmp_path / "snapshots" / "000002").mkdir()
    with writing(tmp_path) as dataset:
        assert _numbers(tmp_path) == ["1"]
        assert commit(dataset, {}).number == 2


def test_the_last_finished_exports_are_kept(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path) as dataset:
        for _ in range(4):
            commit(dataset, {})
        assert _numbers(tmp_path) == ["3", "4"]
        assert dataset.removed == (1, 2)
        commit(dataset, {}, keep=Retention.parse("1"))
        assert _numbers(tmp_path) == ["5"]
        commit(dataset, {})
        assert _numbers(tmp_path) == ["6"], "the rule is remembered"
    with writing(tmp_path) as dataset:
        assert dataset.retention == Retention.parse("1")
        commit(dataset, {})
        assert (_numbers(tmp_path), dataset.removed) == (["7"], (6,))


def test_an_age_keeps_by_time(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path) as dataset:
        for _ in range(4):
            commit(dataset, {}, keep=Retention.parse("30d"))
        assert _numbers(tmp_path) == ["1", "2", "3", "4"]
        commit(dataset, {}, keep=Retention.parse("0h"))
        assert _numbers(tmp_path) == ["5"]


def test_an_amendment_has_the_contents_and_the_age_of_the_last_snapshot(
    tmp_path: Path, commit: Call, line: Call, export_row: Call, ask: Call
) -> None:
    with writing(tmp_path) as dataset:
        with pytest.raises(DatasetError, match="no snapshot yet"):
            dataset.amend(export_row=export_row("failed"))
        commit(dataset, {("a", "p"): line("a", [1])}, "one")
        last = commit(dataset, {("b", "p"): line("b", [2])}, "two", keep=Retention.parse("2"))
        for name in ("three", "four", "five"):
            now = dataset.amend(export_row=export_row(name))
        assert _numbers(tmp_path) == ["1", "2", "5"], "nothing is pruned"
        assert (now.created_at, now.totals.points) == (last.created_at, 2)
        assert (now.selections, now.server, now.keep) == (last.selections, last.server, "2")
        assert ask(now.root, "SELECT count(*) FROM exports") == [(5,)]
        commit(dataset, {("c", "p"): line("c", [2])}, "six")
        assert _numbers(tmp_path) == ["5", "6"], "of equal contents only the newest counts"


def test_snapshots_of_different_contents_never_have_the_same_moment(
    tmp_path: Path, commit: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Stopped":
            return cls(2026, 3, 1, tzinfo=tz)

    monkeypatch.setattr("clearml_snapshot.exporter.store.writing.dataset.datetime", Stopped)
    with writing(tmp_path) as dataset:
        assert commit(dataset, {}).created_at < commit(dataset, {}).created_at


def test_checkpoints_go_when_their_run_ends(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path) as dataset:
        commit(dataset, {}, "one")
        for _ in range(3):
            commit(dataset, {}, "two", checkpoint=True)
        assert _numbers(tmp_path) == ["1", "2", "3", "4"]
        commit(dataset, {}, "two")
    assert _numbers(tmp_path) == ["1", "5"]


def test_a_snapshot_that_is_read_is_not_pruned(tmp_path: Path, commit: Call, ask: Call) -> None:
    with writing(tmp_path) as dataset:
        first = commit(dataset, {})
        with hold(first):
            for _ in range(3):
                commit(dataset, {}, keep=Retention.parse("1"))
            assert _numbers(tmp_path) == ["1", "4"]
            assert ask(first.root, "SELECT count(*) FROM tasks") == [(0,)]
        commit(dataset, {})
        assert _numbers(tmp_path) == ["5"]
    with pytest.raises(DatasetError, match="snapshot 1 has been removed"), hold(first):
        pass


def test_a_commit_that_fails_changes_nothing(
    tmp_path: Path, commit: Call, line: Call, task_row: Call, export_row: Call
) -> None:
    with writing(tmp_path) as dataset:
        commit(dataset, {("a", "p"): line("a", [1])})
        stage = dataset.new_stage()
        stage.add(task_row("b", state=None))
        with pytest.raises(pa.ArrowInvalid, match="state"):
            dataset.commit(stage, server={}, selections={}, export_row=export_row("e"))
        assert open_snapshot(tmp_path) == dataset.snapshot
        assert _numbers(tmp_path) == ["1"]
        assert commit(dataset, {("b", "p"): line("b", [1])}).totals.tasks == 2


def test_readers_never_miss_while_commits_go_on(tmp_path: Path, commit: Call, line: Call) -> None:
    """Where one is kept, the snapshot that a reader has just found is pruned under its hands."""
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = open_snapshot(tmp_path)
            assert snapshot.totals.tasks == 1
            seen.append(snapshot.number)

    with writing(tmp_path) as dataset, ThreadPoolExecutor(1) as pool:
        commit(dataset, {("a", "p"): line("a", [1])})
        reader = pool.submit(read)
        value = 0
        # A reader may get no turn for a while.
        while value < 5 or (len(set(seen)) < 3 and not reader.done()):
            commit(dataset, {("a", "p"): line("a", [value])}, keep=Retention.parse("1"))
            value += 1
        done.set()
        reader.result()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
