"""Groups of options: one frozen object a group, the same options for every command."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from clearml_snapshot.cli.options.dataset import Dataset as DatasetOption
from clearml_snapshot.cli.options.dataset import DatasetChoice, dataset_choice
from clearml_snapshot.cli.options.groups import OptionGroup, expand_groups
from clearml_snapshot.cli.options.tasks import Filters, task_filter
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.selection.task_filter import TaskFilter


def run(*arguments: str) -> tuple[TaskFilter, DatasetChoice, int]:
    """Give a command's groups back as the command got them."""
    got: list[tuple[TaskFilter, DatasetChoice, int]] = []

    def command(
        times: Annotated[int, typer.Option("--times", min=1, max=9)] = 1,
        *,
        filters: Filters,
        dataset: DatasetOption,
    ) -> None:
        """Remember."""
        got.append((filters, dataset, times))

    app = typer.Typer(rich_markup_mode=None)
    add_command(app, "command", command)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return got[0]


def test_nothing_typed_prompts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARML_SNAPSHOT_DATA", raising=False)
    assert run() == (TaskFilter(), DatasetChoice(Path("data"), None), 1)


def test_everything_typed_arrives() -> None:
    filters, dataset, times = run(
        *("--project", "a", "--project", "b/*", "--no-subprojects", "--task-name", "t*"),
        *("--task-name-regex", "^x", "--task", "abc", "--tag", "gpu", "--tag", "v2"),
        *("--any-tag", "x", "--exclude-tag", "y", "--status", "running", "--type", "training"),
        *("--user", "me", "--created-after", "7d", "--created-before", "2026-01-01"),
        *("--updated-after", "1d", "--updated-before", "1h", "--archived", "only"),
        *("--hidden", "include", "--limit", "5", "--order", "oldest"),
        *("--data", "there", "--snapshot", "-1", "--times", "3"),
    )
    assert filters == TaskFilter(
        projects=("a", "b/*"),
        subprojects=False,
        task_names=("t*",),
        task_name_regex="^x",
        task_ids=("abc",),
        tags=("gpu", "v2"),
        any_tags=("x",),
        exclude_tags=("y",),
        statuses=("running",),
        types=("training",),
        users=("me",),
        created_after="7d",
        created_before="2026-01-01",
        updated_after="1d",
        updated_before="1h",
        archived="only",
        hidden=True,
        limit=5,
        order="oldest",
    )
    assert dataset == DatasetChoice(Path("there"), "-1")
    assert times == 3


def test_the_environment_names_the_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_SNAPSHOT_DATA", "elsewhere")
    assert run()[1].data == Path("elsewhere")


@pytest.mark.parametrize("typed", ["0", "10", "x", "1.5"])
def test_numbers_keep_their_bounds(typed: str) -> None:
    with pytest.raises(AssertionError, match="--times"):
        run("--times", typed)


def test_two_groups_with_one_option_are_a_bug_found_at_once() -> None:
    again = OptionGroup(dataset_choice)

    def command(one: Annotated[DatasetChoice, again], two: Annotated[DatasetChoice, again]) -> None:
        """Clash."""

    with pytest.raises(ValueError, match="duplicate parameter name"):
        expand_groups(command)


def test_a_file_of_no_ids_is_an_error_and_not_every_task(tmp_path: Path) -> None:
    empty = tmp_path / "ids"
    empty.write_text("# none\n", encoding="utf-8")
    with pytest.raises(Exception, match="the input contains no task id"):
        task_filter(task=[f"@{empty}"])


def test_a_query_starts_without_pydantic(history: Path) -> None:
    """Typer would validate each option with it: 0.1 s a start."""
    script = (
        "import sys; from clearml_snapshot.cli.main import main; "
        "code = main(['query', 'max', '--metric', 'loss', '--by', 'task', '-q']); "
        "sys.exit(code or 'pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=history.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
