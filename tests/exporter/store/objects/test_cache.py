"""The cache of what was read from buckets: found again, checked, and as fast when it is large."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.store.objects.cache import bytes_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def refuse() -> bytes:
    raise AssertionError("it is kept")


def test_what_is_kept_is_not_read_again(cache: Path) -> None:
    assert bytes_of("a", lambda: b"1") == b"1"
    assert bytes_of("a", refuse) == b"1"
    assert [path.name for path in cache.rglob(".scratch-*")] == []


def test_what_was_changed_is_read_again(cache: Path) -> None:
    bytes_of("a", lambda: b"1")
    (kept,) = (path for path in cache.rglob("bytes/*"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"2")
    assert bytes_of("a", lambda: b"1") == b"1"
    assert bytes_of("a", refuse) == b"1"


def test_the_folder_of_what_is_kept_is_not_listed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise ten thousand files would be listed ten thousand times."""
    seen, scandir = [], os.scandir

    @contextmanager
    def counted(path: Any) -> Iterator[Iterator["os.DirEntry[str]"]]:
        with scandir(path) as entries:
            found = list(entries)
            seen.extend(found)
            yield iter(found)

    for number in range(200):
        bytes_of(str(number), lambda: b"1")
    monkeypatch.setattr(os, "scandir", counted)
    for number in range(200, 210):
        bytes_of(str(number), lambda: b"1")
    assert len(seen) < 200
    assert len(list(cache.rglob("bytes/*"))) == 210
