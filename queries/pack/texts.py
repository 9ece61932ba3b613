"""Generates the files of a pack that are computed from its rows: pages and a spreadsheet."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import jinja2

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.store.format.layout import INDEX_HTML, REPORT_HTML, SUMMARY_CSV
from clearml_snapshot.queries.dataset import Dataset, open_dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.pack.overview_page import write_page
from clearml_snapshot.queries.pack.summary_csv import write_summary
from clearml_snapshot.queries.report.model import ReportOptions
from clearml_snapshot.queries.report.write import write_report


def _write_report(dataset: Dataset, path: Path) -> None:
    """Write a report about as much of a pack as fits a page."""
    try:
        html = write_report(dataset, ReportOptions(fits=True)).html
    except UsageError as error:  # it has no tasks
        raise DatasetError(f"{path.name} cannot be made: {error}") from error
    path.write_bytes(html.encode())


_WRITERS: Final[Mapping[str, Callable[[Dataset, Path], None]]] = {
    INDEX_HTML: write_page,
    SUMMARY_CSV: write_summary,
    REPORT_HTML: _write_report,
}


def make_pages(folder: Path, names: Sequence[str], into: Path) -> None:
    """Write texts of a pack; the same snapshot gives the same bytes.

    Args:
        folder: the snapshot.
        names: which files: ``index.html``, ``summary.csv``, ``report.html``.
        into: the folder to write to; files of these names are replaced.

    Raises:
        DatasetError: the snapshot does not contain what they are computed from.
        SnapshotError: memory or disk is full.
        OSError: the disk is full.
    """
    try:
        with open_dataset(folder) as opened, translating_errors(opening=True):
            for name in names:
                _WRITERS[name](opened, into / name)
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        # the snapshot.json or the tables may come from someone else
        raise DatasetError(
            f"{' and '.join(names)} cannot be made from {folder}: "
            f"{type(error).__name__}; run clearml-snapshot verify"
        ) from error
