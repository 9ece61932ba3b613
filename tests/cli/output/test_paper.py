"""Tables for a paper: few digits, no addresses, and names that LaTeX prints and does not obey."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.cli.output.paper import (
    _latex,
    _latex_number,
    comments,
    sensible,
    write_latex,
    write_markdown,
)
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.tables.kept import KeptCells
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns

Piped = Callable[..., Any]

COMMAND = re.compile(
    r"\\(?:[{}$&#%_]|text(?:backslash|asciicircum|asciitilde|less|greater|bar|quotedbl|asciigrave|"
    r"endash)\{\}|dots\{\})|\$\\pm\$|\{[]*[]\}|\{\}"
)
"""Everything in an escaped text that LaTeX interprets."""


@given(text=st.text(st.sampled_from("\\{}$&#%_^~<>|\"`[]*-'±–… ab1é\n\x1b\u202e"), max_size=12))
def test_latex_prints_a_hostile_name_and_executes_nothing(text: str) -> None:
    rest = COMMAND.sub(" ", _latex(text))
    assert not re.search(r"[\\{}$&#%_^~<>|\"`\[\]*]|--|''|[\x00-\x1f\u202e]", rest)


def test_latex_shows_every_character() -> None:
    assert _latex("a_b & 50%") == r"a\_b \& 50\%"
    assert _latex(r"\input{/etc/passwd}") == r"\textbackslash{}input\{/etc/passwd\}"
    assert _latex("lr--x 'q' a-b") == "lr-{}-x 'q' a-b"
    assert _latex("[2] *") == "{[}2{]} {*}"


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        (0.944372, "0.9444", "$0.9444$"),
        (-12.3456, "-12.35", "$-12.35$"),
        (123456.7, "123457", "$123457$"),
        (1.5e-7, "1.5e-07", r"$1.5 \cdot 10^{-7}$"),
        (2e20, "2e+20", r"$2 \cdot 10^{20}$"),
        (float("inf"), "Infinity", r"$\infty$"),
        (float("nan"), "NaN", r"$\mathrm{NaN}$"),
        (0.0, "0", "$0$"),
    ],
)
def test_numbers_have_sensible_digits(value: float, text: str, latex: str) -> None:
    assert sensible(value) == text
    assert _latex_number(text) == latex


def test_a_paper_has_the_answer_and_no_addresses(piped: Piped) -> None:
    done = piped("query", "max", "-m", "loss", "--format", "markdown")
    caption, _, head, _, first, *_ = done.stdout.splitlines()
    assert caption == "Table: metric: loss; iteration: 0"
    assert head == "| variant | value | task | task_id |"
    assert first.endswith("| training lr=0.01 | bbbbbbbb |")
    assert "columns not shown: timestamp" in done.stderr
    wide = piped("query", "max", "-m", "loss", "--format", "latex", "--wide").stdout
    assert "n\\_points" in wide
    assert "https" not in wide
    chosen = ("--columns", "web_url,value")
    assert "https" in piped("query", "max", "-m", "loss", "--format", "markdown", *chosen).stdout


@pytest.mark.parametrize("extension", ["md", "tex"])
def test_the_notes_below_a_paper_say_what_brings_the_columns(
    piped: Piped, tmp_path: Path, extension: str
) -> None:
    file = str(tmp_path / f"it.{extension}")

    def columns(*arguments: str) -> tuple[list[str], str]:
        """Return the columns that the note names, and its way to get them."""
        notes = piped("query", "max", "-m", "loss", "-o", file, *arguments).stderr
        told = re.findall(r"columns not shown: (.*) \(use (.*) to get them\)", notes)
        assert len(told) <= 1
        return (told[0][0].split(" and ")[0].split(", "), told[0][1]) if told else ([], "")

    others, way = columns()
    assert ("timestamp" in others, way) == (True, "--columns")
    assert columns("--wide") == (["web_url"], "--columns")
    names = ",".join(["value", *others, "web_url"])
    assert columns("--columns", names) == ([], "")
    written = Path(file).read_text().replace("\\_", "_")
    assert [name for name in [*others, "web_url"] if name not in written] == []


def test_latex_is_a_table_of_booktabs(piped: Piped) -> None:
    columns = ("--columns", "task,value")
    done = piped("query", "max", "-m", "loss", "-q", "--format", "latex", *columns)
    assert done.stdout.splitlines()[:9] == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"task & value \\",
        r"\midrule",
        r"training lr=0.01 & $2$ \\",
        r"training lr=0.1 & $1.5$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    grouped = piped(
        "query", "group", "-m", "loss/train", "--best", "lowest", "--format", "markdown"
    )
    assert "mean ± std" in grouped.stdout


ROWS = """
    SELECT unnest(['a', 'b']) AS name, 'a|b_c\\n' AS shared, 1.5::DOUBLE AS number, 7 AS count,
        NULL::TEXT AS nothing, true AS flag, 'x' AS task
"""


def drawn(history: Path, write: Callable[..., None], *names: str, **options: Any) -> list[str]:
    answer = options.pop("answer", AnswerColumns(names, legend=(("task", "task"),)))
    statement = options.pop("statement", ROWS)
    with open_dataset(history) as dataset:
        result = dataset.result(dataset.sql(statement))
        sink = io.BytesIO()
        write(SafeRows(result, answer=answer, **options), sink)
    return sink.getvalue().decode().splitlines()


NAMES = ("name", "shared", "number", "count", "nothing", "flag", "task")


def test_what_all_rows_share_is_a_caption(history: Path) -> None:
    assert drawn(history, write_markdown, *NAMES) == [
        r"Table: shared: a\|b_c\\n; count: 7; nothing: –; flag: true",
        "",
        "| name | number | task |",
        "| :-- | --: | :-- |",
        "| a | 1.5 | x |",
        "| b | 1.5 | x |",
    ]
    latex = drawn(history, write_latex, *NAMES)
    assert latex[:4] == [
        r"% \usepackage{booktabs}",
        r"% \caption{shared: a\textbar{}b\_c\textbackslash{}n; count: $7$; "
        r"nothing: \textendash{}; flag: true}",
        r"\begin{tabular}{lrl}",
        r"\toprule",
    ]
    assert latex[6] == r"a & $1.5$ & x \\"


def test_a_column_that_was_chosen_or_is_alone_stays(history: Path) -> None:
    exact = AnswerColumns(NAMES, are_exact=True)
    for options in ({"answer": exact}, {"is_complete": True}, {"answer": AnswerColumns()}):
        head = drawn(history, write_markdown, *NAMES, **options)[0]
        assert head == "| name | shared | number | count | nothing | flag | task |"
    one_row = drawn(history, write_markdown, *NAMES, statement=f"FROM ({ROWS}) LIMIT 1")
    assert one_row[0] == "| name | shared | number | count | nothing | flag | task |"
    no_row = drawn(history, write_latex, *NAMES, statement=f"FROM ({ROWS}) LIMIT 0")
    assert no_row[3:] == [
        r"name & shared & number & count & nothing & flag & task \\",
        r"\midrule",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    alike = "SELECT 'a' AS one, 'b' AS two FROM range(2)"
    assert drawn(history, write_markdown, "one", "two", statement=alike) == [
        "Table: two: b",
        "",
        "| one |",
        "| :-- |",
        "| a |",
        "| a |",
    ]


def test_values_that_only_look_alike_stay_in_the_table(history: Path) -> None:
    statement = f"SELECT unnest(['{'a' * 32}', '{'a' * 31}b']) AS id, unnest([1, 2]) AS n"
    assert drawn(history, write_markdown, "id", "n", statement=statement) == [
        "| id | n |",
        "| :-- | --: |",
        "| aaaaaaaa | 1 |",
        "| aaaaaaaa | 2 |",
    ]


def test_measured_numbers_of_a_column_have_the_same_digits(history: Path) -> None:
    """0.915 beside 0.9118 is 0.9150; rates such as 0.001 stay as they are."""
    statement = """
        FROM (
            VALUES (0.9118, 0.001, 1523.4, 2.0), (0.915, 0.0003, 12.5, 3.0), (0.0, NULL, 7.0, 4.0),
                (1.0, 0.01, 'nan'::DOUBLE, 5.0), (-0.5, 0.1, 0.1234, 1e-9)
        ) AS rows(value, lr, mixed, whole)
        SELECT columns(*)::DOUBLE
    """
    chosen = ("value", "lr", "mixed", "whole")
    rows = drawn(history, write_markdown, *chosen, statement=statement)[2:]
    assert [row.strip("| ").split(" | ") for row in rows] == [
        ["0.9118", "0.001", "1523", "2"],
        ["0.9150", "0.0003", "12.50", "3"],
        ["0", "", "7.000", "4"],
        ["1.000", "0.01", "NaN", "5"],
        ["-0.5000", "0.1", "0.1234", "1e-09"],
    ]
    latex = drawn(history, write_latex, *chosen, statement=statement)
    assert "$0.9150$ & $0.0003$ & $12.50$ & $3$ \\\\" in latex


@pytest.mark.parametrize("write", [write_markdown, write_latex])
def test_rows_are_written_one_after_the_other(
    history: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    """A table of any length takes little memory: its rows are in a temporary file."""
    pulled, most_ahead = 0, 0
    rows_of = KeptCells.__iter__

    def counted(kept: KeptCells) -> Iterator[list[str]]:
        nonlocal pulled
        for cells in rows_of(kept):
            pulled += 1
            yield cells

    class Sink(io.BytesIO):
        def write(self, data: Any) -> int:
            nonlocal most_ahead
            most_ahead = max(most_ahead, pulled - self.getvalue().count(b"row"))
            return super().write(data)

    monkeypatch.setattr(KeptCells, "__iter__", counted)
    statement = "SELECT 'x' AS same, 'row' || range AS n FROM range(100)"
    with open_dataset(history) as dataset:
        result = dataset.result(dataset.sql(statement))
        sink = Sink()
        write(SafeRows(result, answer=AnswerColumns(("same", "n"))), sink)
    assert sink.getvalue().count(b"row") == 100
    assert most_ahead <= 2


@pytest.mark.parametrize("form", ["md", "tex"])
def test_a_paper_has_the_notes_as_comments(
    piped: Callable[..., Any], tmp_path: Path, form: str
) -> None:
    """They go with the file, and say nothing that is not true tomorrow."""
    file = tmp_path / f"t.{form}"
    asked = ("query", "leaderboard", "-m", "loss", "--best", "lowest")
    done = piped(*asked, "-o", str(file), "-q")
    assert done.returncode == 0
    first = file.read_text()
    told = [line.partition(", ")[0] for line in piped(*asked).stderr.splitlines()[-2:]]
    shown = [line.removeprefix("% ").partition(", ")[0] for line in first.splitlines()]
    assert [line for line in told if line in shown] == told
    assert " old" not in first
    piped(*asked, "-o", str(file))
    assert file.read_text() == first


def test_comments_end_where_they_should() -> None:
    hostile = ["a --> <b>", "--!> \x1b[2J", "two\nlines"]
    text = comments(hostile, "markdown").decode()
    assert text.count("-->") == 1
    assert text.endswith("-->\n")
    assert "--!>" not in text
    assert not any(character in text for character in "\x1b\u202e")
    assert all(line.startswith("% ") for line in comments(hostile, "latex").decode().splitlines())
    assert comments([], "latex") == b""
