"""Decides whether two addresses are one server by comparing two readings of a task. Pure.

Task ids are random, so equal ids mean at least a copy. A copy may have changed independently, such
as a restored backup or the examples that every server comes with; so the times of a task and the
fields that change with them are compared as well.
"""

from collections.abc import Mapping
from typing import Any, Final

_CLOCKS: Final = {
    "last_update": ("started", "last_iteration"),
    "last_change": ("name", "status"),
}
"""Times of a task that never go back, and the fields that change only with them."""

COMPARED: Final = ("task_id", "created", *_CLOCKS, *(n for c in _CLOCKS.values() for n in c))
"""Columns of ``tasks`` that are compared."""


def contradiction(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> str | None:
    """Describe why two readings of a task cannot be of one server; None when they can.

    Args:
        earlier: ``COMPARED`` as an earlier reading has them.
        later: the same of a later one.
    """
    if earlier["created"] != later["created"]:
        return "it was created at another time"
    for clock, names in _CLOCKS.items():
        before, now = earlier[clock], later[clock]
        if before is None or now is None:
            continue
        if now < before:
            return f"its {clock} is older there than here"
        differing = [name for name in names if earlier[name] != later[name]]
        if now == before and differing:
            return f"its {differing[0]} is another one, though its {clock} is the same"
    return None
