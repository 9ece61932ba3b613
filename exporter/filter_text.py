"""Reads ``tasks.metric_filter``: JSON that lists the metrics a task was read for."""

from typing import Final

import msgspec

from clearml_snapshot.exporter.errors import DatasetError

_SHOWN: Final = 60


class WrittenMetric(msgspec.Struct):
    """A metric, and the variants unless all are meant."""

    metric: str
    variants: list[str] | None = None


class WrittenFilter(msgspec.Struct):
    """What a task was read for."""

    metrics: list[WrittenMetric]
    asked: list[str] = []


def read_filter(text: str) -> WrittenFilter:
    """Read what is stored; format version 1 wrote the metrics alone.

    Raises:
        DatasetError: it is not what this tool writes.
    """
    try:
        written = msgspec.json.decode(text, type=WrittenFilter | list[WrittenMetric])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise DatasetError(
            f"a metric_filter in tasks is not one of this tool's ({text[:_SHOWN]!r}); run "
            "clearml-snapshot verify, put back a copy of the snapshot, or export into a new folder"
        ) from None
    return written if isinstance(written, WrittenFilter) else WrittenFilter(written)
