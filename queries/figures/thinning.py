"""Thins points for a picture without losing a spike; ``thinned.sql`` describes how."""

from typing import TYPE_CHECKING, Final

import duckdb

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.figures.look import COLUMNS
from clearml_snapshot.queries.figures.model import Points

if TYPE_CHECKING:
    import pyarrow as pa

_POINTS: Final = "points_to_thin"


def thinned(
    connection: duckdb.DuckDBPyConnection,
    points: str | duckdb.DuckDBPyRelation,
    columns: int = COLUMNS,
    *,
    is_log: bool = False,
) -> "pa.Table":
    """Keep the points of each curve that draw the same picture, at most eight per pixel column.

    Args:
        connection: the connection of the points.
        points: a relation, or the name of a table or view, with the columns ``curve`` (an integer),
            ``x`` and ``value`` (doubles). A relation is computed twice: first for its ranges.
        columns: pixel columns of a curve.
        is_log: whether the axis of x is logarithmic; points that it cannot show are left out.

    Returns:
        Columns ``curve``, ``x``, ``value`` and ``n``, sorted by the first three.
    """
    with translating_errors():
        if not isinstance(points, str):
            points.create_view(_POINTS, replace=True)
            points = _POINTS
        connection.execute(read("figures/thinned.sql"))
        asked = {"points": points, "columns": columns, "is_log": is_log}
        table: pa.Table = connection.sql(_THINNED, params=asked).to_arrow_table()
        return table


_THINNED: Final = "FROM thinned($points, $columns, $is_log)"


def by_curve(table: "pa.Table") -> dict[int, Points]:
    """Divide thinned points by their curves."""
    found: dict[int, tuple[list[float], list[float | None]]] = {}
    columns = (table.column(name).to_pylist() for name in ("curve", "x", "value"))
    for curve, x, value in zip(*columns, strict=True):
        xs, ys = found.setdefault(curve, ([], []))
        xs.append(x)
        ys.append(value)
    return {curve: Points(tuple(xs), tuple(ys)) for curve, (xs, ys) in found.items()}
