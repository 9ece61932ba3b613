"""Chooses the SQL to send for a query, depending on its bound values."""

import re
from collections.abc import Mapping
from typing import Any, Final

from clearml_snapshot.queries.ask.header import Query

_AS_ASKED: Final = re.compile(
    r"\b(series|points)_as_asked\(\s*\$suspect_zeros\b(?:[^()]|\([^()]*\))*\)"
)
_VIEWS: Final = {"series": "series", "points": "picked.scalars"}
_LAST_ORDER: Final = re.compile(r"^ORDER BY [^;]*;\s*\Z", re.MULTILINE)
_SORTED_LATER: Final = frozenset({"wide"})
_LONGER_BLOCKS: Final = re.compile(r"\blonger_blocks\('(\w+)',[^)]*\)")

_WITH_OTHERS: Final = re.compile(
    r"\bbest_tasks\(\s*('\w+'), '\w+', (.+), \$at::VARCHAR\[\], \$at_variant::VARCHAR\[\]\s*\)"
)


def statement_for(query: Query, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL to run, and the values to bind.

    If suspect zeros are not excluded, the plain views replace ``series_as_asked`` and
    ``points_as_asked``. The answer is the same, but DuckDB does not plan the search for suspect
    points, and the points of a pack need not be unpacked. In the same way, the steps of smoothing
    are left out if a curve is not smoothed, which saves 50 ms, and other metrics if there are none
    in ``at``, which saves 10 ms; their columns are left out too. Cells that become columns are
    sorted afterwards, and not before as well.

    Args:
        query: the query.
        values: the values of its parameters.
    """
    sql = query.sql
    if query.name in _SORTED_LATER and query.file is None:
        sql = _LAST_ORDER.sub("", sql)
    if values.get("suspect_zeros") != "exclude":
        sql = _AS_ASKED.sub(lambda call: _VIEWS[call[1]], sql)
    if values.get("smooth") is None and values.get("window") is None:
        sql = _LONGER_BLOCKS.sub(r"\1", sql)
    if values.get("at") is None:
        sql = _WITH_OTHERS.sub(r"best_tasks_alone(\1, \2)", sql)
    used = {name for name in values if re.search(rf"\${name}\b", sql)}
    return sql, {name: value for name, value in values.items() if name in used}
