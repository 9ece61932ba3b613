"""The `query` command: the queries of the catalogue, each with options of its own."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearml_snapshot.cli.options.dataset import (
    DATA_VARIABLE,
    DEFAULT_DATA,
    At,
    Dataset,
    DatasetChoice,
    chosen,
)
from clearml_snapshot.cli.options.engine.spark import (
    Engine,
    checked_cluster,
    engine_for,
)
from clearml_snapshot.cli.options.groups import expand_groups, signed
from clearml_snapshot.cli.options.metrics import Aliases, MetricOptions, Metrics
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import LimitOptions, Limits, open_for_query
from clearml_snapshot.cli.options.sections import OUTPUT, QUERY, QUERY_OPTIONS
from clearml_snapshot.cli.options.tasks import Filters
from clearml_snapshot.cli.options.text_input import read_ids
from clearml_snapshot.cli.output.destination import SCREENFUL, OutputOptions
from clearml_snapshot.cli.output.progress import parts_bar
from clearml_snapshot.cli.output.stdout import is_for_reading, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.typer_ext.commands import Command, Group, add_command
from clearml_snapshot.cli.typer_ext.private import Context
from clearml_snapshot.cli.typer_ext.query_options import parameters_of
from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.finding import is_dataset, looks_like_path
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
from clearml_snapshot.queries.ask.best import guess_note, guessed_best
from clearml_snapshot.queries.ask.header import Query, find, names, queries
from clearml_snapshot.queries.ask.parameters import (
    names_tasks,
    required,
)

if TYPE_CHECKING:
    from clearml_snapshot.queries import Dataset as OpenDataset
    from clearml_snapshot.queries.ask.user_queries import UserQueries
    from clearml_snapshot.queries.engine.answer import Spark
    from clearml_snapshot.queries.result import Result, Rows

_SERIES_PARAMS: Final = frozenset({"metric", "variant"})
_TYPED_DATA: Final = "clearml_snapshot.typed_data"
_SPARK: Final = "spark"
_OWN: Final = "clearml_snapshot.own_queries"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    catalogue = typer.Typer(cls=Catalogue, rich_markup_mode=None)
    catalogue.callback(invoke_without_command=True)(_list_queries)
    app.add_typer(catalogue, name="query", rich_help_panel=QUERY)


class Catalogue(Group):
    """The queries as commands: those of the catalogue and the user's own, each built on demand."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Keep the value of ``--data``: the dataset's folder may contain queries."""
        ctx.meta[_TYPED_DATA] = _typed_data(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Context) -> list[str]:
        """List the names of all queries."""
        return [*names(), *_own(ctx).queries]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Build the command of a query."""
        query = find(cmd_name) if cmd_name in names() else _own(ctx).queries.get(cmd_name)
        return None if query is None else _query_command(query)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the query, or suggest similar names."""
        if not args[0].startswith("-") and args[0] not in names():
            own = _own(ctx)
            if not ctx.resilient_parsing:  # completion does not print it
                _note_problems(own)
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
            help="Folder with your own queries, besides those in CLEARML_SNAPSHOT_QUERIES and "
            "queries/ in the dataset's folder.",
        ),
    ] = None,
) -> None:
    """Run a query from the catalogue; without a name, list all queries."""
    if ctx.invoked_subcommand is None:
        own = _own(ctx)
        listed = {**queries(), **own.queries}
        widest = max(map(len, listed))
        lines = (f"{name.ljust(widest)}  {query.title}" for name, query in listed.items())
        write_text("".join(f"{printable(line)}\n" for line in lines))
        _note_problems(own)


def _own(ctx: Context) -> "UserQueries":
    """Read the user's own queries, once per command."""
    from clearml_snapshot.queries.ask.user_queries import folders, load

    if _OWN not in ctx.meta:
        data = ctx.meta.get(_TYPED_DATA) or Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)
        query_folders = folders(ctx.params.get("queries_") or (), data)
        ctx.meta[_OWN] = load(query_folders, reserved=_reserved())
    own: UserQueries = ctx.meta[_OWN]
    return own


def _note_problems(own: "UserQueries") -> None:
    for problem in own.problems:
        note(f"ignored: {problem}")


def _typed_data(args: Sequence[str]) -> Path | None:
    """Find ``--data`` before the command that takes it is known."""
    for position, text in enumerate(args):
        if text == "--data" and position + 1 < len(args):
            return Path(args[position + 1])
        if text.startswith("--data="):
            return Path(text.removeprefix("--data="))
    return None


def _reserved() -> frozenset[str]:
    """Name the options that every query has, except ``metric`` and ``variant``."""
    shared = inspect.signature(expand_groups(ask)).parameters
    return frozenset(name.rstrip("_") for name in shared) - _SERIES_PARAMS


@cache
def _query_command(query: Query) -> Command:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add_command(app, query.name, _query_function(query))
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    command.context_settings["obj"] = query  # completion asks for its columns
    return command


def _query_function(query: Query) -> Callable[..., None]:
    """Build a query's command function: its header's parameters, then the shared groups."""

    def run_query(**typed: Any) -> None:
        ask(query, **typed)

    own = parameters_of(query, shared=_SERIES_PARAMS, section=QUERY_OPTIONS)
    shared = inspect.signature(ask, eval_str=True).parameters.values()
    groups = [parameter for parameter in shared if parameter.kind is parameter.KEYWORD_ONLY]
    if any(map(names_tasks, query.params)):  # nothing can follow an argument that takes many
        groups = [parameter for parameter in groups if parameter.name != "path"]
    example = "" if query.example is None else f"\n\nExample: query {query.name} {query.example}"
    needs = required(query)
    needs = f"\n\nRequired: {needs}." if needs else ""
    run_query.__doc__ = f"{query.title}\n\n{query.text}{needs}{example}"
    return signed(run_query, [*own, *_spark_option(query), *groups])


def _spark_option(query: Query) -> list[inspect.Parameter]:
    """Return the option ``--spark`` if a query has it."""
    if query.name != "leaderboard" or query.file is not None:
        return []
    spark = typer.Option(
        "--spark",
        help="Add a column to the table in which each task's curve is drawn in block characters.",
        rich_help_panel=OUTPUT,
    )
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(_SPARK, kind, default=False, annotation=Annotated[bool, spark])]


def ask(
    query: Query,
    *,
    path: At = None,
    metrics: Metrics,
    aliases: Aliases = None,
    filters: Filters,
    output: Output,
    dataset: Dataset,
    limits: Limits,
    engine: Engine,
    show: Annotated[
        bool, typer.Option("--show", help="Print SQL for DuckDB instead of the result.")
    ] = False,
    **typed: Any,
) -> None:
    """Run one query of the catalogue."""
    from clearml_snapshot.queries.duckdb_errors import translating_errors

    has_curves = bool(_spark_option(query) and typed.pop(_SPARK, False))
    if has_curves:
        from clearml_snapshot.cli.commands.looking.sparks import with_column

        output = with_column(output, show=show)
    path, typed = _dataset_among_tasks(query, path, typed)
    if path is not None and not path.exists():
        if looks_like_path(str(path)):
            from clearml_snapshot.exporter.store.opening import no_dataset  # loads msgspec

            raise no_dataset(path)
        raise UsageError(f"no dataset at {path}; if it is a metric, use --metric {path}")
    dataset = chosen(dataset, path)
    typed = _tasks_read(query, typed, filters)
    given = {
        **_series(metrics),
        **{name: value for name, value in typed.items() if value not in (None, [])},
    }
    if show:
        write_text(_shown(query, given, filters, dataset, aliases))
        return
    if engine.is_spark:
        checked_cluster(engine)
    opening = open_for_query(dataset, filters, limits, aliases=aliases)
    with opening as opened, translating_errors():
        values = opened.bound(query, **given)
        for line in () if output.quiet else guess_note(guessed_best(query, given, opened)):
            note(line)
        with engine_for(engine, limits, opened) as used:
            answer(opened, query, values, output, has_curves=has_curves, engine=used)


def answer(
    opened: "OpenDataset",
    query: Query,
    values: Mapping[str, Any],
    output: OutputOptions,
    *,
    has_curves: bool = False,
    engine: "Spark | None" = None,
) -> None:
    """Write the answer of a query to bound values, and the notes below it."""
    from clearml_snapshot.queries.notes.below import footnotes

    def in_file(rows: "Rows") -> Iterator[str]:
        return footnotes(opened, query, values, rows, quiet=False, has_age=False)

    rows = _write(opened, query, values, output, in_file, has_curves=has_curves, engine=engine)
    _write_differences(opened, query, values, output)
    for line in footnotes(opened, query, values, rows, quiet=output.quiet):
        note(line)
    if engine is not None and not output.quiet:
        note(engine.described(query, values))


def _dataset_among_tasks(
    query: Query, at: Path | None, typed: dict[str, Any]
) -> tuple[Path | None, dict[str, Any]]:
    """Find the dataset among the tasks of a query: the only argument that looks like one."""
    for param in filter(names_tasks, query.params):
        tasks = typed.get(param.name) or []
        datasets = [text for text in tasks if is_dataset(Path(text))]
        if len(datasets) == 1:
            others = [text for text in tasks if text not in datasets]
            return Path(datasets[0]), {**typed, param.name: others}
    return at, typed


def _tasks_read(query: Query, typed: dict[str, Any], filters: TaskFilter) -> dict[str, Any]:
    """Read the tasks of a query from stdin or a file; if it needs some, ``--task`` gives them too.

    Raises:
        UsageError: a file cannot be read, or contains no task.
    """
    for param in filter(names_tasks, query.params):
        ids = read_ids(typed.get(param.name) or (), "TASK")
        typed = {**typed, param.name: [*(ids or (() if param.optional else filters.task_ids))]}
    return typed


def _write(
    opened: "OpenDataset",
    query: Query,
    values: Mapping[str, Any],
    output: OutputOptions,
    below: "Callable[[Rows], Iterable[str]]",
    *,
    has_curves: bool,
    engine: "Spark | None",
) -> "Rows":
    """Write the answer, in parts if it is about many points.

    Returns:
        The rows that notes may be about; of a long answer only whether there are any.
    """
    from clearml_snapshot.queries.notes.relevant import relevant
    from clearml_snapshot.queries.shards.asking import asked

    keep = partial(relevant, query=query, values=values)
    progress = partial(parts_bar, quiet=output.quiet)
    with asked(opened, query, values, keep, progress, engine=engine) as answer:
        result, columns, notes = answer.result, answer.columns, tuple[str, ...]()
        if has_curves:
            from clearml_snapshot.cli.commands.looking.sparks import with_curves

            result, columns, notes = with_curves(opened, values, result, columns, output)
        _write_result(result, output, query, columns, lambda: below(answer.kept()))
        for line in () if output.quiet else notes:
            note(line)
        return answer.kept()


def _write_result(
    result: "Result",
    output: OutputOptions,
    query: Query,
    answer: AnswerColumns,
    below: Callable[[], Iterable[str]] = tuple,
) -> None:
    columns = [column.name for column in result.columns]
    write_answer(result, output, name=query.name, screenful=SCREENFUL, answer=answer, below=below)
    if query.file is not None:
        from clearml_snapshot.queries.ask.user_queries import unknown_columns

        for line in unknown_columns(query, answer, columns):
            note(line)


def _write_differences(
    opened: "OpenDataset", query: Query, values: Mapping[str, Any], output: OutputOptions
) -> None:
    """After the values of compared tasks, show a person the parameters and code that differ."""
    is_about_values = query.name == "compare" and query.file is None and not values["params"]
    if not is_about_values or values["steps"] or output.columns or not is_for_reading(output):
        return
    shaped = opened.shaped(query, {**values, "params": True})
    relation = shaped.relation.materialize()
    if len(relation):
        write_text("\n")
        differing = opened.result(relation, is_materialized=True)
        _write_result(differing, output, query, shaped.answer)


def _shown(
    query: Query,
    given: Mapping[str, Any],
    filters: TaskFilter,
    choice: DatasetChoice,
    aliases: Path | None,
) -> str:
    """Render the query for DuckDB; the dataset is opened only to resolve what was typed."""
    from clearml_snapshot.queries.ask.standalone_sql import RENAMED, standalone

    if not given and aliases is None and replace(filters, hidden=False).is_empty:
        return standalone(query, {})
    with open_for_query(choice, filters, LimitOptions(), aliases=aliases) as opened:
        ids = [row[0] for row in opened.rows(opened.tasks()).rows] if opened.filter else None
        values = opened.bound(query, **given)
        renamed = opened.aliased.script("main", RENAMED, ids) if opened.aliased else ""
        return standalone(query, values, ids, renamed)


def _series(metrics: MetricOptions) -> dict[str, tuple[str, ...]]:
    given = {
        "metric": metrics.metrics,
        "variant": metrics.variants,
        "exclude_metric": metrics.excluded,
    }
    return {name: texts for name, texts in given.items() if texts}
