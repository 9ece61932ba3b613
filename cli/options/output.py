"""The options that choose where a result is written and in which format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import typer

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import OUTPUT
from clearml_snapshot.cli.output.destination import FORMATS, Format, OutputOptions, TypedFormat
from clearml_snapshot.cli.output.terminal import LogForm
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.places import refuse_address

Quiet = Annotated[
    bool,
    option(
        "--quiet",
        "-q",
        section=OUTPUT,
        help="Print no notes and no progress on stderr; failures, warnings, and what a table "
        "leaves out are still printed.",
    ),
]

Json = Annotated[
    Literal["json"] | None,
    typer.Option(
        "--format",
        metavar="json",
        rich_help_panel=OUTPUT,
        help="Print one JSON object on stdout.",
        show_default="text on stderr",
    ),
]

LOG: Final = "--log"
LOG_VARIABLE: Final = "CLEARML_SNAPSHOT_LOG"

Log = Annotated[
    LogForm | None,
    option(
        LOG,
        section=OUTPUT,
        metavar="FORM",
        envvar=LOG_VARIABLE,
        help="How lines on stderr are written: text, time (each begins with the time in UTC) or "
        "json (each is an object with time, level and message).",
        show_default="text",
    ),
]
"""For commands that run at night; `main` applies it before the arguments are parsed."""


def typed_value(arguments: Sequence[str], option: str) -> str | None:
    """Find the last value of an option in arguments that were not parsed yet."""
    value = None
    for at, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == option and at + 1 < len(arguments):
            value = arguments[at + 1]
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value


def output_options(
    format_: Annotated[
        TypedFormat | None,
        option(
            "--format",
            section=OUTPUT,
            metavar="FORMAT",
            help="table, csv, tsv, json, jsonl, markdown, latex, parquet, arrow, xlsx or text.",
            show_default="by file extension, else table on a terminal, csv in a pipe",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        option(
            "--output",
            "-o",
            section=OUTPUT,
            metavar="FILE",
            help="Write to a file: .csv, .tsv, .json, .jsonl, .md, .tex, .parquet, .arrow, .xlsx, "
            ".txt, .duckdb.",
            show_default="stdout",
        ),
    ] = None,
    table: Annotated[
        str | None,
        option(
            "--table",
            section=OUTPUT,
            metavar="NAME",
            help="Name of the table in a .duckdb file; an existing table is replaced.",
            show_default="the query's name",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        option(
            "--columns",
            section=OUTPUT,
            metavar="NAME,NAME,…",
            help="Only these columns, in this order: names, globs, or a head such as 'mean ± std'.",
            show_default="every column",
        ),
    ] = None,
    wide: Annotated[
        bool,
        option(
            "--wide",
            section=OUTPUT,
            help="On a terminal, print every column in full, even if the lines do not fit.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> OutputOptions:
    """Collect where the result is written.

    Raises:
        UsageError: the output is an address such as ``s3://…``, or a column has no name.
    """
    if output is not None:
        refuse_address(output)
    names = tuple(name.strip() for name in columns.split(",")) if columns is not None else ()
    if not all(names):
        raise UsageError(f"--columns {columns!r}: a name is missing; write them as a,b,c")
    form = None if format_ is None else FORMATS.get(format_, cast(Format, format_))
    return OutputOptions(form, output, table, quiet, names, wide)


Output = Annotated[OutputOptions, OptionGroup(output_options)]
