"""What older servers do differently: they silently ignore what they do not know.

The versions are those of the API (2.13 is ClearML 1.0, 2.16 is 1.2, 2.28 is 1.14, 2.31 is 1.17),
see docs/clearml-server.md, "Older servers".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from clearml_snapshot.exporter.standin.data.points import Table

Version = tuple[int, ...]

_ADDED: Final[Mapping[str, Version]] = {
    "events.get_multi_task_metrics": (2, 28),
    "events.get_task_single_value_metrics": (2, 20),
    "events.scalar_metrics_iter_raw": (2, 16),
    "tasks.get_by_id_ex": (2, 16),
}
"""The version in which an endpoint was added, for those that an exporter could use."""
_UNDERSTOOD: Final = (
    ("tasks.get_all", "created", (2, 31)),
    ("tasks.get_all", "filters", (2, 27)),
    ("projects.get_all", "filters", (2, 27)),
    ("tasks.get_all", "scroll_id", (2, 16)),
    ("tasks.get_all", "size", (2, 16)),
    ("projects.get_all", "scroll_id", (2, 16)),
    ("projects.get_all", "size", (2, 16)),
)
"""The version from which calls with this prefix support a field."""
_PAGED_BY_ITERATION: Final = (2, 16)
_MOST_COUNTED: Final = 10_000
"""Elasticsearch does not count further unless it is configured to."""


def has(version: Version, endpoint: str) -> bool:
    """Return whether a server of a version has an endpoint."""
    return version >= _ADDED.get(endpoint, (1,))


def understood(version: Version, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Remove from a request what a server of a version does not know."""
    unknown = {
        name
        for prefix, name, since in _UNDERSTOOD
        if endpoint.startswith(prefix) and version < since
    }
    return {name: value for name, value in body.items() if name not in unknown}


def pages_by_time(version: Version) -> bool:
    """Return whether ``events.get_task_events`` is the older one, of ``TimePages``."""
    return version < _PAGED_BY_ITERATION


class TimePages:
    """``events.get_task_events`` before API 2.16: by time, every metric, a scroll with a state."""

    def __init__(self, table: Callable[[str], Table]) -> None:
        self._table = table
        self._scrolls: list[tuple[list[str], int, int]] = []

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page; ``events`` are JSON texts."""
        if request.get("scroll_id"):
            left, total, size = self._scrolls[int(request["scroll_id"])]
        else:
            table = self._table(request["task"])
            rows, _ = table.ordered(
                request.get("event_type") or "*", None, "timestamp", descending=False
            )
            left, total = table.encode(rows), min(len(rows), _MOST_COUNTED)
            size = min(request.get("batch_size") or 500, _MOST_COUNTED)
        self._scrolls.append((left[size:], total, size))
        scroll_id = str(len(self._scrolls) - 1)
        return {"events": left[:size], "total": total, "scroll_id": scroll_id}
