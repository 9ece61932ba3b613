"""Reads ``tasks.metric_filter``: JSON that lists the metrics a task was read for."""

from typing import Final

import msgspec

from clearml_snapshot.exporter.errors import DatasetError

_SHOWN: Final = 60


class WrittenMetric(msgspec.Struct):
    """A metric, and its variants unless all are selected."""

    metric: str
    variants: list[str] | None = None


class WrittenFilter(msgspec.Struct):
    """The metrics that a task was read for."""

    metrics: list[WrittenMetric]
    arguments: list[str] = msgspec.field(name="asked", default_factory=list)


def read_filter(text: str) -> WrittenFilter:
    """Read what is stored; format version 1 wrote the metrics alone.

    Raises:
        DatasetError: the text was not written by this tool.
    """
    try:
        written = msgspec.json.decode(text, type=WrittenFilter | list[WrittenMetric])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise DatasetError(
            f"a metric_filter in tasks was not written by this tool ({text[:_SHOWN]!r}); run "
            "clearml-snapshot verify, restore a copy of the snapshot, or export to a new folder"
        ) from None
    return written if isinstance(written, WrittenFilter) else WrittenFilter(written)
