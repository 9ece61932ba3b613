"""``query leaderboard --spark``: what the column shows, run as its users run it."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Session, run_in_process
from tests.queries.conftest import write
from tests.support.terminal import Terminal

OnTerminal = Callable[..., Session]
_LINK = re.compile(r"\x1b\]8;;.*?\x1b\\|\x1b\[[\d;]*m")


def _points(values: list[float], metric: str = "loss", start: int = 0) -> list[object]:
    return [(metric, "", start + step, value) for step, value in enumerate(values)]


def _task(letter: str, name: str, points: list[object]) -> dict[str, object]:
    return {"task_id": letter * 32, "name": name, "points": points}


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks with curves of 960 steps, each with something that must be seen."""
    folder = tmp_path_factory.mktemp("sparks") / "data"
    flat = [1.0] * 960
    spiked, nans = [*flat], [*flat]
    spiked[333] = 9.0
    nans[500] = math.nan
    write(
        folder,
        [
            _task("a", "spike", _points(spiked)),
            _task("b", "nan", _points(nans)),
            _task("c", "gap", _points([2.0] * 100) + _points([2.0] * 100, start=860)),
            _task("d", "short", _points([3.0] * 480)),
            _task("e", "rising", _points([1 + i / 120 for i in range(960)])),
            _task("f", "decades", _points([10.0**-i for i in range(8)], "lr")),
        ],
    )
    return folder


def _on_terminal(*arguments: str, columns: int, encoding: str = "utf-8", **more: str) -> Session:
    terminal = Terminal(columns)
    with pytest.MonkeyPatch.context() as patch, terminal.stream() as stdout:
        patch.delenv("NO_COLOR", raising=False)
        stdout.reconfigure(encoding=encoding)
        environment = {"TERM": "xterm-256color", "COLUMNS": str(columns), **more}
        done = run_in_process(*arguments, cwd=Path(), stdout=stdout, **environment)
    return Session(done.returncode, terminal.end().replace("\r\n", "\n"), done.stderr)


def _board(folder: Path, *more: str, columns: int = 120, **environment: str) -> Session:
    command = ("query", "leaderboard", "-m", "loss", "--best", "lowest", "--spark", *more)
    return _on_terminal(*command, "--data", str(folder), columns=columns, **environment)


def _lines(done: Session) -> dict[str, str]:
    """Read the curve of each task, by name; the task follows the curve."""
    assert done.code == 0, done.stderr
    lines = _LINK.sub("", done.screen).split("\n")
    (head,) = (line for line in lines if {"place", "curve"} <= {*line.split()})
    begin, end = head.index("curve"), head.index("task")
    rows = lines[lines.index(head) + 1 :]
    return {row[end:].split()[0]: row[begin:end].rstrip() for row in rows if row}


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_spike_a_nan_a_gap_and_an_early_end_are_seen_at_every_width(
    curves: Path, columns: int
) -> None:
    done = _board(curves, columns=columns)
    drawn = _lines(done)
    assert max(map(len, _LINK.sub("", done.screen).split("\n"))) <= columns
    assert sorted(drawn["spike"]) == sorted("▁" * (len(drawn["spike"]) - 1) + "█")
    assert drawn["nan"].strip("▁") == "×"
    assert re.fullmatch("▂+ +▂+", drawn["gap"])
    assert drawn["short"] == "▃" * (len(drawn["spike"]) // 2)
    levels = ["▁▂▃▄▅▆▇█".index(level) for level in drawn["rising"]]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 7)


def test_a_wider_terminal_has_more_characters(curves: Path) -> None:
    lengths = [len(_lines(_board(curves, columns=n))["spike"]) for n in (60, 80, 120, 200)]
    assert lengths == sorted(lengths)
    assert (lengths[0] >= 8, lengths[-1]) == (True, 48)
    assert len(_lines(_board(curves, "--wide"))["spike"]) == 48


def test_the_scale_and_the_marks_are_stated(curves: Path) -> None:
    done = _board(curves)
    assert "curves: from 1 (▁) to 9 (█), iterations 0 to 959, the same in all rows" in done.stderr
    assert "in curves, × is where a value is NaN, infinite or missing" in done.stderr
    assert "curves:" not in _board(curves, "-q").stderr


def test_values_over_many_powers_of_ten_have_a_logarithmic_scale(curves: Path) -> None:
    done = _on_terminal(
        "query", "leaderboard", "-m", "lr", "--best", "lowest", "--spark",
        "--data", str(curves), columns=100,
    )  # fmt: skip
    assert done.code == 0
    assert "(█), logarithmic, iterations 0 to 7" in done.stderr
    assert re.search("█+▇+▆+▅+▄+▃+▂+▁+", done.screen)


def test_other_encodings_get_ascii(curves: Path) -> None:
    done = _board(curves, encoding="ascii")
    drawn = _lines(done)
    assert drawn["spike"].strip(".") == "@"
    assert drawn["nan"].strip(".") == "x"
    assert "from 1 (.) to 9 (@)" in done.stderr
    assert drawn["spike"].isascii()


def test_curves_have_no_colours(curves: Path) -> None:
    coloured, plain = _board(curves), _board(curves, NO_COLOR="1")
    assert _lines(coloured) == _lines(plain)
    assert "\x1b[" not in plain.screen


def test_the_smallest_width_still_has_the_curve(curves: Path) -> None:
    """Each row is printed upright then."""
    done = _board(curves, columns=24)
    assert len(re.findall(r"curve +[▁-█× ]+", _LINK.sub("", done.screen))) == 5


def test_a_curve_stays_among_chosen_columns(curves: Path) -> None:
    done = _board(curves, "--columns", "place,task")
    head = _LINK.sub("", done.screen).split("\n")[0]
    assert head.split() == ["place", "task", "curve"]


def test_one_task_and_no_curve(curves: Path, history: Path) -> None:
    one = _board(curves, "--top", "1")
    assert re.search(r"curve +[▁-█]{24,}\n", _LINK.sub("", one.screen))
    narrow = _LINK.sub("", _board(curves, "--top", "1", columns=40).screen)
    assert re.search(r"curve +[▁-█]{24}\n", narrow)
    command = ("query", "leaderboard", "-m", ":monitor:gpu", "--best", "highest", "--spark")
    done = _on_terminal(*command, "--data", str(history), columns=100)
    assert done.code == 0


def test_only_points_of_the_shown_tasks_are_read(
    curves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearml_snapshot.queries.dataset import Dataset

    opened = []
    again = Dataset.opened_again

    def noting(self: Dataset, **options: object) -> object:
        opened.append(options)
        return again(self, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Dataset, "opened_again", noting)
    assert _board(curves, "--top", "2").code == 0
    assert [sorted(options["only"]) for options in opened] == [["a" * 32, "b" * 32]]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "--spark draws in a table, and this writes csv; add --format table"),
        (("--format", "parquet"), "this writes parquet"),
        (("--format", "json"), "this writes json"),
        (("-o", "x.duckdb"), "this writes a DuckDB file"),
        (("--show",), "--show prints SQL"),
    ],
)
def test_what_has_no_curves_is_refused_in_one_line(
    curves: Path, more: tuple[str, ...], message: str
) -> None:
    command = ("query", "leaderboard", "-m", "loss", "--spark", "--data", str(curves), *more)
    done = run_in_process(*command, cwd=curves.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_table_in_a_pipe_has_curves(curves: Path) -> None:
    command = ("query", "leaderboard", "-m", "loss", "--spark", "--format", "table")
    done = run_in_process(*command, "--data", str(curves), cwd=curves.parent)
    assert done.returncode == 0
    assert re.search("▁{15,}█▁+", done.stdout)


def test_other_queries_have_no_such_option(curves: Path) -> None:
    command = ("query", "max", "--spark", "--data", str(curves))
    done = run_in_process(*command, cwd=curves.parent)
    assert (done.returncode, done.stdout) == (2, "")
