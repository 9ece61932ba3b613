"""Finds the columns that ``--columns`` names: as they are named, or as a table heads them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from clearml_snapshot.cli.output.tables.columns import letter
from clearml_snapshot.cli.output.tables.shorten import ELLIPSIS
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.selection.names import glob_pattern, is_glob
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns

_JOINT: Final = "±"


def chosen_columns(
    typed: Sequence[str], columns: Sequence[str], answer: AnswerColumns
) -> AnswerColumns:
    """Find the columns that were chosen; a text that is none of them stays as it is.

    A column's own name comes first. Otherwise ``mean ± std`` is two columns, which a table joins;
    ``lr`` is the only one that ends in ``/lr``, and ``vali…ion`` the only one that it shortens; a
    letter is the task for which it stands, and a glob is every column that it matches.

    Args:
        typed: what was typed.
        columns: the names of all columns.
        answer: the columns that tables show, and how.
    """
    names: list[str] = []
    spreads = []
    for text in typed:
        pair = next((pair for pair in answer.spreads if _is_head_of(text, pair)), None)
        if text not in columns and pair is not None and {*pair} <= {*columns}:
            spreads.append(pair)
            names += pair
        else:
            names += _matching(text, columns) or [_column(text, columns, answer)]
    return AnswerColumns(
        tuple(dict.fromkeys(names)),
        spreads=tuple(dict.fromkeys(spreads)),
        are_exact=True,
        sparks=answer.sparks,
    )


def _is_head_of(text: str, pair: tuple[str, str]) -> bool:
    return tuple(part.strip() for part in text.split(_JOINT)) == pair


def _matching(text: str, columns: Sequence[str]) -> list[str]:
    """List the columns that a glob matches."""
    if not is_glob(text) or text in columns:
        return []
    pattern = re.compile(glob_pattern(text))
    return [name for name in columns if pattern.fullmatch(name)]


def _column(text: str, columns: Sequence[str], answer: AnswerColumns) -> str:
    if text in columns:
        return text
    letters = {letter(place): name for place, (name, _) in enumerate(answer.legend)}
    if text in letters:
        return letters[text]
    begin, mark, end = text.partition(ELLIPSIS)
    matching = [name for name in columns if printable(name) == text or text in _ends_of(name)]
    if mark and not matching:
        matching = [
            name
            for name in columns
            for head in {printable(end) for end in _ends_of(name)}
            if head.startswith(begin) and head.endswith(end) and len(head) > len(begin + end)
        ]
    found = {*matching}
    return found.pop() if len(found) == 1 else text


def _ends_of(name: str) -> Iterator[str]:
    """Yield a name in full, and without one section after another."""
    parts = name.split("/")
    for at in range(len(parts)):
        yield "/".join(parts[at:])
