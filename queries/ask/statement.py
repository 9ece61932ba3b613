"""Chooses the SQL to send for a query, depending on its bound values."""

import re
from collections.abc import Mapping
from typing import Any, Final

from clearml_snapshot.queries.ask.header import Query

_AS_ASKED: Final = re.compile(r"\b(series|points)_as_asked\(\$suspect_zeros\b[^)]*\)")
_VIEWS: Final = {"series": "series", "points": "scalars"}


def statement_for(query: Query, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the SQL to send, and what to bind to it.

    Where suspect zeros are not excluded, the plain views take the place of ``series_as_asked`` and
    ``points_as_asked``. The answer is the same, but DuckDB need not plan the search for suspect
    points to find out that nothing is left of it, and the points of a pack may stay packed.

    Args:
        query: the query.
        values: what is bound to its parameters.
    """
    if values.get("suspect_zeros") == "exclude":
        return query.sql, dict(values)
    sql = _AS_ASKED.sub(lambda call: _VIEWS[call[1]], query.sql)
    used = {name for name in values if re.search(rf"\${name}\b", sql)}
    return sql, {name: value for name, value in values.items() if name in used}
