"""Reads the names in a snapshot that arguments can mean."""

from dataclasses import dataclass
from functools import cached_property

import duckdb

from clearml_snapshot.exporter.selection.metric_filter import Series
from clearml_snapshot.queries.ask.header import read


@dataclass(frozen=True)
class StoredNames:
    """The names in a snapshot, each kind read when it is needed."""

    connection: duckdb.DuckDBPyConnection

    @cached_property
    def series_names(self) -> Series:
        """The variants by metric."""
        return read_series(self.connection)

    @cached_property
    def param_names(self) -> tuple[str, ...]:
        """The hyperparameters as ``section/name``, in alphabetical order."""
        return read_params(self.connection)


def read_series(connection: duckdb.DuckDBPyConnection) -> Series:
    """Read the variants by metric."""
    names: dict[str, list[str]] = {}
    for metric, variant in connection.execute(read("lookups/series.sql")).fetchall():
        names.setdefault(metric, []).append(variant)
    return names


def read_params(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Read the hyperparameters as ``section/name``, in alphabetical order."""
    names = connection.execute(read("lookups/params.sql")).fetchall()
    return tuple(name for (name,) in names)
