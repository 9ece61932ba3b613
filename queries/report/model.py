"""What a report contains, as data."""

from dataclasses import dataclass, field
from typing import Any, Final

from clearml_snapshot.queries.ask.best import Direction
from clearml_snapshot.queries.report.fitting import Fitting

FEWEST_PARTS: Final = 32
"""Equal parts of a curve that are kept of any report; a chart on a phone is ten times as wide."""

POINTS_THAT_FIT: Final = 700_000
"""Points that take less than 5 MB, compressed and as text: 4,000 noisy curves take 4.3 MB."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report is about, besides the tasks that its dataset is open for."""

    metrics: tuple[str, ...] = ()
    """As in ``query``; none means all but ``:monitor:``."""
    variants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    top: int | None = None
    """Only so many of the best tasks of each metric; None means all tasks."""
    best: Direction | None = None
    """Which values are better; None means that it is guessed from each name."""
    by: tuple[str, ...] = ()
    """Include the means of these groups over all points, as in the query ``curve``."""
    by_all_except: tuple[str, ...] = ()
    band: str | None = None
    heading: str | None = None
    """The title of the page; None means that it is made of the contents."""
    parts: int | None = None
    """Equal parts of a curve that are kept; None means as many as fit."""
    fits: bool = False
    """Leave out tasks, metrics and hyperparameters so that memory is bounded for any dataset; then
    ``metrics``, ``variants``, ``excluded`` and ``top`` are not used."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one task."""

    task: int
    """Its place in ``Report.tasks``."""
    row: dict[str, Any]
    """Its row of ``series.sql``."""
    is_suspect: bool = False
    """Its best value is a 0 among values far from 0, probably a NaN."""


@dataclass(frozen=True, slots=True)
class Chart:
    """All series of one metric and variant."""

    metric: str
    variant: str
    best: Direction | None
    """Which values are better; None if nobody knows: then the last value counts."""
    series: tuple[Series, ...]
    block: bytes | None = None
    """Its curves, as ``encoding.py`` writes them; None if all are single values."""
    n_points: int = 0
    """Points that are stored."""
    n_included: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a report contains."""

    tasks: tuple[dict[str, Any], ...]
    """Rows of ``tasks.sql``."""
    params: dict[str, dict[int, str | None]]
    """By name: the value by task, in the order of ``tasks``."""
    kinds: dict[str, dict[int, int | None]]
    """As ``params``, with the number of the value among the different ones; None is NULL."""
    charts: tuple[Chart, ...]
    parts: int | None
    """Equal parts of a curve that were kept; None: all points are included."""
    n_selected: int
    """Tasks that the filter selects, before ``top``."""
    n_params: int = 0
    """How many hyperparameters these tasks have."""
    fit: Fitting | None = None
    """What was left out because it does not fit; None: nothing."""
    unexamined: bool = False
    """Whether best values of 0 were not examined, because that takes too long."""
    means: bytes | None = None
    """The means of groups, as ``group_means.py`` writes them; None if none were asked for."""
    about: dict[str, Any] = field(default_factory=dict)
    """What is complete: rows of ``pages/*.sql``."""

    @property
    def states(self) -> dict[str, int]:
        """The selected tasks by state."""
        return {row["state"]: row["tasks"] for row in self.about["states"]}

    @property
    def n_series(self) -> int:
        """Curves and single values."""
        return sum(len(chart.series) for chart in self.charts)

    @property
    def n_points(self) -> int:
        """Points that are stored of them."""
        return sum(chart.n_points for chart in self.charts)

    @property
    def n_included(self) -> int:
        """Points of curves that the page contains."""
        return sum(chart.n_included for chart in self.charts)

    @property
    def n_suspect(self) -> int:
        """Best values of 0 that are probably NaN."""
        return sum(one.is_suspect for chart in self.charts for one in chart.series)

    @property
    def projects(self) -> set[str | None]:
        """The projects of its tasks."""
        return {task["project"] for task in self.tasks}
