"""`convert` as it is typed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from tests.queries.conftest import write
from tests.queries.report.conftest import some_tasks

Capture = pytest.CaptureFixture[str]

_ALONE = """
import socket, sys

def refuse(*arguments):
    raise SystemExit("a connection")

socket.socket.connect = socket.getaddrinfo = refuse
from clearml_snapshot.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

_KILLED = """
import os, signal, sys
from clearml_snapshot.cli.main import main
from clearml_snapshot.queries.convert import copying

def move(*_):
    os.kill(os.getpid(), signal.SIGKILL)

copying.move_into_place = move
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("convert") / "data"
    write(folder, [*some_tasks(4, 50), {"task_id": "f" * 32, "state": "partial"}])
    return folder


@pytest.mark.parametrize(
    ("viewer", "opened_by"),
    [("tensorboard", "tensorboard --logdir '{}'"), ("trackio", "TRACKIO_DIR='{}' trackio show")],
)
def test_a_copy_says_what_it_is_and_how_it_is_opened(
    viewer: str, opened_by: str, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "my copy"
    assert main(["convert", str(data), "--to", viewer, "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}: 4 tasks, 366 points; to open it: {opened_by.format(target)}\n"
    assert f"a copy to look at: {'TensorBoard' if viewer == 'tensorboard' else viewer}" in err
    assert "4 single values at step 0" in err
    assert "not copied: 1 task without such values" in err
    assert "warning: not complete: 1 partial" in err
    assert [path.name for path in tmp_path.iterdir()] == ["my copy"]
    assert target.stat().st_mode & 0o777 == 0o700


def test_filters_and_metrics_choose_what_is_copied(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    options = ["--project", "vision", "--metric", "accuracy", "--data", str(data), "-q"]
    assert main(["convert", "--to", "tensorboard", "-o", str(tmp_path / "runs"), *options]) == 0
    out, err = capsys.readouterr()
    assert ": 2 tasks, 80 points;" in out
    assert "a copy" not in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["vision"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "used"], "error: {}/used already exists; use a new or an empty folder"),
        (["-o", "no/where"], "error: {}/no/where: there is no folder {}/no; create it first"),
        (["-o", "-"], "error: -o -: cannot write this to stdout; give a file or folder"),
        (
            ["-o", "x", "--task", "f" * 32],
            "error: no task that matches has values; nothing to copy",
        ),
        (["-o", "x", "--metric", "nothing"], "error: no metric 'nothing'"),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    options: list[str],
    message: str,
    data: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").touch()
    assert main(["convert", str(data), "--to", "tensorboard", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message.format(tmp_path, tmp_path))
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_a_process_of_its_own_sends_nothing_and_writes_nothing_at_home(
    data: Path, tmp_path: Path
) -> None:
    (home := tmp_path / "home").mkdir()
    arguments = ["convert", str(data), "--to", "trackio", "-o", str(tmp_path / "copy")]
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, *arguments],
        env={**os.environ, "HOME": str(home), "HF_HOME": str(home), "TRACKIO_SPACE_ID": "a/b"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert [*home.iterdir()] == []
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["nlp.db", "vision.db"]


def test_a_killed_copy_leaves_nothing_that_looks_complete(data: Path, tmp_path: Path) -> None:
    arguments = ["convert", str(data), "--to", "tensorboard", "-o", str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".runs.converting-")
    assert main(arguments) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
