"""``import clearml_snapshot`` has what most programs need, and costs nothing."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import clearml_snapshot
from clearml_snapshot.exporter import ExportOptions, Selection, TaskFilter, export
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.queries import open_dataset

ROOT = Path(__file__).parents[1]


def test_its_names_are_those_of_the_parts() -> None:
    assert clearml_snapshot.export is export
    assert clearml_snapshot.open_dataset is open_dataset
    assert clearml_snapshot.Selection is Selection
    assert clearml_snapshot.TaskFilter is TaskFilter
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert clearml_snapshot.__version__ == declared
    assert {*clearml_snapshot.__all__} <= {*dir(clearml_snapshot)}
    with pytest.raises(AttributeError, match="has no attribute 'exports'"):
        _ = clearml_snapshot.exports


def test_importing_it_imports_nothing_else() -> None:
    script = "import sys, typing; before = {*sys.modules}; import clearml_snapshot; "
    script += "print(sorted({*sys.modules} - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "['clearml_snapshot']"


def test_the_example_of_the_readme_runs(
    start_standin: Callable[..., StandIn], tmp_path: Path
) -> None:
    database = Database()
    vision = database.add_project("vision")
    for name, tags, value in (("a", ("model_v2",), 0.5), ("b", (), 0.75)):
        task = database.add_task(name, vision, status="completed", tags=tags)
        for metric in ("accuracy", "loss"):
            at = np.arange(3)
            database.report_series(task, metric, "v", at, at + value, 1_700_000_000_000 + at)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    shown = "print(report.tasks_new, best[0][2], len(curves))"
    done = subprocess.run(
        [sys.executable, "-c", block + shown],
        env={**os.environ, **start_standin(database).environment()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("1 2.5 3\n", 0), done.stderr


def test_one_text_is_several() -> None:
    assert TaskFilter(projects="vision", tags=["a", "b"]) == TaskFilter(  # type: ignore[arg-type]
        projects=("vision",), tags=("a", "b")
    )
    assert TaskFilter(users={"b", "a"}).users == ("a", "b")  # type: ignore[arg-type]
    assert Selection(metrics="loss").metrics == ("loss",)  # type: ignore[arg-type]
    assert ExportOptions(accept_gone="all").accept_gone == ("all",)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, None, b"vision", {"vision": 1}, ["vision", 5]])
def test_what_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="projects: give a text or several texts, not "):
        TaskFilter(projects=wrong)  # type: ignore[arg-type]
