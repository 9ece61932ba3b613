"""A standalone cluster answers what DuckDB answers here: SOAK=1, because it starts five JVMs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cluster import cluster
from tests.support.spark import python_without_the_package

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 starts a cluster")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)  # of the driver, which names it to workers
        with cluster(tmp_path_factory.mktemp("worker")) as url:
            yield url


@pytest.mark.parametrize(
    "question",
    [
        ["query", "max", "--metric", "accuracy", "--by", "task", "-o", "answer.csv"],
        [
            "sql",
            "SELECT task, max(value) AS best FROM scalars GROUP BY task ORDER BY task",
            *("-o", "answer.csv"),
        ],
    ],
)
def test_the_command_writes_the_same(
    master: str, demo: Path, program: list[str], run_here: Run, question: list[str]
) -> None:
    here = run_here(*question, "--data", "data", cwd=demo)
    assert here.returncode == 0
    expected = (demo / "answer.csv").read_bytes()
    there = subprocess.run(
        [*program, *question, "--data", "data", "--engine", "spark", "--spark-master", master],
        cwd=demo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (there.returncode, (demo / "answer.csv").read_bytes()) == (0, expected), there.stderr
    assert there.stderr.startswith(here.stderr)
    assert there.stderr.count("\n") <= here.stderr.count("\n") + 1


def test_parts_and_workers_that_cannot_answer(master: str, demo: Path, tmp_path: Path) -> None:
    python = python_without_the_package(tmp_path)
    data = str(demo / "data")
    asking = [sys.executable, "-m", "tests.support.cluster", master, data, str(python)]
    root = Path(__file__).parents[3]
    done = subprocess.run(asking, cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    for name in ("stats", "curve", "health"):
        assert told[name][0], name
    assert max(told[name][1] for name in ("stats", "curve", "health")) > 1
    assert "cannot read /nowhere/data (no dataset at /nowhere/data" in told["unseen"]
    assert told["without"].startswith("a Spark worker does not have what it needs (")
