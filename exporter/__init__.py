"""ClearML → dataset.

``export`` does what the command does; it is imported when it is first asked for, because queries
import this package too and must start fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.exporter.run import Selection, export
    from clearml_snapshot.exporter.report import ExportReport

__all__ = ["ExportReport", "Selection", "export"]


def __getattr__(name: str) -> Any:
    if name == "ExportReport":
        from clearml_snapshot.exporter import report

        return report.ExportReport
    if name in __all__:
        from clearml_snapshot.exporter import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
