"""Reads both files ``views.sql``: the views and macros that a statement needs."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from clearml_snapshot.exporter.store.format.shared_views import shared_views
from clearml_snapshot.queries.ask.header import read

CREATE: Final = re.compile(r"^CREATE (VIEW|MACRO) (\w+)", re.MULTILINE)
_STATEMENT: Final = re.compile(rf"(?:^--[^\n]*\n)*{CREATE.pattern}.*?;$", re.MULTILINE | re.DOTALL)
_COMMENT_OR_PARAMETER: Final = re.compile(r"^\s*--.*|\$\w+", re.MULTILINE)
_WORD: Final = re.compile(r"\w+")


@cache
def definitions() -> Mapping[str, str]:
    """Return the statement that creates each view or macro, with its comment.

    Each uses only those before it. The text is divided here: parsing it takes DuckDB 10 ms.
    """
    return {match[2]: match[0] for match in _STATEMENT.finditer(all_views())}


def all_views() -> str:
    """Return the SQL of all of them: first those that every DuckDB on a snapshot has."""
    return shared_views("picked") + "\n" + read("views.sql")


def needed(statement: str) -> tuple[str, ...]:
    """List the views and macros that a statement names or that those need, in a possible order.

    A word of the statement that only looks like one of them adds it too, which is harmless.
    """
    made = definitions()
    names: set[str] = set()
    todo = [statement.lower()]
    while todo:
        words = _WORD.findall(without_comments(todo.pop()))
        new = (set(words) & made.keys()) - names
        names |= new
        todo += [made[name] for name in new]
    return tuple(name for name in made if name in names)


def without_comments(statement: str) -> str:
    """Leave out comments in lines of their own, and parameters: their words name nothing."""
    return _COMMENT_OR_PARAMETER.sub("", statement)
