"""Pivots the rows of an answer: some of its rows become columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from clearml_snapshot.exporter.store.engine.sql_text import distinct_names, sql_name, sql_value


@dataclass(frozen=True, slots=True)
class Column:
    """A new column."""

    label: str
    of: str
    """The value, in SQL, that marks the rows of this column."""
    cell: str
    """The column that has its cells."""
    number_type: str | None = None
    """The type that its texts are converted to; each of them must be such a number."""

    def cell_at(self, position: int) -> str:
        """Write its cell, of the struct at this position, in SQL."""
        cell = f'"{position}".{sql_name(self.cell)}'
        return cell if self.number_type is None else f"CAST({cell} AS {self.number_type})"


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows are pivoted."""

    by: str
    """The column whose value selects the new column of a row."""
    cells: tuple[str, ...]
    """The columns that hold cells."""
    keys: tuple[str, ...]
    """Rows with the same values of these become one row."""
    behind: str
    """The key after which the new columns are inserted."""


def pivoted(
    answer: duckdb.DuckDBPyRelation, shape: Shape, made: Sequence[Column], *, order: str
) -> tuple[duckdb.DuckDBPyRelation, Sequence[str]]:
    """Pivot rows with the same keys into one row, in time proportional to the cells.

    A FILTER for each column would compare each row with each of them.

    Returns:
        The rows, and the names of the new columns.
    """
    labels = distinct_names((column.label for column in made), shape.keys)
    new = [
        f"{column.cell_at(position)} AS {sql_name(label)}"
        for position, (label, column) in enumerate(zip(labels, made, strict=True), 1)
    ]
    at = shape.keys.index(shape.behind) + 1
    columns = ", ".join([*map(sql_name, shape.keys[:at]), *new, *map(sql_name, shape.keys[at:])])
    source = _wide(shape, [column.of for column in made])
    pivoted = answer.query("answer", f"SELECT {columns} FROM ({source}) ORDER BY {order}")
    assert pivoted is not None, "a SELECT gives a relation"
    return pivoted, labels


def _wide(shape: Shape, marks: Sequence[str]) -> str:
    """Write the SELECT of the keys and, numbered from 1, a struct of the cells for each mark."""
    keys = ", ".join(map(sql_name, shape.keys))
    if not marks:
        return f"SELECT DISTINCT {keys} FROM answer"
    listed = f"[{', '.join(marks)}]"
    cell = ", ".join(f"{sql_value(name)}: {sql_name(name)}" for name in shape.cells)
    numbers = ", ".join(str(position) for position in range(1, len(marks) + 1))
    return f"""
        FROM (
            SELECT {keys}, pivot_place, {{{cell}}} AS pivot_cell
            FROM answer
            LEFT JOIN (
                SELECT unnest({listed}) AS mark, generate_subscripts({listed}, 1) AS pivot_place
            ) ON mark = {shape.by}
        )
        PIVOT (any_value(pivot_cell) FOR pivot_place IN ({numbers}) GROUP BY {keys})
    """
