"""Failing disks: one line names what failed and the file; only a full disk is reported as full."""

import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import cannot_write, disk_errors, way_out
from clearml_snapshot.exporter.store.disk.files import copy_synced
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]
ARROWS = OSError(errno.EIO, "Error writing bytes to file. Detail: [errno 5] Input/output error")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left", "x"), "x: No space left; free some space there"),
        (OSError("… Detail: [errno 122] Disk"), "data: Disk quota exceeded; free some space there"),
        (ARROWS, "data: Input/output error; check the disk"),
        (OSError(errno.EIO, "broken", "from", None, "to"), "to: broken; check the disk"),
        (OSError(errno.EROFS, "read only", "x"), "x: read only; get permission to write there"),
    ],
)
def test_what_failed_and_what_to_do(error: OSError, message: str) -> None:
    assert f"{cannot_write(error, Path('data'))}; {way_out(error)}" == f"cannot write {message}"
    elsewhere = OSError(errno.ENOENT, "none", "/elsewhere/x.sql")
    assert cannot_write(elsewhere, Path("data")) == "/elsewhere/x.sql: none"


def test_an_error_elsewhere_is_left_alone(tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "data", tmp_path / "other" / "x"
    with (
        pytest.raises(FileNotFoundError, match="other"),
        disk_errors(target, "kept", only_there=True),
    ):
        elsewhere.read_text()
    with (
        pytest.raises(SnapshotError, match=r"cannot write .*: No space.*; kept; free .* there!$"),
        disk_errors(target, "kept", "!", only_there=True),
    ):
        raise OSError(errno.ENOSPC, "No space left", str(target / "x"))


def test_what_no_command_foresaw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ARROWS

    monkeypatch.setattr("clearml_snapshot.cli.main._run", fail)
    assert main([]) == 1
    assert capsys.readouterr().err == "error: system: Input/output error\n"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs files that always fail")
def test_a_copy_names_the_file_that_fails(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot read /proc/self/mem: Input/output error; check"):
        copy_synced(Path("/proc/self/mem"), tmp_path / "copy")
    (tmp_path / "x").write_bytes(b"1")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        copy_synced(tmp_path / "x", Path("/dev/full"))


def _fail(error: OSError, *_: object) -> None:
    raise error


@pytest.fixture
def two(tmp_path: Path, commit: Call, line: Call) -> list[str]:
    for name in ("ours", "theirs"):
        with writing(tmp_path / name) as dataset:
            commit(dataset, {(name, "p"): line(name, [1.0])}, name)
    return [str(tmp_path / name) for name in ("ours", "theirs")]


def test_what_cannot_be_written(
    two: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    merge = ["merge", *two, "-o", str(tmp_path / "both")]
    pack = ["pack", "--data", two[0], "-o", str(tmp_path / "x.zip")]
    for command, number, way in (
        (merge, errno.EIO, "check the disk"),
        (merge, errno.ENOSPC, "free some space there"),
        (pack, errno.EIO, "check the disk"),
    ):
        error = OSError(number, os.strerror(number))
        monkeypatch.setattr(os, "fsync", functools.partial(_fail, error))
        assert main(command) == 1
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.startswith(f"error: cannot write {tmp_path}/")
        assert f": {os.strerror(number)}; " in message
        assert message.endswith(f"; {way}"), message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]


def test_what_is_stored_and_cannot_be_read(
    two: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ARROWS

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", fail)
    for command in (
        ["merge", *two, "-o", str(tmp_path / "both")],
        ["pack", "--data", two[0], "--redact", "users", "-o", str(tmp_path / "x.zip")],
    ):
        assert main(command) == 5
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.startswith(f"error: cannot read {tmp_path}/")
        assert ".parquet: Input/output error; check the disk that it is on" in message
