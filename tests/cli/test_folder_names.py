"""Datasets in folders whose names mean something to DuckDB, pyarrow, a shell or an archive."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.standin.http.server import StandIn

Run = Callable[..., "subprocess.CompletedProcess[str]"]

HERE = (
    *("run[1]", "a*b", "what?", "{x,y}", "lr=0.1", "metric=loss", "project_id=zz", "task_id=1"),
    *("-a b:c's", '"%41#~ünï', "n\nl $x `y`", "b\\[1] \\"),
)
"""Folders, one in the other."""
BESIDE = ("run1", "aab", "whatx", "x", "lr", "m", "p", "t", "-a", "A", "n", "b1")
"""Folders that these would be read as."""


def test_every_command_reads_the_folder_that_it_is_given(
    server: StandIn, run_here: Run, history: Path, tmp_path: Path
) -> None:
    here, there = tmp_path.joinpath(*HERE), tmp_path.joinpath(*BESIDE)
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    shutil.copytree(history, there / "data", symlinks=True)

    def run(*arguments: str, cwd: Path = here) -> str:
        done = run_here(*arguments, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("export", "--all", "-q")
    first, moved = list(server.database.tasks)[:2]
    server.database.continue_task(first)
    events = [{"metric": "metric 0", "variant": "variant 0", "iter": 20, "value": 900.5}]
    server.database.report(first, events)
    server.database.set_status(first, "completed")
    server.database.move(moved, server.database.add_project("other"))
    run("export", "-q", "--keep", "3")

    # from another folder, by the absolute path
    folder = str(here / "data")
    top = ["query", "max", "--variant", "variant 0", "--format", "text", "--data"]
    assert run(*top, folder, cwd=tmp_path) == "900.5\n"
    assert "content id: " in run("verify", "--", folder, cwd=tmp_path)
    assert json.loads(run("status", "--format", "json"))["tasks"] == 6
    counts = "SELECT count(*), count(DISTINCT project_id) FROM scalars"
    assert run("sql", counts, "--format", "csv").splitlines()[1] == "241,2"
    assert "900.5" in run("diff", "-1", "--format", "json")
    with contextlib.chdir(here / "data" / "current"), duckdb.connect() as connection:
        connection.execute(Path("open.sql").read_text(encoding="utf-8"))
        assert connection.execute(counts).fetchall() == [(241, 2)]

    run("pack", "-o", "some.zip")
    run("unpack", "some.zip", "-o", "some")
    for target in ("some.zip", "some"):
        assert "content id: " in run("verify", target)
        assert run(*top, target) == "900.5\n"
    run("merge", "some", "data", "-o", "both", "-q")
    assert "content id: " in run("verify", "both")
    assert run(*top, "both") == "900.5\n"
    run("query", "max", "-o", "answer.parquet", "-q")
    refused = run_here("query", "max", "-o", "answer.duckdb", cwd=here)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    with_brackets = tmp_path / "run[1]" / "answer.duckdb"
    run("query", "max", "-o", str(with_brackets), "-q")
    assert with_brackets.exists()


def test_a_folder_with_a_colon_is_a_folder(server: StandIn, run_here: Run, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return run_here(*arguments, cwd=tmp_path)

    assert run("export", "--all", "-q", "--data", "a:b").returncode == 0
    assert run("pack", "-o", "c:d.zip", "-q", "--data", "a:b").returncode == 0
    assert run("verify", "c:d.zip").returncode == 0
    assert run("query", "max", "-o", "md:e.duckdb", "--data", "c:d.zip").returncode == 0
    assert (tmp_path / "md:e.duckdb").exists()


def test_files_that_sql_cannot_name_are_not_allowed_in_vain(
    run_here: Run, history: Path, tmp_path: Path
) -> None:
    (tmp_path / "run[1]").mkdir()
    done = run_here(
        "sql", "SELECT 1", "--allow-files", "run[1]", "--data", str(history), cwd=tmp_path
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "rename the folder" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--all", "--data", "hdfs://bucket/data"),
        ("export", "--all", "--dry-run", "--data", "https://example.org/data"),
        ("query", "max", "--data", "https://example.org/pack.zip"),
        ("query", "max", "-o", "s3://bucket/max.csv"),
        ("query", "--queries", "https://example.org/queries"),
        ("sql", "SELECT 1", "--allow-files", "hf://datasets/x"),
        ("status", "--data", "abfss://box@account.dfs.core.windows.net/x"),
        ("verify", "file:///data"),
        ("pack", "-o", "s3://bucket/x.zip"),
        ("unpack", "https://example.org/x.zip", "-o", "x"),
        ("unpack", "x.zip", "-o", "s3://bucket/x"),
        ("merge", "data", "hdfs://bucket/x", "-o", "x"),
        ("diff", "hdfs://bucket/x"),
        ("selections", "remove", "1", "--data", "hdfs://bucket/x"),
    ],
    ids=" ".join,
)
def test_an_address_is_refused_before_anything_is_read(
    command: tuple[str, ...], run_here: Run, history: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = run_here(*command, cwd=tmp_path, CLEARML_SNAPSHOT_DATA=str(history))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert re.search("://.* is (an address|on a web server|a file)|pack in a bucket", done.stderr)
    assert sorted(tmp_path.rglob("*")) == before
