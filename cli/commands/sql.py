"""The `sql` command."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.dataset import At, Dataset, chosen, parse_snapshot_ref
from clearml_snapshot.cli.options.engine.spark import (
    Engine,
    EngineOptions,
    checked_cluster,
    spark_for,
)
from clearml_snapshot.cli.options.metrics import Aliases
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import Limits, open_for_query
from clearml_snapshot.cli.options.sections import QUERY
from clearml_snapshot.cli.options.text_input import read_stdin, read_text
from clearml_snapshot.cli.output.destination import SCREENFUL, OutputOptions
from clearml_snapshot.cli.output.stdout import write_answer, write_text
from clearml_snapshot.cli.output.terminal import note
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.finding import is_dataset

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset

_Statement = Annotated[
    str | None,
    typer.Argument(help="One SELECT statement; read from stdin if omitted, or if it is -."),
]
_File = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Read the statement from a file."),
]
_Explain = Annotated[
    bool, typer.Option("--explain", help="Show DuckDB's query plan instead of the result.")
]
_AllowFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-files",
        metavar="DIR",
        help="Also let SQL read the files in this folder and its subfolders, each by its path.",
    ),
]


_Plot = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="X,Y[,COLOUR]",
        help="Draw the answer instead: column Y over column X, a line for each value of COLOUR; in "
        "the terminal, or with -o as .svg, .png, .pdf, .html or .vl.json.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "sql", sql, panel=QUERY)


def sql(
    statement: _Statement = None,
    path: At = None,
    *,
    file: _File = None,
    explain: _Explain = False,
    plotted: _Plot = None,
    allow_files: _AllowFiles = None,
    aliases: Aliases = None,
    output: Output,
    dataset: Dataset,
    limits: Limits,
    engine: Engine,
) -> None:
    """Run one SELECT statement on the snapshot's views.

    The views are scalars, tasks, series, hyperparams, params and exports. The statement can read
    the snapshot's files and nothing else, and cannot change them. ClearML's title is the column
    metric, its series is the column variant. With --engine spark the statement is Spark SQL, which
    can read whatever Spark can. On a terminal without a statement, DuckDB's own shell
    starts on the snapshot.
    """
    from clearml_snapshot.queries.duckdb_errors import translating_errors
    from clearml_snapshot.queries.notes.aliases import alias_notes

    statement, path = _in_order(statement, path)
    dataset = chosen(dataset, path)
    if statement is None and file is None and _is_bare(output, explain, plotted, allow_files):
        from clearml_snapshot.cli.process.duckdb_shell import start_shell

        start_shell(dataset.data, parse_snapshot_ref(dataset.snapshot), aliases)
        return
    text = _statement(statement, file)
    if engine.is_spark:
        others = {"--explain": explain, "--plot": plotted, "--aliases": aliases}
        _check_for_spark(engine, {**others, "--allow-files": allow_files})
    opening = open_for_query(dataset, None, limits, allow_files or (), aliases)
    with opening as snapshot, translating_errors():
        if explain:
            write_text(snapshot.explain(text) + "\n")
        elif plotted is not None:
            _draw(snapshot, text, plotted, output)
        elif engine.is_spark:
            _answer_on_spark(engine, snapshot, text, output)
        else:
            write_answer(
                snapshot.result(snapshot.sql(text)), output, name="sql", screenful=SCREENFUL
            )
            for line in () if output.quiet else alias_notes(snapshot):
                note(line)


def _check_for_spark(engine: EngineOptions, others: Mapping[str, object]) -> None:
    for option, typed in others.items():
        if typed:
            raise UsageError(f"{option} cannot be used with --engine spark")
    checked_cluster(engine)


def _answer_on_spark(
    engine: EngineOptions, snapshot: "OpenDataset", text: str, output: OutputOptions
) -> None:
    """Run a statement as Spark SQL, and write its rows."""
    from clearml_snapshot.queries.engine.statement import answered

    with spark_for(engine, snapshot, computes=True) as session:
        rows = answered(session, snapshot, text)
    write_answer(snapshot.result(rows), output, name="sql", screenful=SCREENFUL)


def _draw(snapshot: "OpenDataset", text: str, plotted: str, output: OutputOptions) -> None:
    """Draw an answer on the terminal or into a file."""
    from clearml_snapshot.cli.commands.looking.drawn import fitting, write_figure
    from clearml_snapshot.queries.figures.answers import answer_figure
    from clearml_snapshot.queries.figures.look import Look

    columns = [name.strip() for name in plotted.split(",")]
    if len(columns) not in (2, 3) or not all(columns):
        raise UsageError(f"--plot {plotted}: give it as X,Y or X,Y,COLOUR")
    look = fitting(Look(), output.path)
    figure = answer_figure(snapshot, snapshot.sql(text), columns, look)
    write_figure(figure, output.path)
    for line in () if output.quiet else figure.notes:
        note(line)


def _in_order(statement: str | None, at: Path | None) -> tuple[str | None, Path | None]:
    """Tell the statement from the dataset, which may also come first or alone."""
    if statement is None or not is_dataset(Path(statement)):
        return statement, at
    return (None if at is None else str(at)), Path(statement)


def _is_bare(
    output: OutputOptions, explain: bool, plotted: str | None, allow_files: list[Path] | None
) -> bool:
    """Return whether a person at a terminal typed neither a statement nor an option for one."""
    typed = explain or plotted or allow_files or output != OutputOptions()
    return not typed and sys.stdin is not None and sys.stdin.isatty()


def _statement(statement: str | None, file: Path | None) -> str:
    if statement is not None and file is not None:
        raise UsageError("give either a statement or -f FILE, not both")
    if file is not None:
        return read_text(file, "-f")
    if statement not in (None, "-"):
        return statement
    if sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no statement; give one, use -f FILE, or pipe one in")
    return read_stdin()
