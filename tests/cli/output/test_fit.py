"""Texts and tables that fit: what differs still differs, and a wider terminal shows no less."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.spread import with_spread
from clearml_snapshot.cli.output.tables.columns import DrawnColumn, drawn_columns
from clearml_snapshot.cli.output.tables.drawing import Screen
from clearml_snapshot.cli.output.tables.fit import GAP, Needs, fit, fit_alike
from clearml_snapshot.cli.output.tables.shorten import ELLIPSIS, least_width, shortened
from clearml_snapshot.cli.output.tables.table import draw_table
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns, parse_answer
from clearml_snapshot.queries.result import Kind

names = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "resnet50 ", "run/of/a/long/project ", "模型モデル "]),
        st.text("ab1é̂☕", max_size=12),
        st.sampled_from(["", " final", " with more data and labels"]),
    ),
    min_size=1,
    max_size=8,
)


@given(texts=names, width=st.integers(1, 60))
def test_what_differs_still_differs_when_shortened(texts: list[str], width: int) -> None:
    width = max(width, least_width(texts, 1))
    short = shortened(texts, width)
    assert all(cell_len(text) <= width for text in short)
    assert len({*short}) == len({*texts})
    for text, cut in zip(texts, short, strict=True):
        assert cut == text or ELLIPSIS in cut
        parts = cut.split(ELLIPSIS)
        assert not any(part and unicodedata.combining(part[0]) for part in parts[1:])


def test_the_cut_is_where_the_texts_are_alike() -> None:
    texts = [f"an experiment of spring, seed={n}, with all labels of last year" for n in (1, 2)]
    assert all(f"{n}" in text for n, text in zip((1, 2), shortened(texts, 20), strict=True))
    assert shortened(["resnet50 lr=0.1 bs=64"], 14) == ["resnet…1 bs=64"]


needs = st.builds(
    lambda least, more, most, is_answer: Needs(least, least + more, least + more + most, is_answer),
    st.integers(1, 12),
    st.integers(0, 20),
    st.integers(0, 60),
    st.booleans(),
)


@given(columns=st.lists(needs, min_size=1, max_size=8))
def test_a_wider_terminal_shows_no_less(columns: list[Needs]) -> None:
    for how in (fit, fit_alike):
        before: dict[int, int] = {}
        for width in range(1, 300):
            widths = how(columns, width)
            if widths is None:
                assert not before
                continue
            if how is fit or sum(widths.values()) > 12:
                assert sum(widths.values()) + GAP * (len(widths) - 1) <= width
            assert all(widths.get(place, 0) >= had for place, had in before.items())
            before = widths
        assert before == {place: column.natural for place, column in enumerate(columns)} or (
            sum(column.natural + GAP for column in columns) > 299
        )


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (0.91234567, 0.01374, "0.912 ± 0.014"),
        (0.5, 0.0999, "0.50 ± 0.10"),
        (123.4567, 12.3, "123 ± 12"),
        (98765.4, 321.0, "98765 ± 321"),
        (1e-12, 3e-13, "1e-12 ± 3e-13"),
        (0.25, 0.0, "0.25 ± 0"),
        (0.25, None, "0.25"),
        (None, None, "–"),
        (float("nan"), 1.0, "NaN ± 1"),
    ],
)
def test_a_mean_has_the_digits_that_its_deviation_supports(
    mean: float | None, std: float | None, text: str
) -> None:
    assert with_spread(mean, std) == text


def drawn(history: Path, statement: str, width: int, answer: AnswerColumns) -> tuple[str, Any]:
    with open_dataset(history) as dataset:
        rows = SafeRows(dataset.result(dataset.sql(statement)))
        drawing = draw_table(rows, list(rows), Screen(width, False, False), answer)
        return drawing.text, drawing.left_out


ANSWER = AnswerColumns(("task", "value"))
STATEMENT = """
    SELECT 'experiment number ' || range || ' of a series' AS task, range / 4 AS value,
        'one' AS same, range AS detail, 'x' || range AS other
    FROM range(3) ORDER BY range
"""


def test_columns_of_the_answer_stay_and_constant_ones_go_above(history: Path) -> None:
    text, left_out = drawn(history, STATEMENT, 50, ANSWER)
    assert text.splitlines()[:4] == [
        "same: one",
        "",
        "task                             value  detail",
        "experiment number 0 of a series      0       0",
    ]
    assert left_out == ("other",)
    narrow, left_out = drawn(history, STATEMENT, 24, ANSWER)
    assert [line.split()[-1] for line in narrow.splitlines()[2:]] == ["value", "0", "0.25", "0.5"]
    assert left_out == ("detail", "other")
    upright, _ = drawn(history, STATEMENT, 12, ANSWER)
    assert upright.count("value") == 3


def _compared(n_tasks: int) -> tuple[str, AnswerColumns, list[str]]:
    """Write a statement whose columns are tasks, the last of which has no value in any row."""
    labels = [f"resnet50 seed={number} of a series" for number in range(n_tasks)]
    values = [f'metric + {number}.125 AS "{label}"' for number, label in enumerate(labels[:-1])]
    statement = (
        "SELECT 'a long metric ' || metric AS metric, 'v' || variant AS variant, "
        f'{", ".join(values)}, NULL::DOUBLE AS "{labels[-1]}", metric * 100 AS detail '
        "FROM range(1, 4) AS m(metric), range(2) AS v(variant) ORDER BY ALL"
    )
    legend = tuple((label, f"{label} ({number})") for number, label in enumerate(labels))
    return statement, AnswerColumns(("metric", "variant", *labels), legend=legend), labels


@pytest.mark.parametrize("n_tasks", [2, 3, 9])
def test_every_task_has_its_value_at_every_width(history: Path, n_tasks: int) -> None:
    statement, answer, labels = _compared(n_tasks)
    values = [f"{row}.125" for row in range(1, n_tasks + 2)]
    n_lines = {}
    with open_dataset(history) as dataset:
        rows = SafeRows(dataset.result(dataset.sql(statement)))
        cells = list(rows)
    for width in (24, 36, 48, 60, 80, 200):
        text = draw_table(rows, cells, Screen(width, False, False), answer).text
        assert {label: f"{label} (" in text or label in text for label in labels} == dict.fromkeys(
            labels, True
        )
        assert [text.count(f"{value}") for value in values] == [
            2 * min(n, n_tasks - 1, 3, n_tasks + 2 - n) for n in range(1, n_tasks + 2)
        ]
        assert text.count("–") == 6
        assert width < 36 or max(map(cell_len, text.splitlines())) <= width
        n_lines[width] = text.count("\n")
    assert list(n_lines.values()) == sorted(n_lines.values(), reverse=True)


def test_what_compared_rows_share_is_above_them(history: Path) -> None:
    statement, answer, _ = _compared(4)
    text, left_out = drawn(history, statement, 40, answer)
    assert text.splitlines()[4:] == [
        "",
        "  variant      A      B      C  D",
        "metric: a long metric 1",
        "  v0       1.125  2.125  3.125  –",
        "  v1       1.125  2.125  3.125  –",
        "metric: a long metric 2",
        "  v0       2.125  3.125  4.125  –",
        "  v1       2.125  3.125  4.125  –",
        "metric: a long metric 3",
        "  v0       3.125  4.125  5.125  –",
        "  v1       3.125  4.125  5.125  –",
    ]
    assert left_out == ("detail",)
    statement, answer, _ = _compared(9)
    text, left_out = drawn(history, statement, 40, answer)
    assert text.splitlines()[9:13] == [
        "",
        "metric: a long metric 1  variant: v0",
        "  A: 1.125  B: 2.125  C: 3.125  D: 4.125",
        "  E: 5.125  F: 6.125  G: 7.125  H: 8.125",
    ]
    assert left_out == ("detail",)


def test_a_head_keeps_what_it_would_be_mistaken_without(history: Path) -> None:
    statement = """
        SELECT 'accuracy' AS metric, 'train' AS variant, i::DOUBLE AS value,
            i::DOUBLE AS "loss/validation", 'text of a cell ' || i AS "General/model/name",
            'another text of a cell ' || i AS "Args/optimizer", i / 10 AS "Args/lr"
        FROM range(3) AS rows(i)
    """
    params = ("General/model/name", "Args/optimizer", "Args/lr")
    answer = AnswerColumns(("metric", "variant", "value"), params=params)
    with open_dataset(history) as dataset:
        rows = SafeRows(dataset.result(dataset.sql(statement)))
        heads = {column.name: column.short_name for column in drawn_columns(rows, [*rows], answer)}
    assert heads["loss/validation"] == "loss/validation"
    assert heads["General/model/name"] == "model/name"
    assert heads["Args/optimizer"] == "optimizer"
    assert heads["Args/lr"] == "lr"


def test_a_head_that_is_cut_keeps_which_value_of_the_metric_it_is() -> None:
    head = "accuracy/validation (max)"
    column = DrawnColumn(head, head, Kind.DOUBLE, ("0.91229",))
    assert column.short_head(25) == head
    assert column.short_head(20) == "accura…idation (max)"
    assert column.short_head(column.least_head) == "acc…tion (max)"
    cases = "loss (min) (case 2)"
    assert DrawnColumn(cases, cases, Kind.DOUBLE, ("1",)).short_head(19) == cases


def test_what_a_statement_selects_stays_where_it_is_if_it_fits(history: Path) -> None:
    text, left_out = drawn(history, STATEMENT, 80, AnswerColumns())
    assert (text.splitlines()[0].split()[2], left_out) == ("same", ())
    text, left_out = drawn(history, STATEMENT, 50, AnswerColumns())
    assert text.startswith("same: one\n")


def test_values_and_ids_that_differ_do_not_look_alike(history: Path) -> None:
    statement = (
        "SELECT unnest([0.1234561, 0.1234562, 0.5]::DOUBLE[]) AS value, "
        "unnest(['12345678' || repeat(d, 24) FOR d IN ['0', '1', '2']]) AS task_id"
    )
    text, _ = drawn(history, statement, 80, AnswerColumns())
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["0.1234561", "123456780000"],
        ["0.1234562", "123456781111"],
        ["0.5", "123456782222"],
    ]


def test_columns_can_be_chosen_in_every_format(
    piped: Callable[..., Any], on_terminal: Callable[..., Any]
) -> None:
    chosen = ("query", "max", "-m", "loss", "-q", "--columns", "task_id,value")
    assert piped(*chosen).stdout.splitlines()[:2] == ["task_id,value", f"{'b' * 32},2.0"]
    assert piped(*chosen, "--format", "jsonl").stdout.startswith('{"task_id": "bbbb')
    assert on_terminal(*chosen, TERM="dumb").screen.split()[:3] == ["task_id", "value", "bbbbbbbb"]
    one = ("query", "max", "-m", "loss/val", "-q", "--columns", "task_id", "--format", "text")
    assert piped(*one).stdout == f"{'a' * 32}\n"
    wrong = piped("query", "max", "--columns", "task,valu")
    assert (wrong.returncode, wrong.stdout) == (ExitCode.USAGE, "")
    assert wrong.stderr == "error: no column 'valu'; did you mean 'value'?\n"
    missing = piped("sql", "SELECT 1 AS a", "--columns", "a,,b")
    assert missing.returncode == ExitCode.USAGE
    streamed = piped("query", "curve", "-m", "loss/train", "-q", "--columns", "value,task")
    assert streamed.stdout.splitlines()[1] == "2.0,training lr=0.01"


def test_wide_shortens_nothing(on_terminal: Callable[..., Any]) -> None:
    session = on_terminal("query", "max", "--wide", columns=40, TERM="dumb")
    heads = session.screen.splitlines()[0].split()
    assert heads[0] == "metric"
    assert heads[-1] == "n_null"
    assert "columns not shown" not in session.stderr


def test_a_header_names_the_columns_of_its_answer() -> None:
    answer = parse_answer("metric, mean ± std, *, project if by project")
    assert answer == AnswerColumns(
        ("metric", "mean", "std", "*", "project"),
        (("mean", "std"),),
        (("project", "by", "project"),),
    )
    assert parse_answer("metric variant") is None
    assert parse_answer("") is None
