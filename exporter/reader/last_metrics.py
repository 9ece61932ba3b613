"""Reads ``last_metrics``, the server's own summary of each series."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from clearml_snapshot.exporter.reader.events import clean_text
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, is_included
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES

MOST_SERIES: Final = 2_000
"""Series of a task that the server summarises; it has no summary of the others
(docs/clearml-server.md, "last_metrics")."""

_VALUES: Final = {
    "server_last": "value",
    "server_min": "min_value",
    "server_max": "max_value",
}
_ITERATIONS: Final = {
    "server_min_iteration": "min_value_iteration",
    "server_max_iteration": "max_value_iteration",
    "server_first_iteration": "first_value_iteration",
}
"""Iterations at which the server saw a point; the last one is compared and not stored."""


@dataclass(frozen=True, slots=True)
class ServerSummary:
    """The server's summary of one task's series."""

    rows: tuple[Mapping[str, Any], ...] = ()
    """Columns of ``SERVER_VALUES`` and ``server_first_iteration``, one row per series; what is not
    a number is None."""
    is_ambiguous: bool = False
    """Whether a series is named twice: then the counts prove nothing."""

    def table(self) -> pa.Table:
        """Return the rows as the stage accepts them."""
        return pa.Table.from_pylist([dict(row) for row in self.rows], SERVER_VALUES)

    def reports(self, choices: Sequence[MetricChoice] | None) -> int | None:
        """Count all reports of the selected series; None if the server does not know the number.

        The number grows with every report, also one that overwrites a point, and with nothing else:
        as long as it is the same, no point has been reported.
        """
        if self.is_ambiguous or len(self.rows) >= MOST_SERIES:
            return None
        counts = [row["server_count"] for row in self.selected_rows(choices)]
        return None if None in counts else sum(counts)

    def selected_rows(self, choices: Sequence[MetricChoice] | None) -> Iterator[Mapping[str, Any]]:
        """Return the rows of the selected series; None selects every metric."""
        return (row for row in self.rows if is_included(choices, row["metric"], row["variant"]))

    def points(self, choices: Sequence[MetricChoice] | None) -> int | None:
        """Estimate the points of the selected series: overwritten ones count more than once.

        None if the server does not count them, as older ones do not.
        """
        counts = [row["server_count"] for row in self.selected_rows(choices)]
        return None if None in counts else sum(counts)


def read_last_metrics(task_id: str, last_metrics: object) -> ServerSummary:
    """Read a task's ``last_metrics``; whatever has another form is ignored.

    Two names can become equal when they are converted to text that can be stored; their points are
    one series then. Of two summaries, the one with the higher count is kept: it covers more of the
    points.
    """
    received = [*_rows(task_id, last_metrics)]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in received:
        held = rows.setdefault((row["metric"], row["variant"]), row)
        if (row["server_count"] or 0) > (held["server_count"] or 0):
            rows[row["metric"], row["variant"]] = row
    return ServerSummary(tuple(rows.values()), len(rows) < len(received))


def _rows(task_id: str, last_metrics: object) -> Iterator[dict[str, Any]]:
    for variants in _mappings(last_metrics):
        for summary in _mappings(variants):
            if isinstance(summary, dict) and {"metric", "variant"} <= summary.keys():
                yield {
                    "task_id": task_id,
                    "metric": clean_text(str(summary["metric"])),
                    "variant": clean_text(str(summary["variant"])),
                    "server_count": _count(summary.get("count")),
                    **{column: _number(summary.get(name)) for column, name in _VALUES.items()},
                    **{c: _iteration(summary.get(name)) for c, name in _ITERATIONS.items()},
                }


def _mappings(value: object) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else ()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond every double
        return None


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if is_count and isinstance(value, int) else None


def _iteration(value: object) -> int | None:
    is_integer = (
        isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    )
    return value if is_integer and isinstance(value, int) else None
