"""Datasets of another user: one line that names the owner of the folder, never a traceback.

Root takes the rights of a user without a name and a home for the time of a command.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearml_snapshot.exporter.store.permissions.access import naming_owner

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user"
)

READING: tuple[tuple[str, ...], ...] = (
    *(("query", "max"), ("sql", "SELECT count(*) FROM scalars"), ("status",), ("verify",)),
    *(("diff", "-1"), ("selections",), ("pack", "-o", "open/x.zip")),
)
WRITING: tuple[tuple[str, ...], ...] = (("selections", "remove", "1"), ("export", "--all"))


@pytest.fixture
def theirs(history: Path) -> Iterator[Path]:
    """A dataset of root in a folder that all users may enter, beside one to write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copytree(history, folder / "data", symlinks=True)
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def as_other(
    run_here: Callable[..., "subprocess.CompletedProcess[str]"],
    open_code: None,
    theirs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    scratch = theirs.parent / "open"
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        with contextlib.chdir(theirs.parent):  # the way back may be closed to the other user
            os.seteuid(54321)
            try:
                data = [] if arguments[0] == "verify" else ["--data"]
                return run_here(*arguments, *data, str(theirs), cwd=theirs.parent, HOME="/nowhere")
            finally:
                os.seteuid(0)

    return run


@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
def test_what_may_not_be_read_is_reported_in_one_line(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"],
    theirs: Path,
    command: tuple[str, ...],
) -> None:
    theirs.chmod(0o700)
    done = as_other(*command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "it belongs to root (mode 0700)" in done.stderr


def test_what_may_be_read_answers_without_a_place_to_write(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"], theirs: Path
) -> None:
    for path in (theirs, *theirs.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    for command in READING[:4]:
        assert as_other(*command).returncode == 0
    for command in WRITING[:1]:  # the other one contacts a server first
        done = as_other(*command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "cannot write to " in done.stderr


def test_a_place_for_scratch_is_not_taken_for_the_dataset(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"], theirs: Path
) -> None:
    for path in (theirs, *theirs.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    (theirs.parent / "open").chmod(0o755)
    done = as_other("verify")
    assert done.returncode == 1
    assert f"cannot write to {theirs.parent / 'open'}" in done.stderr
    assert "set TMPDIR to a folder that you own" in done.stderr


def test_files_that_may_not_be_read_are_not_called_damaged(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"], theirs: Path
) -> None:
    for path in (theirs, *theirs.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o600 if path.suffix == ".parquet" else 0o644)
    done = as_other("query", "max")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1), done.stderr
    assert done.stderr.endswith("; ask its owner for permission to read it\n")


def test_a_folder_inside_that_may_not_be_entered(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"], theirs: Path
) -> None:
    theirs.chmod(0o755)
    (theirs / "snapshots").chmod(0o700)
    for command in (READING[0], WRITING[1]):
        done = as_other(*command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "it belongs to root (mode 0" in done.stderr


def test_a_refusal_elsewhere_is_not_the_datasets(tmp_path: Path) -> None:
    refused = PermissionError(13, "Permission denied", "/etc/shadow")
    with pytest.raises(PermissionError), naming_owner(tmp_path):
        raise refused
