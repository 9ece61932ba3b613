"""ClearML → dataset.

``export`` does what the command does, ``forecast`` what its ``--dry-run`` does. They are imported
on first use, because queries import this package too and must start fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.exporter.selection.selection import Selection
    from clearml_snapshot.exporter.selection.task_filter import TaskFilter
    from clearml_snapshot.exporter.sync.dry_run import forecast
    from clearml_snapshot.exporter.sync.export import export
    from clearml_snapshot.exporter.sync.prepare import ExportOptions
    from clearml_snapshot.exporter.sync.report import ExportReport, Forecast

__all__ = [
    "ExportOptions",
    "ExportReport",
    "Forecast",
    "Selection",
    "TaskFilter",
    "export",
    "forecast",
]

_HOMES = {
    "ExportOptions": "sync.prepare",
    "ExportReport": "sync.report",
    "Forecast": "sync.report",
    "Selection": "selection.selection",
    "TaskFilter": "selection.task_filter",
    "export": "sync.export",
    "forecast": "sync.dry_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
