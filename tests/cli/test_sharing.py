"""`--share group`: a colleague of the group reads with every command, and changes nothing.

Root takes the rights of a second user, who is a member of the dataset's group and has no home.
"""

import contextlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.pack.cache import _temporary
from clearml_snapshot.exporter.store.permissions import modes
from clearml_snapshot.exporter.store.writing.dataset import writing

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Captured = pytest.CaptureFixture[str]
GROUP, MEMBER, STRANGER = 54322, 54321, 54323

as_others = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user"
)


@pytest.fixture
def shared(history: Path) -> Iterator[Path]:
    """A dataset of root that a group reads, in a folder that all users may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copytree(history, folder / "data", symlinks=True)
    os.chown(folder / "data", -1, GROUP)
    with writing(folder / "data", share="group"):
        pass
    (folder / "theirs").mkdir()
    os.chown(folder / "theirs", MEMBER, MEMBER)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def as_user(run_here: Run, open_code: None, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(tempfile, "tempdir", str(shared.parent / "theirs"))

    def run(user: int, *arguments: str, data: bool = True) -> "subprocess.CompletedProcess[str]":
        typed = [*arguments, "--data", str(shared)] if data else arguments
        with contextlib.chdir(shared.parent):  # the way back may be closed to the other user
            before = os.getgroups()
            _temporary.cache_clear()  # of another user, as no process has two
            os.setgroups([GROUP] if user == MEMBER else [])
            os.setegid(user)
            os.seteuid(user)
            try:
                return run_here(*typed, cwd=shared.parent, HOME="/nowhere")
            finally:
                os.seteuid(0)
                os.setegid(0)
                os.setgroups(before)
                _temporary.cache_clear()

    return run


def _listing(data: Path) -> list[tuple[str, int, int]]:
    entries = [(path, path.lstat()) for path in sorted(data.rglob("*"))]
    return [(str(path), status.st_mode, status.st_mtime_ns) for path, status in entries]


@as_others
def test_a_member_reads_and_leaves_no_trace(as_user: Run, shared: Path) -> None:
    before, theirs = _listing(shared), shared.parent / "theirs"
    # Root loads what Python loads late: its folder may be closed to the other user.
    own = str(shared.parent / "own.zip")
    assert main(["pack", "--data", str(shared), "-o", own, "--quiet"]) == 0
    assert main(["verify", own]) == 0
    for command in (
        ("query", "max"),
        ("sql", "SELECT count(*) FROM scalars"),
        ("status",),
        ("selections",),
        ("verify",),
        ("diff", "1"),
        ("pack", "-o", str(theirs / "x.zip")),
        ("pack", "-o", str(theirs / "x")),
    ):
        done = as_user(MEMBER, *command)
        assert done.returncode == 0, (command, done.stderr)
    assert as_user(MEMBER, "verify", str(theirs / "x.zip"), data=False).returncode == 0
    both = ("merge", str(shared), str(theirs / "x"), "-o", str(theirs / "both"))
    assert as_user(MEMBER, *both, data=False).returncode == 0
    assert _listing(shared) == before


@as_others
def test_what_a_member_may_not_do_is_reported_in_one_line(
    as_user: Run, shared: Path, server: Any
) -> None:
    before = _listing(shared)
    for command in (
        ("export", "--all"),
        ("export", "--share", "owner"),
        ("selections", "remove", "1"),
    ):
        done = as_user(MEMBER, *command, *(["--quiet"] if command[0] == "export" else []))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert f"cannot write to {shared}: it belongs to root (mode 2750)" in done.stderr
    assert _listing(shared) == before


@as_others
def test_who_may_not_read_gets_a_way_out(as_user: Run, shared: Path) -> None:
    done = as_user(STRANGER, "status")
    assert done.returncode == 1
    assert f"only members of the group {GROUP} can read it; join it" in done.stderr
    with writing(shared, share="owner"):
        pass
    done = as_user(MEMBER, "query", "max")
    way = f"(clearml-snapshot export --share group --data {shared}), or give you a pack"
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"its owner can share it with its group {way}" in done.stderr


def test_export_shares_and_status_reports(take: Any, data: Path, capsys: Captured) -> None:
    assert take("--all", "--share", "group") == 0
    assert f"can read {data}\n" in capsys.readouterr().err
    assert main(["status", "--data", str(data), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["readable_by"] == "group"
    assert take() == 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o2750
    assert {p.stat().st_mode & 0o777 for p in data.rglob("*.parquet")} == {0o640}
    assert take("--share", "owner") == 0
    capsys.readouterr()
    assert main(["status", "--data", str(data)]) == 0
    assert "\nreadable by owner\n" in capsys.readouterr().out
    assert {p.stat().st_mode & 0o777 for p in data.rglob("*.parquet")} == {0o600}


def test_sharing_needs_no_server(
    take: Any, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("CLEARML_API_HOST", "http://127.0.0.1:9")
    assert take("--all", "--share", "group", "--quiet") == 4  # is remembered as it was requested
    assert stat.S_IMODE(data.stat().st_mode) == 0o2750
    assert take("--share", "owner", "--quiet") == 4
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_merge_and_unpack_share_what_they_make(
    history: Path, tmp_path: Path, capsys: Captured
) -> None:
    other, both, out = tmp_path / "other", tmp_path / "both", tmp_path / "out"
    shutil.copytree(history, other, symlinks=True)
    held = {path: path.stat().st_mode for path in other.rglob("*")}
    assert main(["merge", str(other), str(history), "-o", str(both), "--share", "group"]) == 0
    assert {path: path.stat().st_mode for path in other.rglob("*")} == held
    pack = ["pack", "--data", str(history), "-o", str(tmp_path / "x.zip"), "--quiet"]
    assert main(pack) == 0
    unpack = ["unpack", str(tmp_path / "x.zip"), "--quiet", "-o"]
    assert main([*unpack, str(out), "--share", "group"]) == 0
    (tmp_path / "made").mkdir()
    (tmp_path / "made").chmod(0o2750)
    assert main([*unpack, str(tmp_path / "made")]) == 0
    for folder in (both, out, tmp_path / "made"):
        paths = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
        modes = {path: 0o2750 if path.is_dir() else 0o640 for path in paths}
        assert {path: stat.S_IMODE(path.stat().st_mode) for path in paths} == modes


def test_where_there_are_no_modes_it_does_not_apply(
    take: Any, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(modes, "HAS_MODES", False)
    assert take("--all", "--share", "group") == 2
    stderr = capsys.readouterr().err
    assert "--share does not apply on Windows" in stderr
    assert stderr.count("\n") == 1


def test_a_user_without_a_name_and_a_home(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    pack = str(tmp_path / "x.zip")
    assert main(["pack", "--data", str(history), "-o", pack, "--quiet"]) == 0
    for name in ("HOME", "XDG_CACHE_HOME", "CLEARML_CONFIG_FILE", "CLEARML_API_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for data in (str(history), pack):
        assert main(["query", "max", "--data", data]) == 0
    capsys.readouterr()
    assert main(["export", "--all", "--data", str(tmp_path / "data")]) != 0
    assert capsys.readouterr().err.count("\n") == 1
