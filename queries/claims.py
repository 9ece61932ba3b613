"""The server's own summary of its series against the points that are stored here."""

from dataclasses import dataclass

import duckdb

from clearml_snapshot.queries import catalogue
from clearml_snapshot.queries.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Claims:
    """How far the server's summary and the points agree."""

    compared: int
    """Series with a claim."""
    unclaimed: int
    """Series without one in tasks that have some: the server keeps at most 2,000 a task."""
    disagreeing: int
    """Of those compared."""
    unexplained: int
    """Of these, those with no known reason."""

    def __str__(self) -> str:
        """Tell it in one line."""
        line = f"{self.compared:,} series compared with the server's summary: "
        line += f"{self.disagreeing:,} disagree, {self.unexplained:,} of them for no known reason"
        if self.unclaimed:
            line += f"; of {self.unclaimed:,} more it says nothing (it keeps 2,000 series a task)"
        return line


def disagreements(dataset: Dataset) -> duckdb.DuckDBPyRelation:
    """List where the server's claims differ from ours, what has no known reason first."""
    return dataset.sql(catalogue.read("_claims.sql"))


def count_claims(dataset: Dataset, differing: duckdb.DuckDBPyRelation) -> Claims:
    """Count what ``disagreements`` gave, and what could be compared at all."""
    counts = dataset.sql(catalogue.read("_claims_count.sql"))
    ((compared, unclaimed),) = dataset.rows(counts).rows
    series = "count(DISTINCT (task_id, metric, variant))"
    numbers = differing.aggregate(f"{series}, {series} FILTER (NOT legitimate)")
    ((disagreeing, unexplained),) = dataset.rows(numbers).rows
    return Claims(compared, unclaimed, disagreeing, unexplained)
