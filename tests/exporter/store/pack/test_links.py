"""Links, pipes and queries in a folder from elsewhere."""

import os
import shutil
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries.ask.user_queries import folders


@pytest.fixture
def arrived(root: Path, tmp_path: Path) -> Path:
    """A snapshot folder that came in a tar, to be filled with traps."""
    return Path(shutil.copytree(root, tmp_path / "arrived"))


def first_part(folder: Path, table: str) -> Path:
    return min(folder.joinpath(table).rglob("*.parquet"))


@pytest.mark.parametrize("table", ["tasks", "scalars"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_that_lead_out_of_a_folder(
    arrived: Path, tmp_path: Path, table: str, what: str
) -> None:
    path = first_part(arrived, table) if what == "file" else first_part(arrived, table).parent
    outside = path.rename(tmp_path / path.name)
    path.symlink_to(outside, target_is_directory=what == "folder")
    with pytest.raises(DatasetError, match="a link that points outside the folder"):
        open_snapshot(arrived)
    assert any("a link that points outside" in problem for problem in verify(arrived).problems)


def test_links_that_stay_inside_are_followed(arrived: Path) -> None:
    path = first_part(arrived, "tasks")
    path.symlink_to(path.rename(arrived / "tasks" / ".kept"))
    assert open_snapshot(arrived).totals.tasks == 2
    assert verify(arrived).is_intact


@pytest.mark.parametrize("name", ["tasks", "README.md", "SHA256SUMS", "index.html"])
def test_pipes_are_not_waited_for(arrived: Path, name: str) -> None:
    path = first_part(arrived, "tasks") if name == "tasks" else arrived / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert not verify(arrived).is_intact
    if name == "tasks":
        with pytest.raises(DatasetError, match="is not a regular file"):
            open_snapshot(arrived)


def test_a_pipe_for_a_snapshot_json(data: Path, arrived: Path, tmp_path: Path) -> None:
    (arrived / "snapshot.json").unlink()
    os.mkfifo(arrived / "snapshot.json")
    (tmp_path / "data" / "snapshots").mkdir(parents=True)
    arrived.rename(tmp_path / "data" / "snapshots" / "000001")
    with pytest.raises(DatasetError, match="not a regular file"):
        open_snapshot(tmp_path / "data")
    assert not verify(tmp_path / "data").is_intact


def test_queries_that_come_with_a_snapshot_are_not_loaded(arrived: Path, data: Path) -> None:
    for folder in ("queries", "snapshots"):
        (arrived / folder).mkdir()
    (arrived / "queries" / "steal.sql").write_text("SELECT 1")
    assert folders([], arrived, {}) == ()
    assert folders([], arrived / "x.zip", {}) == ()
    (arrived / "snapshot.json").unlink()  # a dataset has its own
    assert folders([], arrived, {}) == (arrived / "queries",)
