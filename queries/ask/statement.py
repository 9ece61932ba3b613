"""Chooses the SQL to send for a query, depending on its bound values."""

import re
from collections.abc import Mapping
from typing import Any, Final

from clearml_snapshot.queries.ask.header import Query

_AS_ASKED: Final = re.compile(r"\b(series|points)_as_asked\(\$suspect_zeros\b[^)]*\)")
_VIEWS: Final = {"series": "series", "points": "scalars"}


def statement_for(query: Query, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL to run, and the values to bind.

    If suspect zeros are not excluded, the plain views replace ``series_as_asked`` and
    ``points_as_asked``. The answer is the same, but DuckDB does not plan the search for suspect
    points, and the points of a pack need not be unpacked.

    Args:
        query: the query.
        values: the values of its parameters.
    """
    if values.get("suspect_zeros") == "exclude":
        return query.sql, dict(values)
    sql = _AS_ASKED.sub(lambda call: _VIEWS[call[1]], query.sql)
    used = {name for name in values if re.search(rf"\${name}\b", sql)}
    return sql, {name: value for name, value in values.items() if name in used}
