"""A task that was named exists, and the rest of the filter leaves it out: every command says so."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries import open_dataset

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SENTENCE = (
    "the filter does not select task 'aaaaaaaa', which this snapshot has; change the filter\n"
)
COMMANDS = (
    ("query", "curve", "-m", "loss"),
    ("query", "wide", "-m", "loss"),
    ("query", "best", "-m", "loss"),
    ("query", "leaderboard", "-m", "loss"),
    ("query", "health"),
    ("plot", "loss"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_task_that_the_filter_leaves_out(piped: Run, command: tuple[str, ...]) -> None:
    done = piped(*command, "--task", "aaaa", "--status", "in_progress")
    assert done.stdout.count("\n") <= 1
    assert SENTENCE in done.stderr


def test_a_pack_of_a_task_that_the_filter_leaves_out(piped: Run, tmp_path: Path) -> None:
    target = str(tmp_path / "x.zip")
    done = piped("pack", "-o", target, "--task", "aaaa", "--status", "in_progress")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: nothing to pack: {SENTENCE}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_one_of_two_tasks_that_the_filter_leaves_out(piped: Run, command: tuple[str, ...]) -> None:
    both = ("--task", "aaaa", "--task", "bbbb")
    done = piped(*command, *both, "--status", "in_progress")
    assert done.returncode == 0
    assert SENTENCE in done.stderr
    assert "does not select" not in piped(*command, *both, "--status", "in_progress", "-q").stderr
    assert "does not select" not in piped(*command, *both).stderr


def test_a_pack_of_two_tasks_of_which_one_is_left_out(piped: Run, tmp_path: Path) -> None:
    both = ("--task", "aaaa", "--task", "bbbb", "--status", "in_progress")
    done = piped("pack", "-o", str(tmp_path / "x.zip"), *both)
    assert done.returncode == 0
    assert SENTENCE in done.stderr


def test_a_task_that_is_named_by_its_name(piped: Run) -> None:
    name = "training lr=0.1"
    done = piped("query", "health", "--task-name", name, "--status", "in_progress")
    assert f"no rows: the filter does not select task {name!r}, which this snapshot" in done.stderr


def test_several_tasks_are_counted(history: Path) -> None:
    chosen = TaskFilter(task_ids=("aaaa", "bbbb", "cccc"), statuses=("in_progress",))
    with open_dataset(history, filter=chosen) as dataset:
        assert dataset.left_out() == (
            "the filter does not select 2 of the 3 tasks that `task_ids` names, which this "
            "snapshot has, such as aaaaaaaa; change the filter"
        )
