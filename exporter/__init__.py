"""ClearML → dataset.

``export`` does what the command does; it is imported when it is first asked for, because queries
import this package too and must start fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.exporter.filters import TaskFilter
    from clearml_snapshot.exporter.report import ExportReport
    from clearml_snapshot.exporter.run import ExportOptions, export
    from clearml_snapshot.exporter.selection import Selection

__all__ = ["ExportOptions", "ExportReport", "Selection", "TaskFilter", "export"]

_HOMES = {
    "ExportOptions": "run",
    "ExportReport": "report",
    "Selection": "selection",
    "TaskFilter": "filters",
    "export": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
