"""Makes curves of groups of tasks: the mean, and a band around it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.best import Direction
from clearml_snapshot.queries.ask.grouping import BY_PARAM, DIFFERING
from clearml_snapshot.queries.ask.header import find, read
from clearml_snapshot.queries.ask.horizontal import is_iteration, x_pair
from clearml_snapshot.queries.ask.statement import statement_for
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.figures.best import are_doubtful, best_point
from clearml_snapshot.queries.figures.labels import Run, harmless, unique
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Band, Curve, usual_gap
from clearml_snapshot.queries.figures.thinning import by_curve, thinned

BANDS: Final[Mapping[str | None, str]] = {
    None: "one standard deviation below to one above the mean",
    "std": "one standard deviation below to one above the mean",
    "minmax": "the lowest to the highest value",
    "ci": "the 95 % interval of the mean (Student's t)",
}
"""What is between the edges of a band, by the value of ``band``."""

_VARIANT: Final = "variant"
_LONGEST: Final = 60
"""Characters of a label, without the number of tasks."""
_BATCH: Final = 100_000
_MOST_STEPS: Final = 100_000_000
"""Values at steps, at most, up to which each step of a group is one of the figure."""
_GROUPS: Final = "steps_of_groups"


@dataclass(frozen=True)
class Group:
    """The curve of a group of tasks."""

    curve: Curve
    """Without a label; ``labelled`` adds it."""
    values: Mapping[str, str | None]
    """What its tasks have in common: the variant, and the value of each grouping."""
    counts: tuple[int, int, int]
    """Its tasks, and the fewest and the most of them in the mean of a step."""


def is_grouped(values: Mapping[str, Any]) -> bool:
    """Return whether a curve is that of a group of tasks."""
    return values["by"] is not None or values["by_all_except"] is not None


def of_everything(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values for one group of all tasks, with its range."""
    return {**values, "by": [], "by_all_except": None, DIFFERING: None, "band": "minmax"}


def group_curves(
    dataset: Dataset,
    values: Mapping[str, Any],
    look: Look,
    runs: Sequence[Run],
) -> tuple[list[Group], list[str]]:
    """Make the curves of the groups of one metric.

    Args:
        dataset: the dataset.
        values: what is bound to the parameters of the query ``curve``, with groups.
        look: how they are drawn.
        runs: every series of the metric.

    Returns:
        The groups in the order of the query, without labels, and what a reader must know.
    """
    pairs = sorted({(run.metric, run.variant) for run in runs})
    n_steps = sum(run.n_points for run in runs) * len(runs)
    in_parts = n_steps > _MOST_STEPS or not is_iteration(values)
    asked = {
        **values,
        "metric": [metric for metric, _ in pairs],
        "variant": [variant for _, variant in pairs],
        "points": look.columns if in_parts else None,
    }
    names = [*(values["by"] or ()), *(values[DIFFERING] or ())]
    with _steps(dataset, asked) as connection, translating_errors():
        groups = connection.execute(read("figures/groups.sql")).fetchall()
        means = by_curve(
            thinned(
                connection,
                connection.table(_GROUPS).project("curve, x, mean AS value"),
                look.columns,
                is_log=look.log_x,
            )
        )
        bands = _bands(connection, look)
    xs = [x for points in means.values() for x in (points.x[0], points.x[-1])]
    width = max(xs, default=0.0) - min(xs, default=0.0)
    drawn = [
        Group(
            Curve(
                "",
                number,
                means[curve],
                bands=tuple(bands.get(curve, ())),
                gap=None if x_pair(values) else usual_gap(means[curve].x, width),
            ),
            {_VARIANT: variant, **dict(zip(names, labels, strict=True))},
            (n_tasks, fewest or 0, most),
        )
        for number, (curve, variant, labels, n_tasks, fewest, most) in enumerate(groups)
        if curve in means
    ]
    notes = [f"the band is {BANDS[values['band']]} of the tasks at each step"]
    if in_parts:
        notes.append(
            f"each task counts with its mean in each of {look.columns:,} equal parts of the axis"
        )
    return drawn, notes


def with_best(
    dataset: Dataset,
    values: Mapping[str, Any],
    look: Look,
    runs: Sequence[Run],
    groups: Sequence[Group],
    best: Direction | None,
) -> tuple[list[Group], list[str]]:
    """Find the best mean of each group, without zeros that are probably NaN.

    Returns:
        The groups, and what a reader must know if such zeros would have been in the best means.
    """
    points = {_key(group): best_point(group.curve.points, best) for group in groups}
    found, notes = points, []
    if are_doubtful(values, runs, best):
        again, _ = group_curves(dataset, {**values, "suspect_zeros": "exclude"}, look, runs)
        found = {_key(group): best_point(group.curve.points, best) for group in again}
        if any(found.get(key) != point for key, point in points.items()):
            notes.append(
                f"best means are those without values that are probably NaN; the means drawn have "
                f"them ({setting('suspect_zeros', 'exclude')} leaves them out)"
            )
    made = [
        replace(group, curve=replace(group.curve, best=found.get(_key(group)))) for group in groups
    ]
    return made, notes


def _key(group: Group) -> tuple[tuple[str, str | None], ...]:
    return tuple(group.values.items())


@contextmanager
def _steps(dataset: Dataset, values: Mapping[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Compute the steps of all groups into a table of a connection of its own."""
    connection = dataset.own_connection()
    try:
        with translating_errors():
            relation = dataset.sql(*statement_for(find("curve"), values))
            connection.register("rows_of_a_figure", relation.to_arrow_reader(_BATCH))
            connection.execute(read("figures/grouped.sql"))
        yield connection
    finally:
        connection.close()


def _bands(connection: duckdb.DuckDBPyConnection, look: Look) -> dict[int, list[Band]]:
    asked = {"columns": look.columns, "is_log": look.log_x}
    pieces: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    for curve, piece, *edges in connection.execute(read("figures/bands.sql"), asked).fetchall():
        pieces.setdefault((curve, piece), []).append((edges[0], edges[1], edges[2]))
    found: dict[int, list[Band]] = {}
    for (curve, _), points in pieces.items():
        found.setdefault(curve, []).append(Band(*zip(*points, strict=True)))
    return found


def labelled(groups: Sequence[Group]) -> list[Curve]:
    """Name each group by the values in which these groups differ, as few as tell them apart.

    The number of tasks in its mean follows.
    """
    kinds = {
        name: len({group.values[name] for group in groups})
        for name in (groups[0].values if groups else ())
    }
    differing = sorted((name for name in kinds if kinds[name] > 1), key=lambda name: -kinds[name])
    told: list[str] = []
    for name in differing:
        if len({_values(group, told) for group in groups}) == len(groups):
            break
        told.append(name)
    # One that is alone is named by what it was asked to differ in.
    shown = [name for name in kinds if name in told or (len(groups) == 1 and name != _VARIANT)]
    made = []
    for group in groups:
        n_tasks, fewest, most = group.counts
        is_same = fewest == most == n_tasks
        n = f"{n_tasks:,}" if is_same else f"{fewest:,} to {most:,} of {n_tasks:,}"
        parts = [_valued(name, group.values[name]) for name in shown]
        made.append(f"{harmless(' · '.join(parts) or 'mean', _LONGEST)} (n = {n})")
    return [
        replace(group.curve, label=label) for group, label in zip(groups, unique(made), strict=True)
    ]


def _values(group: Group, names: Iterable[str]) -> tuple[str | None, ...]:
    return tuple(group.values[name] for name in names)


def _valued(name: str, value: str | None) -> str:
    """Write a value of a group; that of a hyperparameter needs its name."""
    shown = "(none)" if value is None else value
    section, _, end = name.removeprefix(BY_PARAM).partition("/")
    return f"{end}={shown}" if end and section else shown
