"""`query NAME` and `sql`: questions to a dataset."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from clearml_snapshot.cli.frame import Command, Group, add_command
from clearml_snapshot.cli.options import (
    Dataset,
    DatasetChoice,
    Filters,
    MetricOptions,
    Metrics,
    Output,
    read_stdin,
    read_text,
)
from clearml_snapshot.cli.output import write_answer, write_text
from clearml_snapshot.cli.terminal import note
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.filters import TaskFilter, no_such, parse_time
from clearml_snapshot.queries.catalogue import Param, Query, queries

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation
    from typer._click.core import Context

    from clearml_snapshot.queries import Dataset as OpenDataset

PANEL: Final = "Ask"
QUESTION: Final = "The question"
SCREENFUL: Final = 40
"""Rows of ``sql`` that a terminal shows."""

_CHOICES: Final = re.compile(r"^\w+(?:\|\w+)+: ")
_DEFAULT: Final = re.compile(r"\s*\(default: ([^)]*)\)")
_SERIES_PARAMS: Final = frozenset({"metric", "variant"})
_TYPES: Final[dict[str, type]] = {
    "BIGINT": int,
    "INTEGER": int,
    "DOUBLE": float,
    "BOOLEAN": bool,
}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    catalogue = typer.Typer(cls=Catalogue, rich_markup_mode=None)
    catalogue.callback(invoke_without_command=True)(_list_queries)
    app.add_typer(catalogue, name="query", rich_help_panel=PANEL)
    add_command(app, "sql", sql, panel=PANEL)


class Catalogue(Group):
    """The queries as commands, each made when it is asked for."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Name every query."""
        return list(queries())

    def get_command(self, ctx: "Context", cmd_name: str) -> Command | None:
        """Make the command of a query."""
        return _query_command(cmd_name) if cmd_name in queries() else None

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the query, or suggest near ones."""
        if not args[0].startswith("-") and args[0] not in queries():
            raise no_such("query", args[0], queries())
        return super().resolve_command(ctx, args)


def _list_queries(ctx: typer.Context) -> None:
    """Ask a question of the catalogue, such as max; without a name list them."""
    if ctx.invoked_subcommand is None:
        widest = max(map(len, queries()))
        lines = (f"{name.ljust(widest)}  {query.title}\n" for name, query in queries().items())
        write_text("".join(lines))


@cache
def _query_command(name: str) -> Command:
    query = queries()[name]
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, name, _asking(query))
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    return command


def _asking(query: Query) -> Callable[..., None]:
    """Make the function of a query's command: its header's parameters, then the shared groups."""

    def ask_this(**typed: Any) -> None:
        ask(query, **typed)

    own = [_option(param) for param in query.params if param.name not in _SERIES_PARAMS]
    shared = inspect.signature(ask, eval_str=True).parameters.values()
    groups = [one for one in shared if one.kind is one.KEYWORD_ONLY]
    ask_this.__signature__ = inspect.Signature([*own, *groups])  # type: ignore[attr-defined]  # PEP 362
    ask_this.__doc__ = f"{query.title}\n\n{query.text}"
    return ask_this


def ask(
    query: Query,
    *,
    metrics: Metrics,
    filters: Filters,
    output: Output,
    dataset: Dataset,
    show: Annotated[
        bool, typer.Option("--show", help="Print the query's SQL instead of its answer.")
    ] = False,
    **typed: Any,
) -> None:
    """Answer one query of the catalogue."""
    from clearml_snapshot.queries.messages import speaking

    if show:
        write_text(query.sql)
        return
    given = {
        **_series(metrics),
        **{name: value for name, value in typed.items() if value is not None},
    }
    if given.get("by") == "task" and given.get("top", 1) != 1:
        raise UsageError("--by task has a row for each task; for the best N leave --by out")
    with _opened(dataset, filters) as opened, speaking():
        answer = opened.query(query.name, **given).materialize()
        write_answer(answer, output, name=query.name)
        if not output.quiet:
            for line in _footnotes(opened, query, given, answer):
                note(line)


def sql(
    statement: Annotated[
        str | None,
        typer.Argument(help="One SELECT; left out, or -, it is read from stdin."),
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Read the statement from a file."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show DuckDB's plan instead of the answer.")
    ] = False,
    output: Output,
    dataset: Dataset,
) -> None:
    """Ask in SQL, over the snapshot's views.

    One SELECT over scalars, tasks, series, hyperparams, params and exports. It sees the snapshot's
    files and nothing else, and cannot change them. ClearML's title is the column metric, its
    series is variant.
    """
    from clearml_snapshot.queries.messages import speaking

    text = _statement(statement, file)
    with _opened(dataset, None) as opened, speaking():
        if explain:
            write_text(opened.explain(text) + "\n")
        else:
            write_answer(opened.sql(text), output, name="sql", screenful=SCREENFUL)


def _statement(statement: str | None, file: Path | None) -> str:
    if statement is not None and file is not None:
        raise UsageError("give a statement or -f FILE, not both")
    if file is not None:
        return read_text(file, "-f")
    if statement not in (None, "-"):
        return statement
    if sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("there is no statement; give one, or -f FILE, or pipe one in")
    return read_stdin()


def _opened(
    choice: DatasetChoice, filters: TaskFilter | None
) -> "AbstractContextManager[OpenDataset]":
    from clearml_snapshot.queries import open_dataset

    return open_dataset(choice.data, snapshot=_which(choice.snapshot), filter=filters)


def _which(snapshot: str | None) -> int | datetime | None:
    if snapshot is None:
        return None
    if re.fullmatch(r"-?\d+", snapshot):
        return int(snapshot)
    return parse_time(snapshot, datetime.now(UTC))


def _footnotes(
    opened: "OpenDataset", query: Query, given: Mapping[str, Any], answer: "DuckDBPyRelation"
) -> Iterator[str]:
    """Say how far the answer reaches, and which of it is suspect."""
    from clearml_snapshot.queries.coverage import coverage, lines
    from clearml_snapshot.queries.zeros import suspect_zeros

    rows = opened.rows(answer)
    if any(param.name == "suspect_zeros" for param in query.params):
        yield from map(str, suspect_zeros(opened, query.name, given, rows))
    yield from lines(coverage(opened, opened.bound(query.name, **given)), rows)


def _series(metrics: MetricOptions) -> dict[str, tuple[str, ...]]:
    given = {
        "metric": metrics.metrics,
        "variant": metrics.variants,
        "exclude_metric": metrics.excluded,
    }
    return {name: texts for name, texts in given.items() if texts}


def _option(param: Param) -> inspect.Parameter:
    """Make an option of a parameter of a query's header."""
    default = _DEFAULT.search(param.text)
    kind: Any = _TYPES.get(param.type.removesuffix("[]"), str)
    if param.choices:
        kind = Literal[param.choices]
    if param.many:
        kind = list[kind]
    text = _DEFAULT.sub("", _CHOICES.sub("", param.text))
    option = typer.Option(
        "--" + param.name.replace("_", "-"),
        help=text[:1].upper() + text[1:],
        show_default=default[1] if default and kind is not bool else False,
        metavar=None if param.choices else "N" if kind is int else param.name.upper(),
        rich_help_panel=QUESTION,
    )
    return inspect.Parameter(
        param.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if param.optional else inspect.Parameter.empty,
        annotation=Annotated[kind | None if param.optional else kind, option],
    )
