"""ClearML → dataset.

``export`` does what the command does, ``forecast`` what its ``--dry-run`` does. They are imported
when they are first asked for, because queries import this package too and must start fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.exporter.agenda import ExportOptions
    from clearml_snapshot.exporter.dry_run import forecast
    from clearml_snapshot.exporter.filters import TaskFilter
    from clearml_snapshot.exporter.report import ExportReport, Forecast
    from clearml_snapshot.exporter.run import export
    from clearml_snapshot.exporter.selection import Selection

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
    "ExportOptions": "agenda",
    "ExportReport": "report",
    "Forecast": "report",
    "Selection": "selection",
    "TaskFilter": "filters",
    "export": "run",
    "forecast": "dry_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
