"""What names mean in an open dataset."""

from functools import cached_property

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.metric_filter import Series
from clearml_snapshot.exporter.selection.task_filter import ResolvedFilter
from clearml_snapshot.queries import task_filter, task_ids
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.names import read_params, read_series
from clearml_snapshot.queries.session import Session


class Named(Session):
    """What names mean in an open dataset; the base of one."""

    filter: ResolvedFilter | None
    """The filter that narrows the tasks; None if there is none."""

    @cached_property
    def series_names(self) -> Series:
        """The variants in the snapshot by metric; the filter does not narrow them.

        A filter must not change what the name of a metric matches.
        """
        with translating_errors():
            return read_series(self._connection)

    @cached_property
    def param_names(self) -> tuple[str, ...]:
        """The hyperparameters of the snapshot as ``section/name``, in alphabetical order."""
        with translating_errors():
            return read_params(self._connection)

    def task_id(self, text: str) -> str:
        """Find one task by its id, the beginning of it, its exact name or its address.

        Raises:
            NoSuchNameError: no task matches.
            UsageError: several tasks match; they are listed.
        """
        with translating_errors():
            ids = task_ids.find_tasks(self._connection, text, "selected")
        if len(ids) > 1:
            raise UsageError(f"{text!r} is the address of {len(ids)} tasks; give one")
        return ids[0]

    def task_ids(self, text: str) -> tuple[str, ...]:
        """Find tasks as ``task_id`` does, or by a glob of names or the address of a comparison.

        Raises:
            NoSuchNameError: no task matches.
            UsageError: a name or the beginning of an id matches several tasks; they are listed.
        """
        with translating_errors():
            return task_ids.find_tasks(self._connection, text, "selected", globs=True)

    def suggested_name(self) -> str | None:
        """Say which name the filter may have meant; None if that is not why it selects nothing."""
        if self.filter is None:
            return None
        with translating_errors():
            return task_filter.suggested_name(self._connection, self.filter)

    def left_out(self) -> str | None:
        """Say which tasks were named by their ids that the rest of the filter leaves out."""
        if self.filter is None:
            return None
        with translating_errors():
            return task_filter.left_out(self._connection, self.filter)
