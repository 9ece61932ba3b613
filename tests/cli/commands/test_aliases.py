"""``--aliases`` of ``query``, ``sql`` and ``show``, and what completion offers with it."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.typer_ext.completion import complete
from tests.cli.process.test_duckdb_shell import SHELL, typed
from tests.support.real_shells import ask

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def aliases(tmp_path: Path) -> Path:
    file = tmp_path / "names.txt"
    file.write_text("# before May\nval_loss = loss/val\nacc = accuracy\nx = losss\n")
    return file


def test_an_answer_has_the_new_names_and_says_so(piped: Run, aliases: Path) -> None:
    done = piped(
        "query", "max", "--aliases", str(aliases), "-m", "val_loss", "-m", "loss",
        "--columns", "metric,variant,value",
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == "metric,variant,value\nloss,train,2.0\nval_loss,val_loss,1.5\n"
    assert done.stderr.splitlines()[:2] == [
        f"{aliases}, line 4: no metric 'losss'; did you mean 'loss' or 'loss/val' or 'loss/train'?",
        f"loss/val is shown as val_loss/val_loss (1 task), by {aliases}",
    ]
    assert "loss/val" not in piped("query", "max", "-m", "loss", "-m", "acc*", "-q").stderr


def test_quiet_reports_only_what_is_misspelt(piped: Run, aliases: Path) -> None:
    done = piped("query", "max", "--aliases", str(aliases), "-m", "val_loss", "-q")
    assert "is shown as" not in done.stderr
    assert "line 4: no metric 'losss'" in done.stderr


def test_the_old_name_is_gone_and_the_new_one_is_suggested(piped: Run, aliases: Path) -> None:
    done = piped("query", "max", "-m", "accc", "--aliases", str(aliases))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no metric 'accc'; did you mean 'acc'?" in done.stderr
    where = ("--where", "max(acc) > 0.8")
    assert piped("query", "tasks", *where).returncode == 2
    done = piped("query", "tasks", *where, "--aliases", str(aliases), "--columns", "task_id")
    assert done.stdout == f"task_id\n{'b' * 32}\n"
    assert f"accuracy is shown as acc (1 task), by {aliases}" in done.stderr


def test_the_stored_name_is_answered_with_the_new_one(piped: Run, aliases: Path) -> None:
    for typed_name in ("loss/val", "accuracy"):
        shown = {"loss/val": "val_loss/val_loss", "accuracy": "acc"}[typed_name]
        done = piped("query", "max", "-m", typed_name, "--aliases", str(aliases))
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            f"no metric {typed_name!r}; it is shown as {shown!r}, by {aliases}"
            in done.stderr.splitlines()[-1]
        )


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("query", "max", "-m", "{}"), "metric"),
        (("query", "max", "-m", "loss", "--where", "{} > 0.5"), "hyperparameter or metric"),
        (("query", "max", "-m", "loss", "--where", "max({}) > 0.5"), "metric"),
        (("query", "leaderboard", "-m", "loss", "--also", "{}"), "metric"),
        (("query", "max", "--exclude-metric", "{}"), "metric"),
        (("plot", "{}"), "metric"),
        (("report", "-m", "{}", "-o", "-"), "metric"),
    ],
)
def test_a_stored_name_and_a_misspelt_one_lead_to_the_new_name(
    piped: Run, aliases: Path, command: tuple[str, ...], kind: str
) -> None:
    """Another metric that is only alike would answer with another number."""
    reasons = {
        "accuracy": f"it is shown as 'acc', by {aliases}",
        "acuracy": f"did you mean 'accuracy', which is shown as 'acc', by {aliases}?",
    }
    for typed_name, reason in reasons.items():
        typed = [text.format(typed_name) for text in command]
        done = piped(*typed, "--aliases", str(aliases))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1] == f"error: no {kind} {typed_name!r}; {reason}"


def test_sql_and_show_take_the_variable(piped: Run, aliases: Path) -> None:
    variable = {"CLEARML_SNAPSHOT_ALIASES": str(aliases)}
    done = piped("sql", "SELECT DISTINCT metric FROM scalars ORDER BY ALL DESC LIMIT 2", **variable)
    assert done.stdout == "metric\nval_loss\nloss\n"
    assert f"loss/val is shown as val_loss/val_loss (1 task), by {aliases}" in done.stderr
    done = piped("show", **variable)
    assert done.returncode == 0
    assert "val_loss" in done.stdout
    # a pack has the names as stored
    done = piped("pack", "--metric", "accuracy", "-o", str(aliases.with_name("a.zip")), **variable)
    assert done.returncode == 0, done.stderr


def test_without_parameters_show_prints_the_new_names(piped: Run, aliases: Path) -> None:
    done = piped("query", "max", "--show", "--aliases", str(aliases))
    assert (
        "INSERT INTO new_names.aliases VALUES ('loss', 'val', 'val_loss', 'val_loss')"
        in done.stdout
    )


def test_a_wrong_file_is_one_line(piped: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    for text, problem in [
        (None, f"aliases: cannot read {file}: No such file or directory"),
        ("loss\n", f"{file}, line 1: 'loss' is not an alias; write new name = stored name"),
        ("x = \x1b[2J", f"{file}, line 1: no metric '\\x1b[2J'"),
    ]:
        if text is not None:
            file.write_text(text)
        done = piped("query", "max", "--aliases", str(file))
        assert problem in done.stderr.splitlines()[0]
        assert "\x1b" not in done.stderr


def test_duckdbs_shell_sees_the_new_names(
    program: list[str], history: Path, aliases: Path, tmp_path: Path
) -> None:
    (tmp_path / "duckdb").write_text(
        SHELL.replace("SELECT count(*) FROM scalars", "SELECT max(metric) FROM best")
    )
    (tmp_path / "duckdb").chmod(0o700)
    code, out, err = typed(program, history.parent, str(tmp_path), "--aliases", str(aliases))
    assert (code, out) == (
        3, f"{history.parent} 3 [('val_loss',)]\n",
    )  # fmt: skip
    assert "loss/val is shown as val_loss/val_loss (1 task)" in err


@pytest.mark.parametrize(
    ("parameter", "begun", "offered"),
    [
        ("metric", "a", ["acc"]),
        ("metric", "val_loss", ["val_loss"]),
        ("at", "val_loss/", ["val_loss/val_loss"]),
        ("variant", "v", ["val", "val_loss"]),
    ],
)
def test_completion_offers_the_new_names(
    history: Path, aliases: Path, parameter: str, begun: str, offered: list[str]
) -> None:
    given = {"data": history, "aliases": aliases}
    assert complete(parameter, given, begun) == dict.fromkeys(offered, "")
    aliases.write_text("nothing\n")
    assert complete(parameter, given, begun) == {}


def test_the_shell_passes_the_option_on(run_here: Run, history: Path, aliases: Path) -> None:
    words = ("query", "max", "--aliases", str(aliases), "--metric", "val")
    assert ask(run_here, "bash", words, "", history.parent) == ["val_loss"]
    run = functools.partial(run_here, CLEARML_SNAPSHOT_ALIASES=str(aliases))
    assert ask(run, "bash", ("query", "max", "-m", "val"), "", history.parent) == ["val_loss"]
    assert ask(run, "bash", ("export", "-m", "val"), "", history.parent) == []
