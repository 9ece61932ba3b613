"""Writes a report as one text."""

from dataclasses import dataclass

from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.report.contents import contents
from clearml_snapshot.queries.report.model import Report, ReportOptions
from clearml_snapshot.queries.report.page import page


@dataclass(frozen=True, slots=True)
class Written:
    """A report and its page."""

    report: Report
    html: str


def write_report(dataset: Dataset, options: ReportOptions | None = None) -> Written:
    """Write a report about the tasks that a dataset is open for, as one HTML page.

    Args:
        dataset: a dataset from ``open_dataset``, narrowed by its filter.
        options: what to include of these tasks; everything but ``:monitor:`` by default.

    Raises:
        NoSuchNameError: the snapshot does not contain a metric or variant.
        UsageError: no task is selected, or ``top`` is given without what it needs.
    """
    options = options or ReportOptions()
    report = contents(dataset, options)
    return Written(report, page(report, dataset.snapshot, options.heading))
