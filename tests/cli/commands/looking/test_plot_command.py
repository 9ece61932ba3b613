"""The command ``plot``, run as its users run it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Session

Run = Callable[..., "subprocess.CompletedProcess[str]"]
OnTerminal = Callable[..., Session]
_CODES = re.compile(r"\x1b\[[\d;]*m")


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_a_plot_fits_the_terminal(on_terminal: OnTerminal, columns: int) -> None:
    done = on_terminal("plot", "loss", "accuracy", columns=columns)
    assert done.code == 0, done.stderr
    assert "\x1b[" in done.screen
    lines = _CODES.sub("", done.screen).split("\n")
    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) >= columns - 12
    assert any("⠀" < character <= "⣿" for character in done.screen)


def test_without_colours_each_curve_has_its_character(on_terminal: OnTerminal) -> None:
    done = on_terminal("plot", "loss", NO_COLOR="1")
    assert "\x1b" not in done.screen
    assert " ** train · " in done.screen
    assert " ++ val · " in done.screen


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [
        (".svg", b"<svg"),
        (".png", b"\x89PNG"),
        (".pdf", b"%PDF"),
        (".html", b"<!DOCTYPE html>"),
        (".vl.json", b'{"$schema"'),
        (".txt", b"loss/"),
    ],
)
def test_the_extension_chooses_what_is_drawn(
    piped: Run, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    file = tmp_path / f"loss{suffix}"
    done = piped("plot", "loss/train", "-o", str(file), "--size", "300x200", "--theme", "paper")
    assert (done.returncode, done.stdout) == (0, "")
    assert file.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_figure_has_the_heading_that_was_typed(piped: Run, tmp_path: Path) -> None:
    """``--title`` is the SDK's word for a metric, here as in every command."""
    for typed in (("loss/train",), ("--title", "loss/train")):
        done = piped("plot", *typed, "--heading", "Fig. <1>", "-o", str(tmp_path / "a.svg"))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "Fig. &lt;1&gt;" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("loss", "-o", "x.jpg"), "unknown file extension; use .svg, .png"),
        ((), "name a metric, such as loss; `query metrics` lists them"),
        (("losss",), "no metric 'losss'; did you mean 'loss'"),
        (("loss", "--size", "12"), "--size 12: give it as WIDTHxHEIGHT, such as 760x400"),
        (("loss", "--size", "3x2"), "760x400, each from 10 to 10,000"),
        (("loss", "--smooth", "2"), "smooth"),
        (("loss", "--color", "nothing"), "no hyperparameter 'nothing'"),
        ((":monitor:gpu", "--top", "3"), "does not say whether high or low values are better"),
        (("loss", "--smooth", "0.5", "--window", "3"), "a curve is smoothed one way"),
        (("loss", "--band", "std"), "--band is for curves of groups; add --by or --by-all-except"),
        (("loss", "--by", "project", "--color", "tag"), "--color has no effect on groups"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    piped: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = piped("plot", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("package", "output"), [("uniplot", ()), ("vl_convert", ("-o", "loss.svg"))]
)
def test_a_missing_package_is_one_line_with_the_command(
    piped: Run, monkeypatch: pytest.MonkeyPatch, package: str, output: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = piped("plot", "loss", *output)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "install it with: pip install " in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_plot_says_what_it_covers(piped: Run) -> None:
    """The same lines as below ``query curve``, which has the same points."""
    covered = piped("query", "curve", "--metric", "loss").stderr.splitlines()
    drawn = piped("plot", "loss").stderr.splitlines()
    assert covered
    assert drawn[-len(covered) :] == covered
    assert "tasks have it" in "".join(covered)


def test_a_plot_takes_what_the_query_curve_takes(piped: Run) -> None:
    """So a curve and its picture cannot differ."""
    shown = piped("plot", "--help").stdout
    for option in ("--smooth", "--window", "--x", "--suspect-zeros", "--nan-value"):
        assert f"{option} " in shown
    assert "--points" not in shown


@pytest.mark.parametrize("best", ["max", "highest"])
def test_both_words_for_the_better_values_are_understood(piped: Run, best: str) -> None:
    done = piped("plot", "loss/train", "--top", "1", "--best", best)
    assert done.returncode == 0, done.stderr
    assert "those with the highest values" in done.stderr


def test_a_plot_of_groups_has_a_mean_and_a_band(piped: Run) -> None:
    done = piped("plot", "loss", "--by", "project", "--band", "minmax")
    assert done.returncode == 0, done.stderr
    assert "(n = " in done.stdout
    assert "the band is the lowest to the highest value of the tasks at each step" in done.stderr


def test_why_there_is_nothing_to_draw(piped: Run) -> None:
    done = piped("plot", "loss", "--task-name", "no such task")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_an_answer_of_sql_is_drawn(piped: Run, tmp_path: Path) -> None:
    statement = "SELECT iteration, value, metric FROM scalars WHERE iteration IS NOT NULL"
    done = piped("sql", statement, "--plot", "iteration, value, metric")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("value\n")
    assert " loss\n" in done.stdout
    file = tmp_path / "it.svg"
    assert piped("sql", statement, "--plot", "iteration,value", "-o", str(file)).returncode == 0
    assert file.read_text().startswith("<svg")
    for plotted, message in (
        ("iteration", "--plot iteration: give it as X,Y or X,Y,COLOUR"),
        ("iteration,metric", "--plot: metric has no numbers"),
        ("iteration,valu", "no column 'valu'; did you mean 'value'?"),
    ):
        done = piped("sql", statement, "--plot", plotted)
        assert (done.returncode, done.stderr) == (2, f"error: {message}\n")


def test_another_metric_as_the_horizontal_axis(piped: Run) -> None:
    """Its axis has the name of the metric, and tasks without it have no curve."""
    drawn = piped("plot", "loss/train", "--x", "accuracy", "--size", "80x12")
    assert drawn.stdout.splitlines()[-2].strip() == "accuracy/val"
    assert "tasks has no points of accuracy/val and is left out" in drawn.stderr
    refused = piped("plot", "loss", "--x", "loss")
    assert refused.stderr.startswith("error: --x loss is several metrics; name one of loss/train")
    moved = piped("plot", "loss/train", "--offset-resumed", "--size", "80x12")
    assert "--offset-resumed: no iterations begin anew or jump" in moved.stderr


@pytest.mark.parametrize(
    "typed", [("scatter", "--x", "{param}"), ("bar",), ("bar", "--by", "project"), ("hist",)]
)
@pytest.mark.parametrize("columns", [60, 140])
def test_best_values_fit_the_terminal(
    on_terminal: OnTerminal, typed: tuple[str, ...], columns: int
) -> None:
    arguments = [each.format(param="accuracy") for each in typed]
    done = on_terminal("plot", "loss/train", "--kind", *arguments, columns=columns)
    assert done.code == 0, done.stderr
    lines = _CODES.sub("", done.screen).split("\n")
    assert columns - 14 <= max(map(len, lines)) <= columns


def test_best_values_have_the_notes_of_the_leaderboard(piped: Run) -> None:
    covered = piped("query", "leaderboard", "--metric", "loss/train", "--top", "999").stderr
    drawn = piped("plot", "loss/train", "--kind", "bar").stderr.splitlines()
    said = [line for line in covered.splitlines() if "guessed" not in line]
    assert said
    assert drawn[-len(said) :] == said


def test_parallel_coordinates_need_a_file(piped: Run, tmp_path: Path) -> None:
    done = piped("plot", "loss", "--kind", "parallel")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --kind parallel cannot be drawn as text; add -o parallel")
    assert done.stderr.count("\n") == 1
