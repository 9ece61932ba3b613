"""The public Python interface: open a dataset and run queries and SQL on it."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import duckdb

from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter, TaskFilter
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.opening import open_and_hold, open_snapshot
from clearml_snapshot.exporter.store.snapshots import Snapshot, hold
from clearml_snapshot.queries import session, task_filter
from clearml_snapshot.queries.aliases import STORED, Aliases, applied, explained
from clearml_snapshot.queries.ask import parameters
from clearml_snapshot.queries.ask.best import guess_note, guessed_best
from clearml_snapshot.queries.ask.columns.shaped import Names, Shaped, with_columns
from clearml_snapshot.queries.ask.header import Query, find, read
from clearml_snapshot.queries.ask.one_select import one_select
from clearml_snapshot.queries.ask.statement import statement_for
from clearml_snapshot.queries.cursors import Cursors
from clearml_snapshot.queries.duckdb_errors import Params, bindable, located, translating_errors
from clearml_snapshot.queries.frames import copy_frames
from clearml_snapshot.queries.lookups.named import Named
from clearml_snapshot.queries.result import Answer, Rows
from clearml_snapshot.queries.views import Views

if TYPE_CHECKING:
    from clearml_snapshot.queries.figures.shown import Plot

T = TypeVar("T")

DATA_VARIABLE: Final = "CLEARML_SNAPSHOT_DATA"
DEFAULT_DATA: Final = "data"


class Dataset(Named):
    """One snapshot, open for queries; see ``open_dataset``.

    Several threads may query it at once; each reads its own relations.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        filter: TaskFilter | ResolvedFilter | None = None,
        *,
        aliases: Aliases | None = None,
        threads: int | None = None,
        memory_limit: str | None = None,
        allow_files: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self._options = {"aliases": aliases, "threads": threads, "memory_limit": memory_limit}
        self._schema = STORED if aliases else session.FILES
        self.aliases: Final = aliases
        """The aliases that it was opened with."""
        self.snapshot: Final = snapshot
        """The snapshot that is queried; the points of a pack may still be packed."""
        self._open, self._views = ExitStack(), Views()
        self._names = Names(lambda: self._connection)
        with ExitStack() as opening:
            opening.enter_context(hold(snapshot))
            self._points, self._lacks_points = threading.Lock(), not snapshot.has_points
            with translating_errors(opening=True):
                first = session.connect(
                    snapshot,
                    points=not self._lacks_points,
                    schema=self._schema,
                    threads=threads,
                    memory_limit=memory_limit,
                )
                self._cursors = opening.enter_context(Cursors(first))
                self.aliased: Final = applied(aliases, self._connection, filter, self._bring_points)
                """Which series have new names (``renames``); None without aliases."""
                with explained(self.aliased):
                    applied_filter = task_filter.apply_filter(self._connection, filter)
                self.filter = applied_filter
                if self.aliased:
                    self.aliased.unite(self._connection, self.filter, self._bring_points)
                self._views.create_tables(self._connection)
                if self._lacks_points:
                    self._views.create_all(self._connection)  # later, DuckDB would need the points
                    session.hide_points(self._connection, self._schema)
                session.confine(self._connection, [snapshot], allow_files)
            self._open = opening.pop_all()

    def unpacked(self) -> Snapshot:
        """Return the snapshot as a folder with all files; unpacks the points of a pack.

        Raises:
            SnapshotError: it is a pack, and there is no space to unpack its points.
        """
        self._bring_points()
        return self.snapshot

    @contextmanager
    def opened_again(
        self,
        *,
        threads: int | None = None,
        only: Iterable[str] | None = None,
        at: Snapshot | None = None,
    ) -> Iterator[tuple["Dataset", duckdb.DuckDBPyConnection]]:
        """Open the same tasks once more with a DuckDB of its own, for an answer in parts.

        It yields the dataset, and its connection, which may change what the dataset sees. What
        interrupts this dataset interrupts both.

        Args:
            threads: the number of DuckDB's threads; None means as in this dataset.
            only: ids of tasks; points of others are not read. None means the same tasks.
            at: the same snapshot at another place; None means where it is.
        """
        options: dict[str, Any] = {**self._options, **({"threads": threads} if threads else {})}
        # Resolved: each id of a filter that was typed is looked up, which takes 10 ms.
        chosen = self.filter if only is None else ResolvedFilter(task_ids=frozenset(only))
        with Dataset(at or self.unpacked(), chosen, **options) as inner:
            self._others.add(inner._connection)
            try:
                yield inner, inner._connection
            finally:
                self._others.discard(inner._connection)

    def sql(
        self, statement: str, params: Params = None, *, tables: Mapping[str, Any] | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Run one SELECT over ``scalars``, ``tasks``, ``series``, ``hyperparams``, ….

        Args:
            statement: exactly one SELECT; it sees the snapshot and ``tables``, nothing else.
            params: values for ``$name`` (a mapping) or ``?`` (a sequence).
            tables: tables of your own by name: DataFrames of pandas (without their index) or
                Polars, tables and readers of Arrow, and anything with ``__arrow_c_stream__``. They
                are copied, so a later change does not change the answer. As always in DuckDB, a NaN
                of pandas is NULL.

        Returns:
            A relation, evaluated when it is read, by ``.df()`` (needs pandas), ``.pl()`` (Polars),
            ``.to_arrow_table()``, ``.fetchall()``, ``Dataset.rows``, or anything that reads the
            Arrow PyCapsule interface, such as ``polars.DataFrame(relation)``.

        Raises:
            UsageError: it is not a single SELECT, or DuckDB refuses it; or a name in ``tables``
                is not plain, or means something in the dataset.
            DatasetError: a file of the snapshot cannot be read.
        """
        select = one_select(self._connection, statement)
        if tables is None:
            return self._relation(select, params)
        connection = self._cursors.beside()
        copy_frames(connection, tables)
        relation = self._relation(select, params, connection)
        self._beside[relation] = connection
        return relation

    def explain(self, statement: str, params: Params = None) -> str:
        """Return DuckDB's plan for a statement that ``sql`` accepts.

        Raises:
            UsageError: it is not a single SELECT, or DuckDB refuses it.
        """
        select = one_select(self._connection, statement)
        with translating_errors():
            plan = self._bind(
                select,
                lambda: self._connection.execute(f"EXPLAIN {select}", bindable(params)),
            ).fetchall()
        return "\n".join(str(row[-1]) for row in plan)

    def query(self, name: str | Query, /, **typed: Any) -> duckdb.DuckDBPyRelation:
        """Run a query of the catalogue, such as ``max``, without its notes; ``answer`` has them.

        Args:
            name: the query's name, the same as its file's; or a user's own query, from
                ``user_queries.load``.
            typed: its parameters; ``metric`` is read as on the command line (exact, else
                ``metric/variant``, else ignoring case, else a glob).

        Raises:
            NoSuchNameError: no such query, metric or variant.
            UsageError: a parameter is unknown, missing or wrong.
        """
        return self.answer(name, **typed).relation

    def answer(self, name: str | Query, /, **typed: Any) -> Answer:
        """Run a query as ``query`` does; the answer has ``notes``, as below it on the command line.

        Raises:
            NoSuchNameError: no such query, metric or variant.
            UsageError: a parameter is unknown, missing or wrong.
        """
        query = name if isinstance(name, Query) else find(name)
        values, guessed = self.bound(query, **typed), guessed_best(query, typed, self)

        def notes(relation: duckdb.DuckDBPyRelation) -> tuple[str, ...]:
            from clearml_snapshot.queries.notes.below import notes_on  # it imports this module

            return (*guess_note(guessed), *notes_on(self, query, values, relation))

        return Answer(query, values, self.ask(query, values), notes)

    def ask(self, query: Query, values: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
        """Ask a query with the values that ``bound`` gave for it."""
        return self.shaped(query, values).relation

    def shaped(self, query: Query, values: Mapping[str, Any]) -> Shaped:
        """Ask a query as ``ask`` does, and name the columns that are its answer."""
        with translating_errors():
            long_rows = self._relation(*statement_for(query, values))
            return with_columns(query, values, long_rows, self._names)

    def bound(self, name: str | Query, /, **typed: Any) -> dict[str, Any]:
        """Return the values that ``query`` binds; ``best`` is guessed if it is needed."""
        query = name if isinstance(name, Query) else find(name)
        with explained(self.aliased):
            return parameters.bound(query, {**typed, **guessed_best(query, typed, self)}, self)

    def rows(self, relation: duckdb.DuckDBPyRelation) -> Rows:
        """Read a relation of this thread into memory, times as aware datetimes.

        DuckDB itself needs pytz for that, and pandas or pyarrow for anything else.
        """
        return self.result(relation).in_memory()

    def curve(
        self, metric: str | Sequence[str], variant: str | Sequence[str] | None = None, **typed: Any
    ) -> duckdb.DuckDBPyRelation:
        """Return the curve of a metric, one row per point; the query ``curve``.

        Args:
            metric: the metric, as in ``query``.
            variant: its variants; None selects all of them.
            typed: ``smooth``, ``window``, ``points`` and other parameters of the query.

        Raises:
            NoSuchNameError: no such metric or variant.
            UsageError: a parameter is unknown or wrong.
        """
        return self.query("curve", metric=metric, variant=variant, **typed)

    def plot(
        self, metric: str | Sequence[str], variant: str | Sequence[str] | None = None, **typed: Any
    ) -> "Plot":
        """Draw the curves of metrics, as the command ``plot`` does.

        The plot draws itself in Jupyter and marimo; ``print`` draws it as text, ``save`` as a
        picture. Pictures need the package vl-convert-python, text needs uniplot.

        Args:
            metric: the metrics, as in ``query``.
            variant: their variants; None selects all of them.
            typed: parameters of the query ``curve``, such as ``smooth``, ``by`` and ``band``, and
                ``color``, ``log_x``, ``log_y``, ``clips``, ``title``, ``size``, ``theme``, ``top``
                and ``best``. ``kind`` is curve, or draws the best value of each task: scatter, bar,
                hist or parallel (with the hyperparameters ``param``).

        Raises:
            NoSuchNameError: no such metric, variant or hyperparameter.
            UsageError: an argument is unknown or wrong.
            SnapshotError: there is nothing to draw.
        """
        from clearml_snapshot.queries.figures.shown import plotted  # it imports this module

        return plotted(self, {"metric": metric, "variant": variant, **typed})

    def tasks(self) -> duckdb.DuckDBPyRelation:
        """Return the selected tasks, the oldest first; the columns of the view ``tasks``."""
        return self.sql(read("lookups/tasks.sql"))

    def differing_params(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """List the hyperparameters that differ between the tasks that have the selected metrics.

        Args:
            values: ``metric``, ``variant`` and ``all_metrics`` as a query binds them, and
                ``by_all_except``, the hyperparameters that are not listed.
        """
        names = ("metric", "variant", "all_metrics", "by_all_except")
        chosen = {name: values[name] for name in names}
        rows = self.rows(self.sql(read("lookups/differing_params.sql"), chosen)).rows
        return tuple(name for (name,) in rows)

    def _relation(
        self,
        statement: str,
        params: Params,
        connection: duckdb.DuckDBPyConnection | None = None,
    ) -> duckdb.DuckDBPyRelation:
        used = connection or self._connection
        try:
            return self._bind(statement, lambda: used.sql(statement, params=bindable(params)))
        except duckdb.Error as error:
            raise located(used, statement, params, error) from error

    def _bind(self, statement: str, bind: Callable[[], T]) -> T:
        """Bind a statement, with the views and macros that it needs.

        If it reads points that are still packed, unpack them first.
        """
        self._views.create_for(statement, self._connection)
        try:
            return bind()
        except duckdb.CatalogException as error:
            if session.reads_hidden_points(error):
                self._bring_points()
            elif not self._views.create_all(self._connection):
                raise
        return bind()

    def _bring_points(self) -> None:
        """Unpack the points of a pack, unless they are there already."""
        with self._points:
            if self._lacks_points:
                with translating_errors():
                    session.add_points(self._connection, self.snapshot, self._schema)
                self._lacks_points = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        totals = self.snapshot.totals
        narrowed = f", only {self.filter}" if self.filter else ""
        return (
            f"<Dataset {self.snapshot.location}, {self.snapshot.created_at:%Y-%m-%d %H:%M}Z: "
            f"{totals.tasks:,} tasks, {totals.series:,} series, {totals.points:,} points{narrowed}>"
        )


def open_dataset(
    path: str | os.PathLike[str] | None = None,
    *,
    snapshot: int | datetime | None = None,
    filter: TaskFilter | None = None,
    aliases: str | os.PathLike[str] | Mapping[str, str | Sequence[str]] | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
    allow_files: Sequence[str | os.PathLike[str]] = (),
) -> Dataset:
    """Open a dataset, a copied snapshot folder or a pack for queries.

    The snapshot is not pruned until ``close``, so use it as a context manager: ``with
    open_dataset("data") as dataset: dataset.query("max", metric="loss").df()``.

    Args:
        path: the folder or pack; None means ``CLEARML_SNAPSHOT_DATA``, else ``./data``.
        snapshot: its number, -1 for the one before the current, or a time.
        filter: narrows every answer, also of ``sql``, to some tasks; task ids may be prefixes.
        aliases: a file with ``new name = stored name`` of metrics in each line, or a mapping of new
            names to stored ones; every answer has the new names.
        threads: threads of DuckDB; None means one per core.
        memory_limit: in DuckDB's format, ``2GB``; None means half of the memory of the machine or
            container, at most 4 GB.
        allow_files: folders whose files ``sql`` may also read, each by its name.

    Raises:
        DatasetError: it does not exist, is damaged, or is newer than this tool.
        NoSuchNameError: the filter has a name that the snapshot does not contain.
        UsageError: the filter, ``threads``, ``memory_limit`` or ``aliases`` is not valid, or a task
            has two points for one iteration because of the aliases.
    """
    folder = Path(path if path is not None else os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)
    rules = None if aliases is None else Aliases.read(aliases)
    opened_on_purpose = tuple(map(Path, allow_files))
    for folder_to_allow in opened_on_purpose:
        refuse_address(folder_to_allow)
    return open_and_hold(
        lambda: (open_snapshot(folder, snapshot, points=False),),
        lambda opened: Dataset(
            opened,
            filter,
            aliases=rules,
            threads=threads,
            memory_limit=memory_limit,
            allow_files=opened_on_purpose,
        ),
    )
