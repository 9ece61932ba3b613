"""Shows stored metrics under other names, as a file of aliases says.

Comes in: a file or a mapping of new and stored names, and the names in a snapshot. Goes out: the
views ``series`` and ``scalars`` with the new names, and which series have one. Stored files are
never changed, and two series of a task become one only if they have no iteration in common.

The modules are loaded only if there are aliases.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clearml_snapshot.exporter.errors import NoSuchNameError

if TYPE_CHECKING:
    import duckdb

    from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter, TaskFilter
    from clearml_snapshot.queries.aliases.rules import Rule
    from clearml_snapshot.queries.aliases.views import AliasedViews

STORED: Final = "as_stored"
"""The schema of the tables with the names that are stored, if there are aliases."""

AliasTexts = Mapping[str, str | Iterable[str]]
"""The stored name, or several of them, by new name."""


@dataclass(frozen=True)
class Aliases:
    """New names of metrics, from a file or a mapping."""

    source: str
    """The file as it was named, or ``aliases``."""
    rules: "tuple[Rule, ...]"

    @classmethod
    def read(cls, given: "str | os.PathLike[str] | AliasTexts") -> "Aliases":
        """Read a file of aliases, or a mapping.

        Raises:
            UsageError: the file cannot be read, or a line is not an alias.
        """
        from clearml_snapshot.queries.aliases.rules import rules_in, rules_of

        if isinstance(given, Mapping):
            return cls("aliases", rules_of(given))
        return cls(str(Path(given)), rules_in(Path(given)))


def applied(
    aliases: Aliases | None,
    connection: "duckdb.DuckDBPyConnection",
    task_filter: "TaskFilter | ResolvedFilter | None",
    bring_points: Callable[[], None],
) -> "AliasedViews | None":
    """Make the schema ``files``, over the tables with the stored names in ``as_stored``.

    Args:
        aliases: None does nothing.
        connection: sees ``as_stored``.
        task_filter: the filter that will be applied; its conditions may be about any task.
        bring_points: is called before points are read.

    Raises:
        UsageError: two rules contradict each other, a name could be several things, or a task
            has two points for one iteration.
    """
    if aliases is None:
        return None
    from clearml_snapshot.queries.aliases.views import show_renamed

    aliased = show_renamed(connection, aliases)
    if getattr(task_filter, "where", ()):
        aliased.unite(connection, None, bring_points)
    return aliased


@contextmanager
def explained(aliased: "AliasedViews | None") -> Iterator[None]:
    """Say in an error about the name of a metric what aliases did with it."""
    try:
        yield
    except NoSuchNameError as error:
        raise (aliased.renames.explained(error) if aliased else error) from None
