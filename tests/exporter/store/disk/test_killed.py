"""A killed command does not block the next one, which succeeds and cleans up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from tests.support.killing import Killer, check, commands, killer, make_sources

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def kill() -> Iterator[Killer]:
    with killer() as started:
        yield started


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    make_sources(folder, commit, line)
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("name", "existed", "most"), [("merge", True, 2), ("answer", False, 1)])
def test_the_next_one_makes_it(
    name: str, existed: bool, most: int, kill: Killer, sources: Path, tmp_path: Path
) -> None:
    """`make soak` kills at every call."""
    before = _contents(sources)
    command, target = commands(sources)[name]
    check(kill, command, tmp_path / "in" / target, existed=existed, most=most)
    assert _contents(sources) == before


@pytest.mark.parametrize(
    "name", ["thesis.tex", "README.md", ".gitignore", ".staging/x", "snapshots/x", "current"]
)
def test_a_merge_takes_nothing_else_for_its_own(
    name: str, sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other_file = tmp_path / "both" / name
    other_file.parent.mkdir(parents=True)
    other_file.write_text("mine")
    merge = ["merge", str(sources / "ours"), str(sources / "theirs"), "-o", str(tmp_path / "both")]
    assert main(merge) == 2
    assert "already exists; use a new or an empty folder" in capsys.readouterr().err
    assert _contents(tmp_path) == {f"both/{name}": b"mine"}
