"""Tables for a paper: few digits, no addresses, and names that LaTeX prints and does not obey."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.cli.output.paper import _latex, _latex_number, sensible

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
    head, _, first, *_ = done.stdout.splitlines()
    assert head == "| metric | variant | value | iteration | task | task_id |"
    assert first.endswith("| training lr=0.01 | bbbbbbbb |")
    assert "columns not shown: timestamp" in done.stderr
    wide = piped("query", "max", "-m", "loss", "--format", "latex", "--wide").stdout
    assert "n\\_points" in wide
    assert "https" not in wide
    chosen = ("--columns", "web_url,value")
    assert "https" in piped("query", "max", "-m", "loss", "--format", "markdown", *chosen).stdout


def test_latex_is_a_table_of_booktabs(piped: Piped) -> None:
    columns = ("--columns", "task,value")
    done = piped("query", "max", "-m", "loss", "-q", "--format", "latex", *columns)
    assert done.stdout.splitlines() == [
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
