"""Exports ClearML scalars to Parquet and queries them offline.

``export`` writes a dataset, and ``open_dataset`` opens one for queries; a ``Selection`` and a
``TaskFilter`` choose the tasks. Everything is imported on first use: ``import clearml_snapshot``
itself costs nothing. ``clearml_snapshot.exporter`` and ``clearml_snapshot.queries`` have all public
names. ``clearml_snapshot.cli`` is the command line; ``python -m clearml_snapshot`` starts it too.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_snapshot.exporter import Selection, TaskFilter, export
    from clearml_snapshot.queries import open_dataset

    __version__: str

__all__ = ["Selection", "TaskFilter", "__version__", "export", "open_dataset"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("clearml-snapshot")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "queries" if name == "open_dataset" else "exporter"
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
