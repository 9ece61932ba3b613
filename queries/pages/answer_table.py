"""Writes the first rows of an answer as HTML, for a notebook."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from clearml_snapshot.queries.pages.environment import seen

ROWS: Final = 40
"""The number of rows that a notebook shows, as a terminal does."""
_LONGEST: Final = 200


def answer_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], notes: Iterable[str]
) -> str:
    """Write a table; a text of other people is text in it.

    Args:
        columns: the names of the columns.
        rows: at most one row more than ``ROWS``, to know that there are more.
        notes: lines below it.
    """
    heads = "".join(f"<th>{_text(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows[:ROWS]
    )
    more = [f"the first {ROWS} rows"] if len(rows) > ROWS else []
    below = "".join(f"<div>{_text(line)}</div>" for line in (*more, *notes))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{below}"


def _text(cell: object) -> str:
    """Show a cell; a number has all of its digits."""
    return "–" if cell is None else escape(seen(str(cell), _LONGEST))
