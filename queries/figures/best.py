"""Finds the best point of each curve; a zero that is probably a NaN is not one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clearml_snapshot.queries.ask.best import Direction
from clearml_snapshot.queries.ask.parameters import marks_of
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.labels import Run
from clearml_snapshot.queries.figures.model import Points


def without_suspects(
    dataset: Dataset, values: Mapping[str, Any], runs: Sequence[Run], best: Direction | None
) -> list[Run]:
    """Correct the best values of runs of which a mark, such as 0, seems to be the best one.

    Args:
        dataset: the dataset.
        values: what is bound to the parameters of the query ``curve``.
        runs: the runs of a metric.
        best: which values are better; None: nobody knows, and no point is the best.
    """
    extreme = "lowest" if best == "lowest" else "highest"
    marks = marks_of(values)
    doubtful = {run.task_id for run in runs if getattr(run, extreme) in marks}
    if best is None or not doubtful or values["suspect_zeros"] == "exclude":
        return [*runs]
    typed = {
        "metric": sorted({run.metric for run in runs}),
        "variant": sorted({run.variant for run in runs}),
        "nan_value": values["nan_value"],
    }
    with dataset.opened_again(only=doubtful) as (inner, _connection):
        query = "min" if best == "lowest" else "max"
        answer = inner.query(query, **typed, by="task", suspect_zeros="exclude")
        found = {
            (row["variant"], row["task_id"]): (row["iteration"], row["value"])
            for row in inner.rows(answer).as_dicts()
        }
    corrected = []
    for run in runs:
        place, value = found.get((run.variant, run.task_id), (None, None))
        if run.task_id in doubtful and value != getattr(run, extreme):
            point = None if value is None or place is None else (float(place), value)
            corrected.append(replace(run, **{extreme: value}, best=point, is_corrected=True))
        else:
            corrected.append(run)
    return corrected


def are_doubtful(values: Mapping[str, Any], runs: Sequence[Run], best: Direction | None) -> bool:
    """Return whether a mark, such as 0, seems to be the best value of a run."""
    extreme = "lowest" if best == "lowest" else "highest"
    marks = marks_of(values)
    is_included = best is not None and values["suspect_zeros"] != "exclude"
    return is_included and any(getattr(run, extreme) in marks for run in runs)


def best_point(points: Points, best: Direction | None) -> tuple[float, float] | None:
    """Return the first of the best points."""
    finite = points.finite
    if best is None or not finite:
        return None
    choose = max if best == "highest" else min
    value = choose(value for _, value in finite)
    return next((x, y) for x, y in finite if y == value)
