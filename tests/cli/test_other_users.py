"""Datasets of another user: one line that says whose folder it is; no command ends in a traceback.

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

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user"
)

READING: tuple[tuple[str, ...], ...] = (
    *(("query", "max"), ("sql", "SELECT count(*) FROM scalars"), ("status",), ("verify",)),
    *(("diff", "-1"), ("selections",)),
)
WRITING: tuple[tuple[str, ...], ...] = (("selections", "remove", "1"),)


@pytest.fixture
def theirs(history: Path) -> Iterator[Path]:
    """A dataset of root in a folder that everybody may enter, beside one to write to."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    shutil.copytree(history, place / "data", symlinks=True)
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    yield place / "data"
    shutil.rmtree(place)


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
def test_what_may_not_be_read_is_told_in_one_line(
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
    for place in (theirs, *theirs.rglob("*")):
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() else 0o644)
    for command in READING[:4]:
        assert as_other(*command).returncode == 0
    for command in WRITING:
        done = as_other(*command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "cannot write to " in done.stderr


def test_a_place_for_scratch_is_not_taken_for_the_dataset(
    as_other: Callable[..., "subprocess.CompletedProcess[str]"], theirs: Path
) -> None:
    for place in (theirs, *theirs.rglob("*")):
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() else 0o644)
    (theirs.parent / "open").chmod(0o755)
    done = as_other("verify")
    assert done.returncode == 1
    assert f"cannot write to {theirs.parent / 'open'}" in done.stderr
    assert "set TMPDIR to a folder of yours" in done.stderr
