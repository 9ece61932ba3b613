"""Writes summary.csv: every series of a snapshot in one table for spreadsheets.

It is written for Excel: UTF-8 with a byte order mark (without one Excel assumes another encoding),
commas, CRLF, and no text that Excel would evaluate, even if it splits at semicolons or tabs.
Numbers are exact: a double has the fewest digits that restore it. NULL is an empty cell. Behind the
columns of a series are the hyperparameters that vary between the tasks, in alphabetical order.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.notes.suspect_zeros import suspects_by_series
from clearml_snapshot.queries.pack.varying import settings, varying

EXCEL_ROWS: Final = 1_048_576
"""Maximum rows of a sheet, including the header; Excel drops the rest with a warning."""

_EXCEL_CHARACTERS: Final = 32_767
"""Maximum characters of a cell; the rest of a longer text would become other cells."""

_FORMULA: Final = re.compile("\\s*[=+\\-@＝＋－＠]|[\t\r\n]")
"""The start of a text that a spreadsheet evaluates, including wide forms in East Asian versions."""

_HIDDEN_FORMULA: Final = re.compile(
    "([;\t|\n\r\v\f\x1c-\x1e\x85\u2028\u2029][\\s\"']*)(?<!')([=+\\-@＝＋－＠])"
)
"""The same inside a text, where a cell begins if the file is read with a separator other than the
comma, as spreadsheets in many countries do. Line breaks then end a row, because the quotes are not
at the start of a field. Quotes and white space before it do not prevent its evaluation.
"""

_SERIES_AT_ONCE: Final = 100_000
"""Series to sort at once; 2 million would need more than a gigabyte."""

_ROWS_AT_ONCE: Final = 10_000

_SETTINGS_AT_ONCE: Final = 500_000
"""Values of hyperparameters in memory at once."""

_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
"""A hyperparameter that a spreadsheet may take for a number, although it begins with ``-``."""


def write_summary(dataset: Dataset, path: Path) -> None:
    """Write one row per task × metric × variant, sorted by project, task, metric and variant.

    The same snapshot gives the same bytes. Memory does not grow with the rows.

    Args:
        dataset: the snapshot; a filter narrows the tasks.
        path: the file; an existing one is replaced.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\r\n")
        columns: list[str] = []
        names = sorted(varying(dataset).names)
        suspects = suspects_by_series(dataset)
        for task_ids in _portions(dataset, len(names)):
            set_to = _settings(dataset, names, task_ids)
            parameters = {"task_ids": task_ids, **_of_tasks(suspects, task_ids)}
            relation = dataset.sql(read("pack/summary.sql"), parameters)
            if not columns:
                columns = relation.columns
                writer.writerow([*columns, *map(safe, names)])
            at = columns.index("task_id")
            with relation.to_arrow_reader(_ROWS_AT_ONCE) as batches:
                for batch in batches:
                    task_of_row = batch.column(at).to_pylist()
                    cells = zip(*_cells(batch), strict=True)
                    writer.writerows(
                        (*row, *set_to[task]) for row, task in zip(cells, task_of_row, strict=True)
                    )


def _settings(
    dataset: Dataset, names: Sequence[str], task_ids: Sequence[str]
) -> dict[str, list[str | None]]:
    """Return the cells with the hyperparameters of each task."""
    found = settings(dataset, names, task_ids)
    missing: list[str | None] = [None] * len(names)
    return {
        task_id: [value and _setting(value) for value in found.get(task_id, missing)]
        for task_id in task_ids
    }


def _setting(value: str) -> str:
    return value if _PLAIN_NUMBER.fullmatch(value) else safe(value)


def _of_tasks(
    suspects: Sequence[Mapping[str, Any]] | None, task_ids: Sequence[str]
) -> dict[str, list[Any] | None]:
    """Return the counts of suspect zeros of some tasks, to bind; None: they are not known."""
    chosen = {*task_ids}
    rows = None if suspects is None else [row for row in suspects if row["task_id"] in chosen]
    names = {
        "suspect_tasks": "task_id",
        "suspect_metrics": "metric",
        "suspect_variants": "variant",
        "suspect_counts": "n_suspect_zeros",
    }
    return {
        bound: None if rows is None else [row[column] for row in rows]
        for bound, column in names.items()
    }


def _portions(dataset: Dataset, n_settings: int) -> Iterator[list[str]]:
    """Yield the tasks in order, in groups with a limited number of series and hyperparameters."""
    tasks: list[str] = []
    series = 0
    for task_id, n_series in dataset.rows(dataset.sql(read("pack/summary_tasks.sql"))).rows:
        is_full = len(tasks) * n_settings >= _SETTINGS_AT_ONCE
        if tasks and (series + n_series > _SERIES_AT_ONCE or is_full):
            yield tasks
            tasks, series = [], 0
        tasks.append(task_id)
        series += max(n_series, 1)
    yield tasks


def _cells(batch: Any) -> Iterator[list[Any]]:
    """Yield the columns of an Arrow batch as the cells to write."""
    import pyarrow as pa

    for column in batch.columns:
        cells = column.to_pylist()
        if pa.types.is_string(column.type):
            safe_text = {text: safe(text) for text in set(cells) if text is not None}
            yield [safe_text.get(text) for text in cells]
        elif pa.types.is_floating(column.type):
            yield [_number(cell) for cell in cells]
        else:
            yield cells


def safe(text: str) -> str:
    """Write a text so that a spreadsheet shows it: ``=1+1`` gets an apostrophe in front.

    So does the ``=`` inside ``x;=1+1``: with a semicolon, a tab or ``|`` as the separator, or after
    a line break, a cell begins there. A NUL, at which Excel stops reading, becomes its symbol.
    """
    marked = "'" + text if _FORMULA.match(text) else text
    marked = _HIDDEN_FORMULA.sub(r"\1'\2", marked)
    return marked.replace("\0", "␀")[:_EXCEL_CHARACTERS]


def _number(value: float | None) -> float | str | None:
    """Keep a number; NaN and infinities become text, because a sheet has no such numbers."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else safe("Infinity" if value > 0 else "-Infinity")
