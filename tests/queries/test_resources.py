"""Memory, threads, a full disk and a user without a home."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from clearml_snapshot.exporter.errors import (
    SnapshotError,
    UsageError,
)
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.diff.comparison import compare
from clearml_snapshot.queries.diff.model import Choice
from clearml_snapshot.queries.duckdb_errors import translated
from clearml_snapshot.queries.session import _SETTINGS
from tests.support.teams import MakeDataset, team

AS_IF_IN_A_CONTAINER: Final = """
set -e
groups=$1; shift
for memory in "$groups/memory.max" "$groups/memory/memory.limit_in_bytes"; do
    mkdir -p "${memory%/*}" && echo 2000000000 > "$memory"
done
mount --bind "$groups" /sys/fs/cgroup
echo "4:memory:/\n0::/" > "$groups/cgroup"
mount --bind "$groups/cgroup" /proc/$$/cgroup
exec "$@"
"""
"""Runs a command that sees a limit of 2 GB, in the files of both versions of control groups."""

LIMIT: Final = """
import sys
from clearml_snapshot.queries import open_dataset
with open_dataset(sys.argv[1]) as dataset:
    print(dataset.memory_limit)
"""


def test_what_exceeds_memory_spills_into_the_users_own_folder(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with open_dataset(team(make_dataset), memory_limit="60MB", threads=1) as dataset:
        windowed = """
            SELECT count(*), max(n)
            FROM (
                SELECT row_number() OVER (ORDER BY hash(r)::VARCHAR) AS n
                FROM range(2000000) t(r)
            )
        """
        assert dataset.rows(dataset.sql(windowed)).rows == ((2_000_000, 2_000_000),)
    (cache,) = (tmp_path / "cache").iterdir()
    assert cache.stat().st_mode & 0o777 == 0o700
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"threads": 0}, "cannot start with threads 0, .* at least 1 thread"),
        ({"memory_limit": "lots"}, "memory limit lots: Memory must have a number"),
    ],
)
def test_impossible_resources_are_usage_errors(
    make_dataset: MakeDataset, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_dataset(team(make_dataset), **options)


def test_memory_is_half_of_the_machine_and_at_most_4_gb(make_dataset: MakeDataset) -> None:
    folder = team(make_dataset)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    default = pytest.approx(min(machine / 2, 4e9), rel=0.05)
    with open_dataset(folder) as dataset, dataset.opened_again() as (again, _):
        assert dataset.memory_limit == default
        assert again.memory_limit == default
    with compare(Choice(folder), Choice(folder)) as comparison:
        assert comparison.memory_limit == default
    with open_dataset(folder, memory_limit="5GB") as dataset:
        assert dataset.memory_limit == pytest.approx(5e9, rel=0.05)


def test_memory_is_half_of_the_containers(make_dataset: MakeDataset, tmp_path: Path) -> None:
    apart = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*apart, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system has no mounts of one's own")
    shell = ["sh", "-c", AS_IF_IN_A_CONTAINER, "sh", str(tmp_path / "groups")]
    python = [sys.executable, "-c", LIMIT, str(team(make_dataset))]
    limit = subprocess.run([*apart, *shell, *python], check=True, capture_output=True, text=True)
    assert int(limit.stdout) == pytest.approx(1e9, rel=0.05)


def test_too_little_memory_is_one_line(make_dataset: MakeDataset) -> None:
    with (
        open_dataset(team(make_dataset), memory_limit="30MB", threads=1) as dataset,
        pytest.raises(SnapshotError, match=r"^out of memory: .*; query less data") as caught,
    ):
        dataset.rows(dataset.sql("SELECT len(list(range)) FROM range(9000000)"))
    assert str(caught.value).endswith(", or allow more memory with `memory_limit`")
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_not_called_memory_or_damage(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB takes the room that there was when it began for a limit that the user has set."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(_SETTINGS, "max_temp_directory_size", "1MB")
    with open_dataset(team(make_dataset), memory_limit="20MB", threads=1) as dataset:
        with pytest.raises(SnapshotError, match=r"^the disk is full, .*XDG_CACHE_HOME") as caught:
            dataset.rows(dataset.sql("SELECT range FROM range(9000000) ORDER BY hash(range)"))
        assert len(dataset.rows(dataset.query("max")).rows) == 1
    assert "\n" not in str(caught.value)
    assert not [*(tmp_path / "cache").rglob("*.tmp")]
    full = duckdb.IOException('IO Error: Could not write file "x": No space left on device')
    assert str(translated(full)).startswith("the disk is full, ")


def test_a_user_without_a_home_can_query(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    with open_dataset(team(make_dataset)) as dataset:
        assert len(dataset.rows(dataset.query("max")).rows) == 1
