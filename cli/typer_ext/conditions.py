"""Finds the name that is being typed in a condition of ``--where``, and completes it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.condition import parse, references

PARAM: Final = "param:"
"""Before the name of a hyperparameter that a metric has too."""
_LONGEST: Final = 1_000
"""Characters of a condition that is completed."""
_BEGUN: Final = re.compile(
    r"""(?P<head>(?:'[^']*'|"[^"]*"|[^'"])*?)(?P<quote>")?"""
    r"""(?P<name>(?(quote)[^"]*|[^\s()<>=!,'"]*))""",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_OF_METRIC: Final = re.compile(r"(?:^|[\s(])(?:best|last|max|min)\s*\(\s*\Z")
_FOLLOWING: Final = ("<", "<=", ">", ">=", "=", "!=", "in", "is")


@dataclass(frozen=True)
class BegunName:
    """A name of a hyperparameter or metric, and what is before it."""

    head: str
    name: str
    is_quoted: bool
    is_metric: bool
    """It is inside ``max(`` or another function of metrics."""


def begun_name(text: str) -> BegunName | None:
    """Find the name that a beginning of a condition ends with; None if no name belongs there."""
    match = _BEGUN.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    begun = BegunName(
        match["head"], match["name"], bool(match["quote"]), bool(_OF_METRIC.search(match["head"]))
    )
    return begun if _continues(begun, "x") else None


def completed_conditions(begun: BegunName, names: Collection[str]) -> list[str]:
    """Write the condition with each name that can follow what was typed.

    A single name has what may follow it behind it, so that the shell does not end the word there.
    """
    written = [text for name in names if (text := _written(begun, name)) is not None]
    if len(written) != 1:
        return written
    return [f"{written[0]}{')' * begun.is_metric} {operator}" for operator in _FOLLOWING]


def _written(begun: BegunName, name: str) -> str | None:
    """Write a name behind the head: in quotes if it needs them, which cannot be added later."""
    if not begun.is_quoted and _continues(begun, name):
        return f"{begun.head}{name}"
    if not begun.is_quoted and begun.name:
        return None
    return None if '"' in name else f'{begun.head}"{name}"'


def _continues(begun: BegunName, name: str) -> bool:
    """Return whether a name without quotes may follow the head, and is read as this name."""
    outside = _QUOTED.sub("", begun.head)
    n_open = outside.count("(") - outside.count(")") - begun.is_metric
    condition = f"{begun.head}{name}{')' * begun.is_metric} < 1{')' * n_open}"
    try:
        return any(found.name == name for found in references(parse(condition)))
    except UsageError:
        return False
