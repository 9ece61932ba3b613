"""Reports which values were compared at different iterations."""

from collections.abc import Iterator

from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.result import Rows

_SHOWN = 5


def not_at_one_iteration(query: Query, rows: Rows) -> Iterator[str]:
    """Name the series of compared tasks that have no iteration in common.

    Args:
        query: the query; only ``compare`` has such rows.
        rows: its answer.
    """
    if query.name != "compare" or query.file is not None or "iterations" not in rows.columns:
        return
    nearest = {
        (row["metric"], row["variant"]): row["iterations"]
        for row in rows.as_dicts()
        if row["point"] == "nearest"
    }
    for (metric, variant), iterations in list(nearest.items())[:_SHOWN]:
        listed = ", ".join(map(str, iterations))
        yield (
            f"{metric}/{variant}: the tasks have no iteration in common; "
            f"compared at the nearest ones: {listed}"
        )
    if len(nearest) > _SHOWN:
        yield f"… and {len(nearest) - _SHOWN} more"
