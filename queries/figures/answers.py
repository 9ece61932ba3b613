"""Draws the rows of any answer: a column over another one, perhaps with a colour for each value."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import duckdb

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.store.engine.sql_text import sql_name
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.figures import axes
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, harmless, unique
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Curve, Figure, Points, usual_gap
from clearml_snapshot.queries.figures.thinning import by_curve, thinned

MOST_COLOURS: Final = 12
_MOST: Final = 1_000
"""Curves that are drawn; more would take minutes."""
_BATCH: Final = 100_000
_TIMES: Final = ("TIMESTAMP", "DATE")
_NUMBERS: Final = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN",
)  # fmt: skip
"""The beginnings of DuckDB's types that are drawn."""


def answer_figure(
    dataset: Dataset, relation: duckdb.DuckDBPyRelation, columns: Sequence[str], look: Look
) -> Figure:
    """Make a figure of an answer.

    Args:
        dataset: the dataset.
        relation: the answer.
        columns: x, y and perhaps the column whose values have a colour each.
        look: how it is drawn.

    Raises:
        NoSuchNameError: the answer has no such column.
        UsageError: x or y has no numbers, or there are too many colours to draw.
        SnapshotError: the answer has no points.
    """
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    for name in columns:
        if name not in kinds:
            raise no_such("column", name, relation.columns)
    x, y, *colours = columns
    is_time = kinds[x].startswith(_TIMES)
    if not is_time and not _is_number(kinds[x]):
        raise UsageError(f"{setting('plot')}: {x} has no numbers and no times")
    if not _is_number(kinds[y]):
        raise UsageError(f"{setting('plot')}: {y} has no numbers")
    place = f"epoch_ms({sql_name(x)}::TIMESTAMP) / 1000" if is_time else sql_name(x)
    colour = f"{sql_name(colours[0])}::VARCHAR" if colours else "NULL"
    rows = relation.project(f"{place} AS x, {sql_name(y)} AS value, {colour} AS label")
    labels, points = _points(dataset, rows, look)
    drawn, notes = _curves(labels, points, colours[0] if colours else y)
    panel = axes.fitted(
        harmless(y, LONGEST_TITLE), drawn, "time" if is_time else None,
        log_x=look.log_x, log_y=look.log_y, clips=look.clips,
    )  # fmt: skip
    panel = replace(panel, x=replace(panel.x, title=harmless(x, LONGEST_TITLE)))
    title = harmless(look.title, LONGEST_TITLE) if look.title else ""
    return Figure(title, (panel,), (*notes, *axes.notes_on(panel)), look.size, look.theme)


def _is_number(kind: str) -> bool:
    return kind.startswith(_NUMBERS) and not kind.endswith("]")


def _points(
    dataset: Dataset, rows: duckdb.DuckDBPyRelation, look: Look
) -> tuple[dict[int, Any], dict[int, Points]]:
    """Compute the points of each curve, thinned, and its value of the colour."""
    connection = dataset.own_connection()
    try:
        with translating_errors():
            connection.register("rows_of_a_figure", rows.to_arrow_reader(_BATCH))
            connection.execute(read("figures/answer.sql"))
            table = connection.table("points_of_a_figure")
            labels = dict(table.project("curve, label").distinct().order("curve").fetchall())
            if len(labels) > _MOST:
                raise UsageError(f"{len(labels):,} colours are too many to draw; choose fewer rows")
            points = table.project("curve, x, value")
            return labels, by_curve(thinned(connection, points, look.columns, is_log=look.log_x))
    finally:
        connection.close()


def _curves(
    labels: dict[int, Any], points: dict[int, Points], name: str
) -> tuple[list[Curve], list[str]]:
    if not points:
        raise SnapshotError("nothing to draw: the answer has no points")
    every = [x for curve in points.values() for x in (curve.x[0], curve.x[-1])]
    width = max(every) - min(every)
    texts = [name if labels[at] is None else str(labels[at]) for at in points]
    named = unique([harmless(text) for text in texts])
    is_faint = len(points) > MOST_COLOURS
    drawn = [
        Curve(label, number, each, is_faint=is_faint, gap=usual_gap(each.x, width))
        for number, (label, each) in enumerate(zip(named, points.values(), strict=True))
    ]
    note = f"{len(points)} colours are too many to tell apart: the curves are grey"
    return drawn, [note] if is_faint else []
