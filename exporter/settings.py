"""Names a setting as its user writes it: an argument in Python, an option on the command line.

A message is written where the problem is found, in code that both use. The command line states once
that its users type options (``naming_options``). Only the name of a setting is translated, never a
message: names of tasks and metrics in it may look like anything.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_OPTIONS: Final[Mapping[str, str]] = {
    "projects": "--project",
    "task_names": "--task-name",
    "task_ids": "--task",
    "tags": "--tag",
    "any_tags": "--any-tag",
    "exclude_tags": "--exclude-tag",
    "statuses": "--status",
    "types": "--type",
    "users": "--user",
    "metrics": "--metric",
    "variants": "--variant",
    "exclude_metrics": "--exclude-metric",
    "everything": "--all",
    "max_seconds": "--max-time",
    "path": "--data",
    "target": "-o",
    "forecast": "--dry-run",
}
"""The options with another name than their arguments."""

_WITH_VALUE: Final[Mapping[tuple[str, object], tuple[str, ...]]] = {
    ("hidden", True): ("--hidden", "include"),
    ("clips", False): ("--no-clip",),
    ("again", "counts"): ("--recount",),
    ("again", "points"): ("--reread",),
}
"""What is typed for a value of an argument, if it is not the option and the value."""


class _Readers:
    """Counts the commands that run in this process; several may in several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.commands = 0


_READERS: Final = _Readers()


@contextmanager
def naming_options() -> Iterator[None]:
    """Name options instead of arguments in messages, in all threads of the process."""
    with _READERS.lock:
        _READERS.commands += 1
    try:
        yield
    finally:
        with _READERS.lock:
            _READERS.commands -= 1


def setting(name: str, *value: object, typed: str | None = None, option: str | None = None) -> str:
    """Name a setting in a message, perhaps with a value: ```limit=0``` or ``--limit 0``.

    Args:
        name: of the argument or the field.
        value: its value, at most one.
        typed: what is typed behind the option; None means the value itself.
        option: the option; None means the usual one of the name.
    """
    if not _READERS.commands:
        return f"`{name}={value[0]!r}`" if value else f"`{name}`"
    if typed is None:
        words = typed_as(name, value[0]) if value else (option_of(name),)
    else:
        words = (option_of(name), typed)
    return " ".join(words if option is None else (option, *words[1:]))


def typed_as(name: str, value: object) -> tuple[str, ...]:
    """Return the words that give an argument a value on the command line."""
    if isinstance(value, str | bool) and (name, value) in _WITH_VALUE:
        return _WITH_VALUE[name, value]
    if isinstance(value, bool):
        return (option_of(name) if value else "--no-" + option_of(name).removeprefix("--"),)
    return (option_of(name), str(value))


def option_of(name: str) -> str:
    """Return the option of an argument or a field, also for texts that datasets store.

    ``for_`` is ``--for``, as an argument cannot be a Python keyword.
    """
    return _OPTIONS.get(name) or "--" + name.rstrip("_").replace("_", "-")


def own_table(name: str) -> str:
    """Say how a statement reads a table of the caller; empty on the command line."""
    if _READERS.commands:
        return ""
    plain = name if name.isidentifier() else "name"
    return f"a table of your own is read with `tables={{{plain!r}: …}}`"


def a_selection() -> str:
    """Describe how to select tasks for an export."""
    if not _READERS.commands:
        return (
            "a selection, such as `Selection(TaskFilter(projects='vision'))`; `Selection()` "
            "selects every task"
        )
    return (
        "a filter (--project, --tag, …; see `clearml-snapshot export --help`), or --all for every "
        "task"
    )
