"""What a new user stumbled over in the first hour, on the demo's history."""

import csv
import functools
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearml_snapshot.exporter.standin.data.history import demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, run_here: Ask) -> Iterator[Ask]:
    """Run the tool in a folder with a complete export in ``data``, its server still running."""
    home = tmp_path_factory.mktemp("home")
    with StandIn(demo_history()) as server:
        run = functools.partial(run_here, cwd=home, **server.environment())
        assert run("export", "--all").returncode == 0
        yield run


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_a_parent_without_tasks_of_its_own_brings_what_is_below(ask: Ask) -> None:
    best = rows(ask("query", "max", "--metric", "accuracy", "--project", "vision"))
    assert [row["project"] for row in best] == ["vision/classification"]
    assert ask("query", "max", "--project", "vision", "--no-subprojects").stdout.count("\n") == 1


def test_a_mistyped_parent_has_a_near_match(ask: Ask) -> None:
    done = ask("query", "max", "--project", "vison")
    assert done.returncode == 2
    assert "did you mean 'vision'" in done.stderr


def test_metrics_can_be_left_out_of_an_answer(ask: Ask) -> None:
    every = rows(ask("query", "max"))
    fewer = rows(ask("query", "max", "--exclude-metric", "Summary", "--exclude-metric", "loss"))
    left = [row for row in every if row["metric"] not in {"Summary", "loss"}]
    assert fewer == left
    none = ask("query", "max", "--metric", "loss", "--exclude-metric", "loss")
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)


def test_top_has_no_meaning_beside_a_row_for_each_task(ask: Ask) -> None:
    done = ask("query", "max", "--metric", "accuracy", "--by", "task", "--top", "3")
    assert done.returncode == 2
    assert "omit --by" in done.stderr


@pytest.mark.parametrize("statement", ["SELECT 1 AS one; -- why", "SELECT 'é;' AS one ; /* x */"])
def test_a_comment_may_follow_the_semicolon(ask: Ask, statement: str) -> None:
    assert len(rows(ask("sql", statement))) == 1


def test_a_type_that_parquet_does_not_have_is_one_line(ask: Ask) -> None:
    done = ask("sql", "SELECT INTERVAL 1 DAY AS span", "-o", "span.parquet")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "interval" in done.stderr


def test_an_export_names_the_metrics_that_it_leaves_out(ask: Ask) -> None:
    done = ask("export", "--all", "--metric", "loss", "--data", "loss")
    assert "tasks: every task; metrics loss" in done.stderr
    assert "not included: other metrics" in done.stderr
    nothing = ask("export", "--all", "--exclude-metric", "*", "--data", "metadata-only")
    assert nothing.returncode == 0
    assert "not included: excluded metrics" in nothing.stderr


def test_sub_projects_that_are_left_out_are_mentioned(ask: Ask) -> None:
    done = ask("export", "--project", "vision", "--no-subprojects", "--data", "top")
    assert done.returncode == 0
    assert "not included: sub-projects" in done.stderr


@pytest.mark.parametrize(
    "filters", [("--tag", "nonsense"), ("--task-name", ""), ("--metric", "acuracy")]
)
def test_a_mistyped_filter_leaves_no_folder_behind(
    ask: Ask, filters: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    done = ask("export", *filters, "--data", str(folder))
    assert done.returncode == 2
    assert not folder.exists()


def test_no_dataset_is_a_usage_error_not_damage(ask: Ask) -> None:
    assert ask("query", "max", "--data", "nowhere").returncode == 2
