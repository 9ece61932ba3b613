"""The rows of the store's tests, for merges of datasets."""

from tests.exporter.store.conftest import ask, commit, export_row, line, points, task_row

__all__ = ["ask", "commit", "export_row", "line", "points", "task_row"]
