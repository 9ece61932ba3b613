"""`query NAME` and `sql`: questions to a dataset."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from clearml_snapshot.cli.commands.sql import start_shell
from clearml_snapshot.cli.options.options import (
    DATA_VARIABLE,
    DEFAULT_DATA,
    Dataset,
    DatasetChoice,
    Filters,
    MetricOptions,
    Metrics,
    Output,
    OutputOptions,
    read_stdin,
    read_text,
)
from clearml_snapshot.cli.options.query_limits import LimitOptions, Limits, opened
from clearml_snapshot.cli.output.stdout import write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.typer_ext.commands import Command, Group, add_command, expanded
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.queries.ask.header import Param, Query, queries
from clearml_snapshot.queries.ask.parameters import is_partner, names_tasks

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation
    from typer._click.core import Context

    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.ask.user_queries import OwnQueries

PANEL: Final = "Ask"
QUESTION: Final = "The question"
SCREENFUL: Final = 40
"""Rows of ``sql`` that a terminal shows."""

_CHOICES: Final = re.compile(r"^\w+(?:\|\w+)+: ")
_DEFAULT: Final = re.compile(r"\s*\(default: ([^)]*)\)")
_SERIES_PARAMS: Final = frozenset({"metric", "variant"})
_TYPED_DATA: Final = "clearml_snapshot.typed_data"
_OWN: Final = "clearml_snapshot.own_queries"
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
    """The queries as commands, each made when it is asked for; yours beside ours."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Keep where the dataset is, as far as it is typed: a folder beside it holds queries."""
        ctx.meta[_TYPED_DATA] = _typed_data(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: "Context") -> list[str]:
        """Name every query."""
        return [*queries(), *_own(ctx).queries]

    def get_command(self, ctx: "Context", cmd_name: str) -> Command | None:
        """Make the command of a query."""
        query = queries().get(cmd_name) or _own(ctx).queries.get(cmd_name)
        return None if query is None else _query_command(query)

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the query, or suggest near ones."""
        if not args[0].startswith("-") and args[0] not in queries():
            own = _own(ctx)
            if not ctx.resilient_parsing:  # a shell's TAB: there is nobody to tell
                _tell_problems(own)
            if args[0] not in own.queries:
                raise no_such("query", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def _list_queries(
    ctx: typer.Context,
    queries_: Annotated[
        list[Path] | None,
        typer.Option(
            "--queries",
            metavar="DIR",
            help="A folder with queries of yours; CLEARML_SNAPSHOT_QUERIES names more, and "
            "queries/ in the dataset's folder counts too.",
        ),
    ] = None,
) -> None:
    """Ask a question of the catalogue, such as max; without a name list them."""
    if ctx.invoked_subcommand is None:
        own = _own(ctx)
        listed = {**queries(), **own.queries}
        widest = max(map(len, listed))
        lines = (f"{name.ljust(widest)}  {query.title}" for name, query in listed.items())
        write_text("".join(f"{printable(one)}\n" for one in lines))
        _tell_problems(own)


def _own(ctx: "Context") -> "OwnQueries":
    """Read the queries of the folders named, once a command."""
    from clearml_snapshot.queries.ask.user_queries import folders, load

    if _OWN not in ctx.meta:
        data = ctx.meta.get(_TYPED_DATA) or Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)
        found = folders(ctx.params.get("queries_") or (), data)
        ctx.meta[_OWN] = load(found, reserved=_reserved())
    own: OwnQueries = ctx.meta[_OWN]
    return own


def _tell_problems(own: "OwnQueries") -> None:
    for problem in own.problems:
        note(f"left out: {problem}")


def _typed_data(args: Sequence[str]) -> Path | None:
    """Find ``--data`` before the command that takes it is known."""
    for place, text in enumerate(args):
        if text == "--data" and place + 1 < len(args):
            return Path(args[place + 1])
        if text.startswith("--data="):
            return Path(text.removeprefix("--data="))
    return None


def _reserved() -> frozenset[str]:
    """Name the options that every query has; ``metric`` and ``variant`` are for queries."""
    shared = inspect.signature(expanded(ask)).parameters
    return frozenset(name.rstrip("_") for name in shared) - _SERIES_PARAMS


@cache
def _query_command(query: Query) -> Command:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, query.name, _asking(query))
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    return command


def _asking(query: Query) -> Callable[..., None]:
    """Make the function of a query's command: its header's parameters, then the shared groups."""

    def ask_this(**typed: Any) -> None:
        ask(query, **typed)

    own = [
        _argument(param) if names_tasks(param) else _option(param)
        for param in query.params
        if param.name not in _SERIES_PARAMS and not is_partner(query, param)
    ]
    shared = inspect.signature(ask, eval_str=True).parameters.values()
    groups = [one for one in shared if one.kind is one.KEYWORD_ONLY]
    ask_this.__signature__ = inspect.Signature([*own, *groups])  # type: ignore[attr-defined]  # PEP 362
    example = "" if query.example is None else f"\n\nExample: query {query.name} {query.example}"
    ask_this.__doc__ = f"{query.title}\n\n{query.text}{example}"
    return ask_this


def ask(
    query: Query,
    *,
    metrics: Metrics,
    filters: Filters,
    output: Output,
    dataset: Dataset,
    limits: Limits,
    show: Annotated[
        bool, typer.Option("--show", help="Print SQL to paste into DuckDB instead of the answer.")
    ] = False,
    **typed: Any,
) -> None:
    """Answer one query of the catalogue."""
    from clearml_snapshot.queries.duckdb_errors import speaking

    given = {
        **_series(metrics),
        **{name: value for name, value in typed.items() if value not in (None, [])},
    }
    if show:
        write_text(_shown(query, given, filters, dataset))
        return
    if given.get("by") == "task" and given.get("top", 1) != 1:
        raise UsageError("--by task has a row for each task; for the best N leave --by out")
    with opened(dataset, filters, limits) as asked, speaking():
        answer = asked.query(query, **given).materialize()
        write_answer(answer, output, name=query.name)
        for line in _footnotes(asked, query, given, answer, quiet=output.quiet):
            note(line)


def _shown(
    query: Query, given: Mapping[str, Any], filters: TaskFilter, choice: DatasetChoice
) -> str:
    """Write the query for DuckDB; what was typed is looked up in the dataset, if anything was."""
    from clearml_snapshot.queries.ask.standalone_sql import pasteable

    if not given and replace(filters, hidden=False).is_empty:
        return pasteable(query, {})
    with opened(choice, filters, LimitOptions()) as asked:
        ids = [row[0] for row in asked.rows(asked.tasks()).rows] if asked.filter else None
        return pasteable(query, asked.bound(query, **given), ids)


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
    allow_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow-files",
            metavar="DIR",
            help="Let SQL read the files below this folder too, each by its name.",
        ),
    ] = None,
    output: Output,
    dataset: Dataset,
    limits: Limits,
) -> None:
    """Ask in SQL, over the snapshot's views.

    One SELECT over scalars, tasks, series, hyperparams, params and exports. It sees the snapshot's
    files and nothing else, and cannot change them. ClearML's title is the column metric, its
    series is variant. On a terminal without a statement DuckDB's own shell starts on the snapshot.
    """
    from clearml_snapshot.queries.duckdb_errors import speaking

    if statement is None and file is None and _asks_nothing(output, explain, allow_files):
        start_shell(dataset)
        return
    text = _statement(statement, file)
    with opened(dataset, None, limits, allow_files or ()) as asked, speaking():
        if explain:
            write_text(asked.explain(text) + "\n")
        else:
            write_answer(asked.sql(text), output, name="sql", screenful=SCREENFUL)


def _asks_nothing(output: OutputOptions, explain: bool, allow_files: list[Path] | None) -> bool:
    """Whether a person at a terminal typed neither a statement nor what to do with one."""
    typed = explain or allow_files or output != OutputOptions()
    return not typed and sys.stdin is not None and sys.stdin.isatty()


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


def _footnotes(
    asked: "OpenDataset",
    query: Query,
    given: Mapping[str, Any],
    answer: "DuckDBPyRelation",
    *,
    quiet: bool,
) -> Iterator[str]:
    """Say what of the answer is suspect or missing and, unless quiet, how far it reaches."""
    from clearml_snapshot.queries.notes.coverage import coverage, lines, warnings
    from clearml_snapshot.queries.notes.empty_answers import why_empty
    from clearml_snapshot.queries.notes.suspect_zeros import notes

    rows = asked.rows(answer)
    reason = why_empty(asked, query, given, rows)
    if reason is not None:
        yield reason
    yield from notes(asked, query, given, rows)
    reach = coverage(asked, asked.bound(query, **given))
    yield from warnings(reach) if quiet else lines(reach, rows)


def _series(metrics: MetricOptions) -> dict[str, tuple[str, ...]]:
    given = {
        "metric": metrics.metrics,
        "variant": metrics.variants,
        "exclude_metric": metrics.excluded,
    }
    return {name: texts for name, texts in given.items() if texts}


def _argument(param: Param) -> inspect.Parameter:
    """Make what stands without an option's name: the tasks."""
    argument = typer.Argument(help=param.text, show_default=False, metavar="TASK...")
    return inspect.Parameter(
        param.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[list[str] | None, argument],
    )


def _metavar(param: Param, kind: object) -> str | None:
    """Say what stands behind the option's name; None is the choices themselves."""
    if param.choices and not param.many:
        return None
    return "N" if kind in (int, float) else param.name.rstrip("_").upper()


def _option(param: Param) -> inspect.Parameter:
    """Make an option of a parameter of a query's header."""
    default = _DEFAULT.search(param.text)
    kind: Any = _TYPES.get(param.type.removesuffix("[]"), str)
    text = _DEFAULT.sub("", _CHOICES.sub("", param.text))
    if param.choices and not param.many:
        kind = Literal[param.choices]
    elif param.choices:  # Typer knows no list of choices
        text += f" Any of {', '.join(param.choices)}."
    if param.many:
        kind = list[kind]
    option = typer.Option(
        param.option,
        help=text[:1].upper() + text[1:],
        show_default=default[1] if default and kind is not bool else False,
        metavar=_metavar(param, kind),
        rich_help_panel=QUESTION,
    )
    return inspect.Parameter(
        param.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,  # what is needed is asked for when all that was typed is looked at
        annotation=Annotated[kind | None, option],
    )
