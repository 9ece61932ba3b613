"""A dataset, its snapshot, and a pack of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.writing.dataset import writing

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    """A dataset of two tasks, one in a project and one in none."""
    data = tmp_path_factory.mktemp("data") / "data"
    with writing(data) as dataset:
        tasks = {("t1", "p"): line("t1", [1.0, 2.0]), ("t2", None): line("t2", [3.0])}
        commit(dataset, tasks)
    return data


@pytest.fixture(scope="module")
def root(data: Path) -> Path:
    return (data / "current").resolve()


@pytest.fixture
def pack(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with (tmp_path / "x.zip").open("wb") as stream:
        write_archive(stream, members(root))
    return tmp_path / "x.zip"
