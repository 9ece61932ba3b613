"""How commands open a dataset for questions: which snapshot, and how much a question may take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.dataset import DatasetChoice, parse_snapshot_ref
from clearml_snapshot.cli.options.groups import OptionGroup
from clearml_snapshot.cli.options.sections import LIMITS
from clearml_snapshot.cli.process.bounds import ended_after, within_memory
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.exporter.selection.task_filter import TaskFilter

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset


@dataclass(frozen=True)
class LimitOptions:
    """What a question may take."""

    timeout: float | None = None
    """Seconds; None is without end."""
    memory: str | None = None
    """As DuckDB writes it; None is 80 % of the machine's."""


def limit_options(
    query_timeout: Annotated[
        float | None,
        typer.Option(
            "--query-timeout",
            metavar="SECONDS",
            min=0,
            help="Give up after so long.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit",
            metavar="SIZE",
            help="What DuckDB may use, such as 2GB; the rest goes to disk.",
            show_default="80% of the machine's",
            rich_help_panel=LIMITS,
        ),
    ] = None,
) -> LimitOptions:
    """Gather what a question may take."""
    return LimitOptions(query_timeout, memory_limit)


Limits = Annotated[LimitOptions, OptionGroup(limit_options)]


@contextmanager
def open_for_query(
    choice: DatasetChoice,
    filters: TaskFilter | None,
    limits: LimitOptions,
    allow_files: Sequence[Path] = (),
) -> "Iterator[Dataset]":
    """Open a dataset; the block ends when the time is up, and after Ctrl-C.

    If it does not, the process does: after ``ending.GRACE``, or when it uses too much memory.

    Raises:
        SnapshotError: it took too long, or there is no such dataset, snapshot or task.
    """
    from clearml_snapshot.queries import open_dataset

    with (
        Interruptible() as interruptible,
        ended_after(limits.timeout),
        open_dataset(
            choice.data,
            snapshot=parse_snapshot_ref(choice.snapshot),
            filter=filters,
            memory_limit=limits.memory,
            allow_files=allow_files,
        ) as dataset,
        interruptible.stopped_by(dataset.interrupter()),
        within_memory(dataset.memory_limit),
        dataset.ending_after(limits.timeout),
    ):
        yield dataset


def make_pages(folder: Path, names: Sequence[str], into: Path) -> None:
    """Make the pages of a pack again, see ``queries.pages``; loaded only where there are some."""
    from clearml_snapshot.queries.pack.texts import make_pages as make

    make(folder, names, into)
