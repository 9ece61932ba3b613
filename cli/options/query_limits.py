"""Shared by commands that read a dataset: query limits, and how the dataset is opened."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.dataset import DatasetChoice, parse_snapshot_ref
from clearml_snapshot.cli.options.groups import OptionGroup
from clearml_snapshot.cli.options.sections import LIMITS
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.process.bounds import ended_after, within_memory
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset


_UNMATCHED: Final = 5
"""Aliases that match nothing and are named."""


@dataclass(frozen=True)
class LimitOptions:
    """Limits on a query."""

    timeout: float | None = None
    """Seconds; None means no limit."""
    memory: str | None = None
    """In DuckDB's notation; None is half of the machine's memory, at most 4 GB."""


def limit_options(
    query_timeout: Annotated[
        float | None,
        typer.Option(
            "--query-timeout",
            metavar="SECONDS",
            min=0,
            help="Cancel the query after this many seconds.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit",
            metavar="SIZE",
            help="Memory that DuckDB may use, such as 2GB; it spills the rest to disk.",
            show_default="half of the machine's memory, at most 4GB",
            rich_help_panel=LIMITS,
        ),
    ] = None,
) -> LimitOptions:
    """Collect the limits on a query."""
    return LimitOptions(query_timeout, memory_limit)


Limits = Annotated[LimitOptions, OptionGroup(limit_options)]


@contextmanager
def open_for_query(
    choice: DatasetChoice,
    filters: TaskFilter | None,
    limits: LimitOptions,
    allow_files: Sequence[Path] = (),
    aliases: Path | None = None,
) -> "Iterator[Dataset]":
    """Open a dataset; the block is interrupted at the time limit and by Ctrl-C.

    If DuckDB ignores that, the process ends: after ``ending.GRACE``, or if it uses too much memory.
    Aliases that match no metric are reported.

    Raises:
        SnapshotError: the time limit is reached, or the dataset, snapshot or task does not exist.
    """
    from clearml_snapshot.queries import open_dataset
    from clearml_snapshot.queries.aliases import explained

    with (
        Interruptible() as interruptible,
        ended_after(limits.timeout),
        open_dataset(
            choice.data,
            snapshot=parse_snapshot_ref(choice.snapshot),
            filter=filters,
            aliases=aliases,
            memory_limit=limits.memory,
            allow_files=allow_files,
        ) as dataset,
        interruptible.stopped_by(dataset.interrupter()),
        within_memory(dataset.memory_limit),
        dataset.ending_after(limits.timeout),
    ):
        if dataset.aliased:
            note_unmatched(tuple(dataset.aliased.renames.unmatched.values()))
        with explained(dataset.aliased):
            yield dataset


def note_unmatched(unmatched: Sequence[str]) -> None:
    """Report aliases that match nothing: a name may be misspelt."""
    for text in unmatched[:_UNMATCHED]:
        note(text)
    if len(unmatched) > _UNMATCHED:
        note(f"… and {len(unmatched) - _UNMATCHED} more aliases that match no metric")


def make_pages(folder: Path, names: Sequence[str], into: Path) -> None:
    """Regenerate the pages of a pack; the module is loaded only if there are any."""
    from clearml_snapshot.queries.pack.texts import make_pages as make

    make(folder, names, into)
