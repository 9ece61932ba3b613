"""The options that commands share, and the frozen objects that commands get instead of them."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from clearml_snapshot.cli.typer_ext.commands import OptionGroup
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.task_filter import Archived, Order, TaskFilter
from clearml_snapshot.exporter.store.disk.places import refuse_address

Format = Literal["table", "csv", "tsv", "json", "jsonl", "markdown", "parquet", "arrow", "text"]
Hidden = Literal["include", "exclude"]

DATASET: Final = "Dataset"
TASKS: Final = "Which tasks (combined with AND)"
METRICS: Final = "Which metrics"
OUTPUT: Final = "Output"


def _option(*names: str, section: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, rich_help_panel=section, **more)


DATA_VARIABLE: Final = "CLEARML_SNAPSHOT_DATA"

Data = Annotated[
    Path,
    _option(
        "--data",
        section=DATASET,
        metavar="DIR",
        envvar=DATA_VARIABLE,
        help="The dataset's folder; questions also take one snapshot folder or a pack.",
    ),
]
"""Where datasets are: every command takes it. Give it the default ``DEFAULT_DATA``."""

DEFAULT_DATA: Final = Path("data")

Quiet = Annotated[
    bool,
    _option(
        "--quiet",
        "-q",
        section=OUTPUT,
        help="No notes and no progress on stderr; failures and warnings stay.",
    ),
]


@dataclass(frozen=True)
class DatasetChoice:
    """Which dataset to read, and which of its snapshots."""

    data: Path
    """A dataset, one snapshot folder or a pack."""
    snapshot: str | None
    """None: the current one."""


def dataset_choice(
    data: Data = DEFAULT_DATA,
    snapshot: Annotated[
        str | None,
        _option(
            "--snapshot",
            section=DATASET,
            metavar="WHICH",
            help="A number, a date, or -1 for the one before.",
            show_default="the current one",
        ),
    ] = None,
) -> DatasetChoice:
    """Gather where to read from."""
    return DatasetChoice(data, snapshot)


Dataset = Annotated[DatasetChoice, OptionGroup(dataset_choice)]
"""For reading commands; ``--data`` also takes one snapshot folder or a pack."""


def task_filter(
    project: Annotated[
        list[str] | None,
        _option(
            "--project",
            section=TASKS,
            metavar="NAME",
            help="Project: exact name, glob (* crosses /) or id; with its sub-projects.",
        ),
    ] = None,
    no_subprojects: Annotated[
        bool, _option("--no-subprojects", section=TASKS, help="Only the projects themselves.")
    ] = False,
    task_name: Annotated[
        list[str] | None,
        _option(
            "--task-name",
            section=TASKS,
            metavar="NAME",
            help="Task name: exact, or a glob such as 'training*'.",
        ),
    ] = None,
    task_name_regex: Annotated[
        str | None,
        _option(
            "--task-name-regex",
            section=TASKS,
            metavar="REGEX",
            help="Task name: a regular expression that is found anywhere in it.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        _option(
            "--task",
            section=TASKS,
            metavar="ID",
            help="Task id or its unique beginning; @FILE or - (stdin) for many.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        _option("--tag", section=TASKS, metavar="TAG", help="Tag; several: all of them."),
    ] = None,
    any_tag: Annotated[
        list[str] | None,
        _option("--any-tag", section=TASKS, metavar="TAG", help="At least one of these tags."),
    ] = None,
    exclude_tag: Annotated[
        list[str] | None,
        _option("--exclude-tag", section=TASKS, metavar="TAG", help="None of these tags."),
    ] = None,
    status: Annotated[
        list[str] | None,
        _option(
            "--status",
            section=TASKS,
            metavar="STATUS",
            help="completed, failed, … or as the web UI says: draft, pending, running, aborted.",
        ),
    ] = None,
    type_: Annotated[
        list[str] | None,
        _option("--type", section=TASKS, metavar="TYPE", help="training, testing, …"),
    ] = None,
    user: Annotated[
        list[str] | None,
        _option("--user", section=TASKS, metavar="USER", help="Name, id, or 'me'."),
    ] = None,
    created_after: Annotated[
        str | None,
        _option(
            "--created-after",
            section=TASKS,
            metavar="TIME",
            help="A date, a time (local unless it has a zone) or an age such as 7d.",
        ),
    ] = None,
    created_before: Annotated[
        str | None, _option("--created-before", section=TASKS, metavar="TIME", help="Likewise.")
    ] = None,
    updated_after: Annotated[
        str | None, _option("--updated-after", section=TASKS, metavar="TIME", help="Likewise.")
    ] = None,
    updated_before: Annotated[
        str | None, _option("--updated-before", section=TASKS, metavar="TIME", help="Likewise.")
    ] = None,
    archived: Annotated[
        Archived,
        _option("--archived", section=TASKS, help="What to do with archived tasks."),
    ] = "include",
    hidden: Annotated[
        Hidden, _option("--hidden", section=TASKS, help="What to do with hidden tasks.")
    ] = "exclude",
    limit: Annotated[
        int | None,
        _option("--limit", section=TASKS, metavar="N", min=1, help="At most so many tasks."),
    ] = None,
    order: Annotated[
        Order,
        _option(
            "--order", section=TASKS, help="Which tasks come first: to be read, and for --limit."
        ),
    ] = "newest",
) -> TaskFilter:
    """Gather the filters of tasks; ids are read from files here, prefixes resolved later.

    Raises:
        UsageError: a file of ids that cannot be read.
    """
    return TaskFilter(
        projects=tuple(project or ()),
        subprojects=not no_subprojects,
        task_names=tuple(task_name or ()),
        task_name_regex=task_name_regex,
        task_ids=read_ids(task or ()),
        tags=tuple(tag or ()),
        any_tags=tuple(any_tag or ()),
        exclude_tags=tuple(exclude_tag or ()),
        statuses=tuple(status or ()),
        types=tuple(type_ or ()),
        users=tuple(user or ()),
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        archived=archived,
        hidden=hidden == "include",
        limit=limit,
        order=order,
    )


Filters = Annotated[TaskFilter, OptionGroup(task_filter)]


@dataclass(frozen=True)
class MetricOptions:
    """What was typed about metrics; resolved by ``exporter.metrics``."""

    metrics: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


_Metric = Annotated[
    list[str] | None,
    _option(
        "--metric",
        "--title",
        "-m",
        section=METRICS,
        metavar="METRIC",
        help="Metric, metric/variant, or a glob.",
    ),
]
_Variant = Annotated[
    list[str] | None,
    _option(
        "--variant", "--series", section=METRICS, metavar="VARIANT", help="Variant, or a glob."
    ),
]
_Excluded = Annotated[
    list[str] | None,
    _option("--exclude-metric", section=METRICS, metavar="METRIC", help="Leave these out."),
]


def metric_options(
    metric: _Metric = None, variant: _Variant = None, exclude_metric: _Excluded = None
) -> MetricOptions:
    """Gather the metrics of a query."""
    return MetricOptions(tuple(metric or ()), tuple(variant or ()), tuple(exclude_metric or ()))


def exported_metrics(metric: _Metric = None, exclude_metric: _Excluded = None) -> MetricOptions:
    """Gather the metrics of an export, which takes whole metrics or metric/variant."""
    return MetricOptions(metrics=tuple(metric or ()), excluded=tuple(exclude_metric or ()))


Metrics = Annotated[MetricOptions, OptionGroup(metric_options)]
ExportedMetrics = Annotated[MetricOptions, OptionGroup(exported_metrics)]


@dataclass(frozen=True)
class OutputOptions:
    """Where an answer goes, and in which form."""

    format: Format | None = None
    """None: chosen by the file's extension, else a table on a terminal and CSV in a pipe."""
    path: Path | None = None
    """None: stdout."""
    table: str | None = None
    """The table's name in a ``.duckdb`` file."""
    quiet: bool = False


def output_options(
    format_: Annotated[
        Format | None,
        _option(
            "--format",
            section=OUTPUT,
            metavar="FORMAT",
            help="table, csv, tsv, json, jsonl, markdown, parquet, arrow or text.",
            show_default="the file's extension, else table on a terminal, csv in a pipe",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        _option(
            "--output",
            "-o",
            section=OUTPUT,
            metavar="FILE",
            help="Write to a file: .csv, .tsv, .json, .jsonl, .md, .parquet, .arrow, .txt, "
            ".duckdb.",
            show_default="stdout",
        ),
    ] = None,
    table: Annotated[
        str | None,
        _option(
            "--table",
            section=OUTPUT,
            metavar="NAME",
            help="The table in a .duckdb file; it is replaced.",
            show_default="the query's name",
        ),
    ] = None,
    quiet: Quiet = False,
) -> OutputOptions:
    """Gather where the answer goes.

    Raises:
        UsageError: an address.
    """
    if output is not None:
        refuse_address(output)
    return OutputOptions(format_, output, table, quiet)


Output = Annotated[OutputOptions, OptionGroup(output_options)]


def read_ids(texts: Iterable[str], option: str = "--task") -> tuple[str, ...]:
    """Replace ``@FILE`` and ``-`` by the ids in them, one a line; ``#`` starts a comment.

    Raises:
        UsageError: the file cannot be read.
    """
    found: list[str] = []
    for text in texts:
        if text == "-":
            found += _ids_in(read_stdin())
        elif text.startswith("@"):
            found += _ids_in(read_text(Path(text[1:]), option))
        else:
            found.append(text)
    if not found and list(texts):
        raise UsageError(f"{option}: there is no task id in what was given")
    return tuple(dict.fromkeys(found))


def read_stdin() -> str:
    """Read all of stdin.

    Raises:
        UsageError: it is closed, or no text.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed; there is nothing to read from it")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("stdin is no UTF-8 text") from None


def _ids_in(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def read_text(path: Path, option: str) -> str:
    """Read a file that an option names.

    Raises:
        UsageError: it cannot be read.
    """
    refuse_address(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UsageError(f"{option}: cannot read {path}: {reason}") from None
