"""Commands that kill themselves (SIGKILL) at a chosen call of the system.

One process has all imports already and forks for each command; a fork dies at the call that is
named by its number, before that call does anything.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pointer import current_snapshot_folder
from clearml_snapshot.exporter.store.writing.dataset import writing

_SCRIPT: Final = """
import contextlib, io, itertools, json, os, signal, sys
from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.merge import merge
from clearml_snapshot.exporter.store.parts import canonical, compaction
from clearml_snapshot.exporter.store.untrusted import parquet_statistics
from clearml_snapshot.queries import dataset

CALLS = ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink")


def dying(call, counted, last):
    def counting(*arguments, **options):
        if next(counted) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)

    return counting


def run(arguments, last):
    counted = itertools.count(1)
    for name in CALLS:
        setattr(os, name, dying(getattr(os, name), counted, last))
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return {"code": code, "calls": next(counted) - 1, "told": err.getvalue()}


for line in sys.stdin:
    arguments, last = json.loads(line)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(run(arguments, last)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as told:
        print(json.dumps(json.loads(told.read() or "null")), flush=True)
"""


class Killer:
    """Runs commands in forks of one process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def calls(self, *arguments: str) -> int:
        """Run a command to its end, and give how many calls it makes."""
        done = self._run(arguments, 0)
        assert done is not None
        assert done["code"] == 0, done
        return int(str(done["calls"]))

    def kill(self, last: int, *arguments: str) -> None:
        """Run a command up to a call."""
        assert self._run(arguments, last) is None

    def _run(self, arguments: tuple[str, ...], last: int) -> dict[str, object] | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([arguments, last]), file=self._process.stdin, flush=True)
        done: dict[str, object] | None = json.loads(self._process.stdout.readline())
        return done


def commands(sources: Path) -> dict[str, tuple[list[str], str]]:
    """Give commands that make something new, each with the name of what it makes.

    Args:
        sources: what ``make_sources`` has filled.
    """
    ours, theirs, pack = (str(sources / name) for name in ("ours", "theirs", "x.zip"))
    return {
        "merge": (["merge", ours, theirs, "--quiet"], "both"),
        "unpack": (["unpack", pack, "--quiet"], "out"),
        "pack": (["pack", "--data", ours, "--quiet"], "folder"),
        "zip": (["pack", "--data", ours, "--quiet"], "y.zip"),
        "answer": (["sql", "SELECT 1", "--data", ours], "x.csv"),
    }


def make_sources(folder: Path, commit: Callable[..., Any], line: Callable[..., Any]) -> None:
    """Make two datasets."""
    for name, value in (("ours", 1.0), ("theirs", 2.0)):
        with writing(folder / name) as dataset:
            tasks = {("both", "p"): line("both", [value]), (name, "p"): line(name, [value])}
            commit(dataset, tasks, name)


def check(kill: "Killer", command: list[str], target: Path, *, existed: bool, most: int) -> int:
    """Kill a command at its calls, and see after each that the next one makes it and cleans up.

    Args:
        kill: kills it.
        command: makes something new, without its ``-o``.
        target: what it makes, in a folder of its own.
        existed: whether there is an empty folder at its place before.
        most: the number of its calls, spread evenly.

    Returns:
        At how many calls it was killed.
    """
    arguments = [*command, "-o", str(target)]
    _clear(target, existed=existed)
    calls = kill.calls(*arguments)
    made = _contents(target.parent)
    points = sorted({round(calls * part / (most + 1)) or 1 for part in range(1, most + 1)})
    for last in points:
        _clear(target, existed=existed)
        kill.kill(last, *arguments)
        if _is_complete(target):
            continue
        out = io.TextIOWrapper(io.BytesIO())
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as captured:
            code = main(arguments)
        assert (code, last) == (0, last), captured.getvalue()
        assert (_contents(target.parent), last) == (made, last)
    return len(points)


def _is_complete(target: Path) -> bool:
    """Return whether a folder is complete already, so that the next run would refuse to write."""
    if not target.is_dir() or not any(target.rglob("snapshot.json")):
        return False
    if (target / ".staging").exists() and current_snapshot_folder(target) is None:
        return False
    open_snapshot(target)
    return True


def _clear(target: Path, *, existed: bool) -> None:
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    if existed:
        target.mkdir()


def _contents(folder: Path) -> dict[str, int]:
    """Give the size of each file, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


@contextmanager
def killer() -> Iterator[Killer]:
    """Start the process."""
    command = [sys.executable, "-c", _SCRIPT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()
