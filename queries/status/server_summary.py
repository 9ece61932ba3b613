"""Compares the server's own summary of each series with the stored points."""

from dataclasses import dataclass

import duckdb

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ServerSummary:
    """How many series of the server's summary agree with the stored points."""

    compared: int
    """Series that the server's summary includes."""
    uncounted: int
    """Compared series without a count of reports, as on older servers."""
    without_numbers: int
    """Series that the summary does not include because no point has a finite value."""
    beyond_cap: int
    """Other series that it does not include because the task has 2,000 others, the server's
    maximum."""
    lost: int
    """Other series that it does not include, of tasks that the server has lost, or lost points
    of."""
    unreported: int
    """The remaining series that it does not include."""
    disagreeing: int
    """Compared series that differ."""
    unexplained: int
    """Differing series without a known reason, and those of which the server lost points."""
    lost_points: int
    """Unexplained series of which the server lost points before they were read."""
    lost_tasks: int
    """Tasks of which the server lost points; series without points have no row."""

    def __str__(self) -> str:
        """Describe the comparison in one line."""
        line = f"{self.compared:,} series compared with the server's summary: "
        unknown = self.unexplained - self.lost_points
        line += f"{self.disagreeing:,} disagree, {unknown:,} of them for no known reason"
        if self.lost_points:
            line += f", {self.lost_points:,} because the server lost points before they were read"
        if self.lost_tasks:
            line += f"; {self.lost_tasks:,} tasks have the state lost"
        if self.uncounted:
            line += f"; {self.uncounted:,} have no count in it (an older server)"
        reasons = (
            (self.beyond_cap, "beyond the 2,000 series a task that it keeps"),
            (self.without_numbers, "without a finite number"),
            (self.lost, "lost by the server"),
            (self.unreported, "left out by it (older servers do)"),
        )
        reasons_given = [f"{number:,} {why}" for number, why in reasons if number]
        return line + (
            f"; {self.unclaimed:,} have none: {', '.join(reasons_given)}" if reasons_given else ""
        )

    @property
    def unclaimed(self) -> int:
        """The number of series that the server's summary does not include, for any reason."""
        return self.without_numbers + self.beyond_cap + self.lost + self.unreported


def disagreements(dataset: Dataset) -> duckdb.DuckDBPyRelation:
    """List differences between the server's summary and the points, unexplained ones first."""
    return dataset.sql(read("status/server_summary.sql"))


def server_summary(dataset: Dataset, differing: duckdb.DuckDBPyRelation) -> ServerSummary:
    """Count the rows of ``disagreements``, and the series that could be compared."""
    counts = dataset.sql(read("status/server_summary_count.sql"))
    (covered,) = dataset.rows(counts).as_dicts()
    series = "count(DISTINCT (task_id, metric, variant))"
    lost = "starts_with(why, 'lost on the server')"
    numbers = differing.aggregate(
        f"{series}, {series} FILTER (NOT legitimate), {series} FILTER ({lost})"
    )
    ((disagreeing, unexplained, lost_points),) = dataset.rows(numbers).rows
    return ServerSummary(
        **covered, disagreeing=disagreeing, unexplained=unexplained, lost_points=lost_points
    )
