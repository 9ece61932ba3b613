"""Opening: whatever is wrong with a folder is reported in one line."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    """A dataset of three snapshots."""
    data = tmp_path_factory.mktemp("made") / "data"
    with writing(data) as dataset:
        for number in (1, 2, 3):
            commit(
                dataset,
                {(f"t{number}", "p"): line(f"t{number}", [number])},
                f"{number}",
                keep=Retention.parse("9"),
            )
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "data", symlinks=True))


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "snapshot.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))


def test_a_dataset_and_its_snapshot_folder_open_alike(data: Path) -> None:
    snapshot = open_snapshot(data)
    assert snapshot == open_snapshot(data / "current") == open_snapshot(data / "snapshots/000003")
    assert snapshot.number == 3
    assert snapshot.server == {"host": "http://localhost:8008"}
    assert snapshot.selections == {"project": ["vision"]}
    assert snapshot.created_at.utcoffset() == timedelta(0)
    assert (snapshot.totals.tasks, snapshot.totals.series, snapshot.totals.points) == (3, 3, 3)
    assert snapshot.totals.bytes == sum(Path(p).stat().st_size for p in _all_paths(snapshot))


def _all_paths(snapshot: Snapshot) -> list[str]:
    return [
        p
        for t in ("tasks", "hyperparams", "series", "scalars", "exports")
        for p in snapshot.paths(t)
    ]


@pytest.mark.parametrize(("which", "number"), [(1, 1), (3, 3), (-1, 2), (-2, 1), (None, 3)])
def test_an_older_snapshot_by_number(data: Path, which: int | None, number: int) -> None:
    assert open_snapshot(data, which).number == number


def test_an_older_snapshot_by_date(data: Path) -> None:
    second = open_snapshot(data, 2)
    third = open_snapshot(data, 3)
    before = third.created_at - timedelta(milliseconds=1)
    assert open_snapshot(data, max(second.created_at, before)).number == 2
    assert open_snapshot(data, datetime.now(UTC)).number == 3
    with pytest.raises(DatasetError, match=r"has no snapshot 2001-01-01.*; available: 1, 2, 3"):
        open_snapshot(data, datetime(2001, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("created", [None, "soon", 7, "2026-01-01T10:00:00"])
def test_an_older_snapshot_whose_date_is_damaged(data: Path, created: object) -> None:
    _edit(data / "snapshots/000001", lambda header: header.update(created_at=created))
    with pytest.raises(DatasetError, match=r"000001/snapshot.json is damaged \(.*created_at"):
        open_snapshot(data, datetime.now(UTC))


@pytest.mark.parametrize("which", [4, 0, -3])
def test_a_snapshot_that_is_not_there(data: Path, which: int) -> None:
    with pytest.raises(DatasetError, match=rf"has no snapshot {which}; available: 1, 2, 3"):
        open_snapshot(data, which)


def test_a_snapshot_folder_has_no_others(data: Path) -> None:
    with pytest.raises(DatasetError, match="is a single snapshot"):
        open_snapshot(data / "current", 1)


@pytest.mark.parametrize("made", [True, False])
def test_no_dataset(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "nothing"
    if made:
        folder.mkdir()
    with pytest.raises(DatasetError, match=r"no dataset at .*nothing; run clearml-snapshot export"):
        open_snapshot(folder)


def test_a_copied_snapshot_opens_anywhere_and_read_only(
    data: Path, tmp_path: Path, ask: Call
) -> None:
    copy = tmp_path / "elsewhere" / "handed on"
    shutil.copytree(data / "current", copy)
    shutil.rmtree(data)
    for path in copy.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    copy.chmod(0o555)
    snapshot = open_snapshot(copy)
    with hold(snapshot):
        assert ask(copy, "SELECT max(value) FROM scalars") == [(3.0,)]
    assert snapshot.paths("tasks")[0].startswith(str(copy))


def test_a_moved_dataset_opens(data: Path, tmp_path: Path) -> None:
    moved = data.rename(tmp_path / "moved")
    assert open_snapshot(moved).root == (moved / "snapshots" / "000003").resolve()


@pytest.mark.parametrize("pointer", ["current", "CURRENT", None])
def test_a_dataset_whose_symlink_did_not_survive_opens(
    data: Path, pointer: str | None, commit: Call
) -> None:
    (data / "current").unlink()
    if pointer:
        (data / pointer).write_text("snapshots/000003")
    assert open_snapshot(data).number == 3
    with writing(data) as dataset:
        assert dataset.snapshot is not None
        assert dataset.snapshot.number == 3
    assert (data / "current").resolve().name == "000003"
    assert len(list((data / "snapshots").iterdir())) == 3


@pytest.mark.parametrize("text", ["snapshots/000009", "", "../../etc", "\x00\xff"])
def test_a_pointer_to_nowhere(data: Path, text: str) -> None:
    (data / "current").unlink()
    (data / "CURRENT").write_text(text)
    with pytest.raises(DatasetError, match="its current snapshot, but there is no such folder"):
        open_snapshot(data)


def test_a_newer_format_is_refused(data: Path) -> None:
    _edit(data / "current", lambda header: header.update(format_version=99))
    with pytest.raises(DatasetError, match=r"has format version 99, .* upgrade clearml-snapshot"):
        open_snapshot(data)
    with pytest.raises(DatasetError, match="upgrade"), writing(data):
        pass


def test_another_format_is_refused(data: Path) -> None:
    _edit(data / "current", lambda header: header.update(format="something"))
    with pytest.raises(DatasetError, match="was not written by clearml-snapshot"):
        open_snapshot(data)


@pytest.mark.parametrize(
    "path",
    ["../000002/tasks/x.parquet", "/etc/passwd", "tasks/../../../x", "C:\\x", "..\\x", "C:/x", ""],
)
def test_a_path_that_leads_out_of_the_folder_is_refused(data: Path, path: str) -> None:
    _edit(data / "current", lambda header: header["files"][0].update(path=path))
    with pytest.raises(DatasetError, match="damaged"):
        open_snapshot(data)


def test_a_missing_file_is_named(data: Path) -> None:
    path = Path(open_snapshot(data).paths("series")[0])
    path.unlink()
    with pytest.raises(DatasetError, match=rf"series/{path.name} is missing from"):
        open_snapshot(data)


def test_a_file_cut_short_is_named(data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data / "current", tmp_path / "copy")
    path = Path(open_snapshot(copy).paths("scalars")[0])
    os.truncate(path, 10)
    with pytest.raises(DatasetError, match=rf"{path.name} has 10 bytes instead of"):
        open_snapshot(copy)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "clearml-snapshot", "format_version": 1}', "\x00"]
)
def test_a_damaged_snapshot_json(data: Path, text: str) -> None:
    (data / "current" / "snapshot.json").write_text(text)
    with pytest.raises(DatasetError) as caught:
        open_snapshot(data)
    assert "\n" not in str(caught.value)
    assert "snapshot.json" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "three"},
        {"created_at": "yesterday"},
        {"totals": {"tasks": 1}},
        {"files": [{"path": "x"}]},
        {"files": []},
        {"files": None},
        {"keep": "30m"},
        {"keep": ["2"]},
        {"keep": 10**400},
        {"selections": ["--all"]},
        {"selections": [None]},
        {"selections": [{"filter": ["loss"]}]},
        {"selections": [{"filter": {"tags": [["x"]]}}]},
        {"selections": [{"metrics": "loss"}]},
        {"selections": [{"metrics": [5]}]},
        {"selections": [{"matched": [5]}]},
        {"tool_version": "\ud800"},
    ],
)
def test_a_snapshot_json_of_wrong_shape(data: Path, change: dict[str, Any]) -> None:
    _edit(data / "current", lambda header: header.update(change))
    with pytest.raises(DatasetError, match=r"snapshot.json is damaged"):
        open_snapshot(data)


def test_reading_needs_neither_pyarrow_nor_duckdb(data: Path) -> None:
    code = (
        "import sys; from clearml_snapshot.exporter.store.opening import open_snapshot; "
        "from pathlib import Path; open_snapshot(Path(sys.argv[1])); "
        "print([m for m in ('pyarrow', 'duckdb', 'clearml', 'filelock') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
