"""Temporary files beside a target: their names, their removal, and what killed processes left."""

import errno
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.disk.scratch import replacing_file, scratch_beside
from clearml_snapshot.exporter.store.own_cache import spill_folder

Begin = Callable[[Path], AbstractContextManager[Any]]


def _packing(target: Path) -> AbstractContextManager[Path]:
    return scratch_beside(target, "packing")


@contextmanager
def _killed(begin: Begin, target: Path) -> Iterator[Path]:
    """Leave what a killed process would leave: its lock is gone, and the rest is there."""
    before = {*target.parent.iterdir()}
    with suppress(ZeroDivisionError), begin(target):
        (made,) = {*target.parent.iterdir()} - before
        if made.is_dir():
            (made / "pack").mkdir()
            (made / "pack" / "points").write_text("1")
        kept = made.rename(made.with_name("kept"))
        raise ZeroDivisionError
    kept.rename(made)
    yield made


def _names_of_one_that_fails(begin: Begin, target: Path) -> list[str]:
    names: list[str] = []
    with suppress(ZeroDivisionError), begin(target):
        names += [entry.name for entry in target.parent.iterdir()]
        raise ZeroDivisionError
    return names


@pytest.mark.parametrize("begin", [_packing, replacing_file])
@pytest.mark.parametrize("name", ["q3", "😀" * 63])
def test_names_cannot_be_guessed_and_nothing_is_left(
    tmp_path: Path, begin: Begin, name: str
) -> None:
    (first,) = _names_of_one_that_fails(begin, tmp_path / name)
    assert not [*tmp_path.iterdir()]
    (second,) = _names_of_one_that_fails(begin, tmp_path / name)
    assert first != second
    assert re.fullmatch(r"\..*(packing-\w{8}|[0-9a-f]{16}\.part)", first)


@pytest.mark.parametrize("begin", [_packing, replacing_file])
def test_what_a_killed_one_left_goes_and_nothing_else_does(tmp_path: Path, begin: Begin) -> None:
    target = tmp_path / "q3"
    others_files = [tmp_path / ".q3.packing-abcdefgh", tmp_path / ".q3.part", tmp_path / "q3.part"]
    for path in others_files:
        path.mkdir()
        (path / "thesis.tex").write_text("")
    link = tmp_path / f".q3.{'0' * 16}.part"
    link.symlink_to(others_files[0])
    with _killed(begin, target) as left, begin(tmp_path / "other"):
        assert left.exists()
        with begin(target), begin(target):
            assert not left.exists()
            assert len([*tmp_path.iterdir()]) == 4 + 1 + 2
    assert {*others_files, link} <= {*tmp_path.iterdir()}
    assert all((path / "thesis.tex").exists() for path in others_files)


@pytest.mark.parametrize("begin", [_packing, replacing_file])
def test_without_locks_age_decides(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with _killed(begin, tmp_path / "q3") as left:
        monkeypatch.setattr(fcntl, "flock", refuse)
        with begin(tmp_path / "q3"):
            assert left.exists()
        day_ago = time.time() - 25 * 3600
        for path in (left, *(left.iterdir() if left.is_dir() else ())):
            os.utime(path, (day_ago, day_ago))
        with begin(tmp_path / "q3"):
            assert not left.exists()


def test_a_file_is_there_at_once_and_has_the_usual_mode(tmp_path: Path) -> None:
    target = tmp_path / "q3.csv"
    before = os.umask(0o027)
    try:
        with replacing_file(target) as file:
            file.write(b"a\n")
            assert not target.exists()
    finally:
        os.umask(before)
    assert target.read_bytes() == b"a\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_did_not_fit_into_the_memory_of_a_killed_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = spill_folder()
    assert own is not None
    prefix = own.name.partition(f"{os.getpid()}-")[0]
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    left, *others = (
        own.with_name(name)
        for name in (
            f"{prefix}{ended.pid}-12ab",
            f"{prefix}{os.getpid()}-12ab",
            f"{prefix}1-12ab",
            f"spill-other-{ended.pid}-12ab",
            f"{prefix}0-12ab",
        )
    )
    for folder in (left, *others):
        folder.mkdir()
    assert spill_folder() not in (own, None)
    assert {*own.parent.iterdir()} == {*others}
