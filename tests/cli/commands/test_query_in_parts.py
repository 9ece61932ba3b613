"""`query` about more points than fit into one part: the same output, part by part."""

import csv
import io
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from clearml_snapshot.cli.output import progress
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.queries import Dataset
from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.shards import asking, divide
from clearml_snapshot.queries.shards.narrow import Narrowing
from tests.support.catalogue import NEEDED

Piped = Callable[..., "subprocess.CompletedProcess[str]"]
OnTerminal = Callable[..., Any]

QUESTIONS: Final = (
    ("curve",),
    ("curve", "--points", "2", "--all-metrics"),
    ("stats",),
    ("stats", "--by", "variant"),
    ("first", "--below", str(NEEDED["first"]["below"])),
    ("first", "--below", "-100"),
    ("health",),
    ("wide", "--fill", "last"),
    ("curve", "--metric", "loss", "--task-name", "nobody*"),
)
IN_FILES: Final = (*QUESTIONS[:1], *QUESTIONS[5:6], *QUESTIONS[7:])
"""Those that are also written into files: one as usual, with two empty answers and a pivot."""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let a part have at most two points, and note how many parts each question had."""
    counts: list[int] = []

    def parts_of(dataset: Dataset, query: Query, values: dict[str, Any], _most: int) -> Any:
        parts = divide.parts_of(dataset, query, values, 2)
        counts.append(len(parts))
        return parts

    with monkeypatch.context() as patch:
        patch.setattr(asking, "parts_of", parts_of)
        yield counts


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_output_and_notes_are_those_of_the_complete_query(
    piped: Piped, question: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    arguments = ("query", *question)
    whole = piped(*arguments, "--format", "json")
    parts: list[int] = request.getfixturevalue("small_parts")
    divided = piped(*arguments, "--format", "json")
    assert (divided.returncode, divided.stdout) == (whole.returncode, whole.stdout)
    notes, notes_as_a_whole = (re.sub(", .* old$", "", each.stderr) for each in (divided, whole))
    assert notes == notes_as_a_whole
    assert whole.returncode == 0
    assert (min(parts) > 1) != ("nobody*" in question)


@pytest.mark.parametrize("question", IN_FILES, ids=" ".join)
def test_other_formats_are_those_of_the_complete_query(
    piped: Piped, tmp_path: Path, question: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    arguments = ("query", *question)
    whole = piped(*arguments)
    parts: list[int] = request.getfixturevalue("small_parts")
    divided = piped(*arguments)
    assert (divided.returncode, divided.stdout) == (whole.returncode, whole.stdout)
    piped(*arguments, "-o", str(tmp_path / "a.parquet"))
    piped(*arguments, "-o", str(tmp_path / "a.duckdb"))
    n_rows = len([*csv.reader(io.StringIO(whole.stdout))]) - 1
    assert pq.read_metadata(tmp_path / "a.parquet").num_rows == n_rows
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        assert database.sql(f"SELECT count(*) FROM {question[0]}").fetchall() == [(n_rows,)]
    assert (min(parts) > 1) != ("nobody*" in question)


def test_a_terminal_shows_the_first_rows_of_any_query(
    on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_snapshot.cli.commands.query.SCREENFUL", 2)
    for question in (("curve",), ("tasks",)):
        session = on_terminal("query", *question)
        table = session.screen.rpartition("\n\n")[2]  # below the columns with one value
        assert len(table.splitlines()) == 1 + 2
        assert "the first 2 of " in session.stderr


def test_a_terminal_shows_the_first_parts_and_does_not_compute_the_others(
    on_terminal: OnTerminal, small_parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    show = Narrowing.show
    monkeypatch.setattr("clearml_snapshot.cli.commands.query.SCREENFUL", 2)

    def counted(self: Narrowing, part: Any) -> None:
        shown.append(1)
        show(self, part)

    monkeypatch.setattr(Narrowing, "show", counted)
    session = on_terminal("query", "curve", "--all-metrics")
    assert "the first 2 rows (use -o FILE or a pipe to get all)" in session.stderr
    assert 0 < len(shown) < small_parts[0]


def test_the_bar_shows_the_parts_on_a_terminal_and_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=60)
    monkeypatch.setattr(progress, "is_terminal", lambda _stream: True)
    monkeypatch.setattr(progress, "_console", lambda: console)
    with progress.parts_bar(quiet=False) as on_part:
        on_part(1, 3)
        on_part(3, 3)
    text = drawn.getvalue()
    assert "3/3" in text
    assert text.endswith("\x1b[1A\x1b[2K"), "the line is erased"
    with progress.parts_bar(quiet=True) as on_part:
        on_part(1, 3)
    assert drawn.getvalue() == text


def test_the_time_limit_ends_a_question_between_and_inside_parts(
    piped: Piped, small_parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is held until the limit has passed, as a long one would be."""
    show = Narrowing.show
    held = threading.Event()

    def slow(self: Narrowing, part: Any) -> None:
        show(self, part)
        if not held.is_set():
            held.set()
            long = "SELECT count(*) FROM range(100000000000) WHERE range % 7 = 1"
            self._connection.execute(long).fetchall()

    monkeypatch.setattr(Narrowing, "show", slow)
    done = piped("query", "curve", "--query-timeout", "0.2")
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert "took longer than 0.2 s" in done.stderr
