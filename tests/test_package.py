"""``import clearml_snapshot`` has what most programs need, and costs nothing."""

import copy
import os
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, replace
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


def readme_example() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    return str(block)


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
        at = np.arange(3)
        for metric, values in (("accuracy", at + value), ("loss", np.array([2.5, 0.0, 2.0]))):
            database.report_series(task, metric, "v", at, values, 1_700_000_000_000 + at)
    shown = "print(report.tasks_new, best[0][2], len(curves), lowest[0][2], *notes[:2], sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", readme_example() + shown],
        env={**os.environ, **start_standin(database).environment()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *figures, suspect, reach = done.stdout.splitlines()
    assert figures == ["1", "2.5", "3", "0.0"]
    assert suspect.endswith(
        "at iteration 1 is probably a NaN (the SDK logs NaN as 0); without such zeros: 2.0 "
        "(`suspect_zeros='exclude'`)"
    )
    assert reach == "1 of 1 task has it"


def test_one_text_is_several() -> None:
    assert TaskFilter(projects="vision", tags=["a", "b"]) == TaskFilter(
        projects=("vision",), tags=("a", "b")
    )
    assert TaskFilter(users={"b", "a"}).users == ("a", "b")
    assert Selection(metrics="loss").metrics == ("loss",)
    assert ExportOptions(accept_gone="all").accept_gone == ("all",)
    assert replace(TaskFilter(tags="a"), projects="vision").tags == ("a",)


def test_a_filter_is_still_frozen_and_hashable() -> None:
    filter = TaskFilter(projects="vision")
    with pytest.raises(FrozenInstanceError):
        filter.projects = ("other",)  # type: ignore[misc]
    assert len({filter, TaskFilter(projects=("vision",)), TaskFilter()}) == 2
    assert pickle.loads(pickle.dumps(filter)) == copy.copy(filter) == filter
    assert filter.given == {"projects"}
    assert asdict(filter)["projects"] == ("vision",)
    assert TaskFilter.projects == ()


def test_a_type_checker_accepts_what_works(tmp_path: Path) -> None:
    """It shares the cache of `make types`, without which it takes 12 seconds."""
    script = tmp_path / "program.py"
    script.write_text(
        readme_example()
        + "tags: tuple[str, ...] = TaskFilter(tags=['a', 'b']).tags\n"
        + "metrics: tuple[str, ...] = Selection(metrics='loss').metrics\n"
        + "from clearml_snapshot.exporter import ExportOptions\n"
        + "ExportOptions(accept_gone=['a'])\n"
        + "TaskFilter(projects=5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (error, _) = done.stdout.splitlines()
    assert error.endswith(
        'Argument "projects" to "TaskFilter" has incompatible type "int"; '
        'expected "str | Iterable[str]"  [arg-type]'
    ), done.stdout + done.stderr


@pytest.mark.parametrize("wrong", [5, None, b"vision", {"vision": 1}, ["vision", 5]])
def test_what_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="`projects`: give a text or several texts, not "):
        TaskFilter(projects=wrong)  # type: ignore[arg-type]
