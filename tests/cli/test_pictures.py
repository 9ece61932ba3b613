"""What each query shows on terminals of four widths: as it was looked at, and complete.

The pictures are in ``pictures/``; ``make pictures`` draws them again.
"""

import re
import shlex
from pathlib import Path

import pytest

from clearml_snapshot.queries.ask.header import find, names
from tests.cli.conftest import run_in_process
from tests.cli.pictures.cases import CASES, FOLDER, WIDTHS, file_of, picture
from tests.support.terminal import Terminal


def test_every_query_has_a_picture() -> None:
    assert {command.split()[0] for command in CASES.values()} == {*names()}
    assert {file.stem for file in FOLDER.glob("*.txt")} == {*CASES}


@pytest.mark.parametrize("name", CASES)
def test_a_query_looks_as_it_was_looked_at(name: str, demo: Path) -> None:
    drawn = picture(CASES[name], run_in_process, demo)
    assert drawn == file_of(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_columns_of_the_answer_are_in_each(name: str) -> None:
    """Each is a head, in a line above the table or a line of each record; none is left out."""
    answer = find(shlex.split(CASES[name])[0]).answer
    conditional = {column for column, _, _ in answer.conditions}
    declared = [column for column in answer.names if column not in {"*", *conditional}]
    text = file_of(name).read_text(encoding="utf-8")
    pictures = re.split(r"^-- \d+ columns -*\n", text, flags=re.MULTILINE)[1:]
    assert len(pictures) == len(WIDTHS)
    shown = [[c for c in declared if _is_head(c, drawn)] for drawn in pictures]
    assert shown == [shown[-1]] * len(WIDTHS)
    assert shown[-1]
    for drawn in pictures:
        (left_out,) = re.findall(r"^\(columns not shown: (.*?) \(", drawn, re.MULTILINE) or [""]
        assert {*declared} & {*re.split(", | and ", left_out)} == set()


def _is_head(column: str, drawn: str) -> bool:
    """Return whether a column is in a picture, perhaps with a shortened name."""
    heads = re.sub("[:±]", " ", drawn).split()
    cuts = (head.partition("…") for head in heads)
    return {column, column.rpartition("/")[2]} & {*heads} != set() or any(
        begin and mark and column.startswith(begin) and column.endswith(end)
        for begin, mark, end in cuts
    )


def test_what_differs_follows_the_values_of_compared_tasks(demo: Path) -> None:
    terminal = Terminal()
    with terminal.stream() as stdout:
        command = ("query", "compare", "vit-small", "vit-small retry", "-m", "accuracy")
        done = run_in_process(*command, cwd=demo, stdout=stdout, TERM="dumb", COLUMNS="100")
    assert done.returncode == 0
    values, differing = terminal.end().replace("\r\n", "\n").split("\n\nparameter ")
    assert "difference" in values
    assert [line.split()[0] for line in differing.splitlines()[1:]] == ["Args/batch_size", "commit"]
