"""Drives that refuse `flock` (NFS without a lock service): one writer all the same, and readers."""

import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import SoftFileLock

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import LockedError
from clearml_snapshot.exporter.store.disk.locks import marker_of
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]
REFUSALS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def refused(number: int) -> None:
        def flock(descriptor: int, operation: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    return refused


@pytest.fixture
def data(tmp_path: Path, commit: Call, line: Call) -> Path:
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {("a", "p"): line("a", [1.0, 2.0])}, "1")
    return tmp_path / "data"


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_one_writer_at_a_time(refuse: Callable[[int], None], data: Path) -> None:
    before = _names(data)
    for number in REFUSALS:
        refuse(number)
        with writing(data):
            with pytest.raises(LockedError) as held, writing(data):
                pass
            assert f"is being written by process {os.getpid()} on " in str(held.value)
            assert f"if it has ended, delete {marker_of(layout.lock(data))}" in str(held.value)
        assert _names(data) == before


def test_readers_need_no_lock(
    refuse: Callable[[int], None], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(errno.ENOLCK)
    copy = tmp_path / "copy"
    shutil.copytree(data, copy, symlinks=True)
    both = str(tmp_path / "both")
    for command in (
        ["sql", "SELECT max(value) FROM scalars", "--data", str(data)],
        ["merge", str(data), str(copy), "-o", both, "--quiet"],
        ["sql", "SELECT max(value) FROM scalars", "--data", both],
    ):
        assert main(command) == 0, capsys.readouterr().err
    assert _names(Path(both)) == _names(data)


@pytest.mark.parametrize("has_locks", [True, False])
def test_a_writer_of_another_machine_is_heeded(
    has_locks: bool, refuse: Callable[[int], None], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees the same drive, and need not be able to lock there."""
    with monkeypatch.context() as other:
        other.setattr(socket, "gethostname", lambda: "other")
        marker = marker_of(layout.lock(data))
        held = SoftFileLock(marker)
        held.acquire()
    if not has_locks:
        refuse(errno.ENOLCK)
    message = r"process \d+ on other.*; if it has ended, delete "
    with pytest.raises(LockedError, match=message), writing(data):
        pass
    marker.unlink()
    with writing(data):
        pass


def test_a_killed_writer_that_had_a_lock_where_this_machine_has_none(
    refuse: Callable[[int], None], data: Path
) -> None:
    refuse(errno.ENOLCK)
    layout.staging(data).mkdir()
    owner = {"pid": 7, "host": "other", "since": "2026-03-01T12:00:00+00:00"}
    layout.owner(data).write_text(json.dumps(owner))
    message = r"process 7 on other since 2026-.*or delete .*\.staging"
    with pytest.raises(LockedError, match=message), writing(data):
        pass
    assert layout.owner(data).is_file()
    layout.owner(data).write_text(json.dumps({**owner, "host": socket.gethostname()}))
    with writing(data):
        pass


def test_an_error_of_the_drive_is_none_of_its_locks(
    refuse: Callable[[int], None], data: Path
) -> None:
    refuse(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), writing(data):
        pass
    assert not marker_of(layout.lock(data)).exists()
