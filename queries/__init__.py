"""Dataset → answers. ``open_dataset``, ``Dataset`` and ``Answer`` are the public Python interface.

    from clearml_snapshot.queries import open_dataset

    with open_dataset("data") as dataset:
        print(dataset.query("max", metric="loss"))

They are imported when they are first used, so that ``clearml-snapshot --help`` stays fast.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearml_snapshot.queries.dataset import Dataset, open_dataset
    from clearml_snapshot.queries.result import Answer

__all__ = ["Answer", "Dataset", "open_dataset"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from clearml_snapshot.queries import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
