"""What systems and copying tools leave in a dataset changes no answer and goes into no pack."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main

Capture = pytest.CaptureFixture[str]
NAMES = (".DS_Store", "Thumbs.db", "desktop.ini", ".nfs000000000123abcd00000001", ".~lock.x#")


def _sow(root: Path) -> None:
    """Leave litter in every folder, also under the names that AppleDouble gives to our files."""
    for folder, _, names in list(os.walk(root)):
        for name in (*NAMES, *(f"._{name_of}" for name_of in names)):
            Path(folder, name).write_bytes(b"\x00\x05\x16\x07")
        Path(folder, "@eaDir").mkdir()


@pytest.fixture
def littered(take: Callable[..., int], data: Path, tmp_path: Path, capsys: Capture) -> Path:
    """A dataset of two snapshots; a copy of it has litter in every folder."""
    assert take("--all", "--limit", "3", "-q") == 0
    assert take("--all", "-q") == 0
    copy = tmp_path / "littered" / "data"
    shutil.copytree(data, copy, symlinks=True)
    _sow(copy)
    capsys.readouterr()
    return copy


COMMANDS = (
    ("query", "max"),
    ("query", "tasks"),
    ("sql", "SELECT count(*), sum(value) FROM scalars"),
    ("status",),
    ("diff", "-1", "2"),
    ("selections",),
    ("export", "-q"),
)


def test_every_answer_is_the_same(
    littered: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for command in COMMANDS:
        answers = []
        for folder in (data, littered):
            monkeypatch.chdir(folder.parent)
            assert main([*command, "--data", folder.name]) == 0
            answers.append(capsys.readouterr().out.replace(str(folder), ""))
        assert answers[0] == answers[1], command


def test_pack_and_merge_leave_it_out(
    littered: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "target"
    for place, folder in (("a", data), ("b", littered)):
        assert main(["pack", "-o", str(tmp_path / f"{place}.zip"), "--data", str(folder)]) == 0
    first, second = ((tmp_path / f"{place}.zip").read_bytes() for place in "ab")
    assert first == second
    for command in (["pack", "--data", str(littered)], ["merge", str(data), str(littered)]):
        target.mkdir()
        (target / ".DS_Store").write_text("x")
        assert main([*command, "-o", str(target)]) == 0
        assert main(["verify", str(target)]) == 0
        assert [path.name for path in target.rglob("*.DS_Store")] == [".DS_Store"]
        shutil.rmtree(target)
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as pack:
        for name in list(pack.namelist()):
            pack.writestr(f"__MACOSX/{name}", b"x")
    answers = []
    for place in "ab":
        assert main(["query", "max", "--data", str(tmp_path / f"{place}.zip")]) == 0
        answers.append(capsys.readouterr().out.splitlines()[-3:])
    assert answers[0] == answers[1]
