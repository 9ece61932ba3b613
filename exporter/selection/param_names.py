"""Hyperparameter arguments: one rule for export and queries. Pure."""

import re
from collections.abc import Callable, Collection

from clearml_snapshot.exporter.selection.names import canonical, is_glob, names_pattern, no_such


def find_params(text: str, names: Collection[str]) -> list[str]:
    """Find hyperparameters by section/name or name: exact, else ignoring case, else as a glob.

    Raises:
        NoSuchNameError: there is none.
    """
    readings: list[Callable[[str], object]] = [
        lambda name: name == text,
        lambda name: canonical(name) == canonical(text),
        lambda name: canonical(name).casefold() == canonical(text).casefold(),
    ]
    if is_glob(text):
        readings.append(re.compile(names_pattern([text]) or "").search)
    for reads in readings:
        for parts in (_itself, _ends):
            matching = sorted(name for name in names if any(map(reads, parts(name))))
            if matching:
                return matching
    raise no_such("hyperparameter", text, names, plural="hyperparameters")


def _itself(name: str) -> list[str]:
    return [name]


def _ends(name: str) -> list[str]:
    """Return what follows each slash: sections and names may contain slashes."""
    return [name[at + 1 :] for at, mark in enumerate(name) if mark == "/"]
