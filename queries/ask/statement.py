"""Chooses the SQL to send for a query, depending on its bound values."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from clearml_snapshot.queries.ask.header import Query
from clearml_snapshot.queries.ask.shard import Shard

_AS_ASKED: Final = re.compile(
    r"\b(series|points)_as_asked\(\s*\$suspect_zeros\b(?:[^()]|\([^()]*\))*\)"
)
_VIEWS: Final = {"series": "series", "points": "picked.scalars"}
_LAST_ORDER: Final = re.compile(r"^ORDER BY [^;]*;\s*\Z", re.MULTILINE)
_SORTED_LATER: Final = frozenset({"wide"})
_SMOOTHED: Final = re.compile(r"\bsmoothed_points\('(\w+)',[^)]*\)")
_PLACED: Final = re.compile(r"\bplaced_points\(('\w+'), ('\w+'),[^)]*\)")

_WITH_OTHERS: Final = re.compile(
    r"\bbest_tasks\(\s*('\w+'), '\w+', (.+), \$at::VARCHAR\[\], \$at_variant::VARCHAR\[\]\s*\)"
)
_IN_BRACKETS: Final = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_LISTED: Final = re.compile(rf"\blisted AS \(\s*FROM series_as_asked{_IN_BRACKETS}")
_FROM_POINTS: Final = re.compile(
    rf"\bagain AS \(\s*(?P<call>FROM counted_from_points{_IN_BRACKETS})\s*\)"
)
_REREADS_LAST: Final = re.compile(r"\(\s*'\w+',\s*'\w+',\s*true,")
_COUNTED_SERIES: Final = re.compile(r"\bcounted_series\('(\w+)', '\w+',")
_COUNTED_AS: Final = re.compile(rf",\s*counted_as{_IN_BRACKETS} AS counted\b")
_WHAT_COUNTS: Final = ("value", "smooth", "last")


def by_group(query: Query, values: Mapping[str, Any]) -> Query:
    """Return the query that answers: another one if it has one for groups, and these are wanted."""
    if query.by_group is None or (values.get("by") is None and values.get("by_all_except") is None):
        return query
    return query.by_group


def counts_another_value(query: Query, values: Mapping[str, Any]) -> bool:
    """Whether other values of the series count than usually."""
    by = query.name == "leaderboard" and values.get("by")  # its other name of value
    return _counts(query) and bool(by or any(values.get(name) is not None for name in _WHAT_COUNTS))


def counts_points(query: Query, values: Mapping[str, Any]) -> bool:
    """Whether values count that the table ``series`` does not have."""
    found = _FROM_POINTS.search(query.sql)
    if found is None:
        return False
    is_last = (values.get("value") or values.get("by")) == "last"
    return _counts_only_points(values) or (is_last and bool(_REREADS_LAST.search(found["call"])))


def in_two_steps(query: Query, table: str) -> tuple[Query, Query]:
    """Divide a query into one about the values that count, and the rest.

    Args:
        query: a query that counts points.
        table: the name of the table from which the second step reads the answer of the first.
    """
    found = _FROM_POINTS.search(query.sql)
    assert found is not None
    first = query.sql[: found.end()] + "\nFROM again;\n"
    begin, end = found.span("call")
    return (
        replace(query, name="counted", sql=first, shard=Shard("series")),
        replace(query, sql=f"{query.sql[:begin]}FROM {table}{query.sql[end:]}", shard=None),
    )


def _counts_only_points(values: Mapping[str, Any]) -> bool:
    """Whether no value that counts is in the table ``series``."""
    if values.get("smooth") is not None or values.get("last") is not None:
        return True
    return (values.get("value") or values.get("by")) == "median"


def _counts(query: Query) -> bool:
    return _COUNTED_SERIES.search(query.sql) is not None


def _placing(values: Mapping[str, Any]) -> str:
    """Return the call that gives points their place on the horizontal axis."""
    if values.get("x_metric") is not None:
        return r"points_at_x(\1, \2)"
    return r"joined_points(\1)" if values.get("offset_resumed") else r"unmoved_points(\1)"


def statement_for(query: Query, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL to run, and the values to bind.

    If suspect zeros are not excluded, the plain views replace ``series_as_asked`` and
    ``points_as_asked``. The answer is the same, but DuckDB does not plan the search for suspect
    points, and the points of a pack need not be unpacked. In the same way, the steps of smoothing
    are left out if a curve is not smoothed, which saves 50 ms, and other metrics if there are none
    in ``at``, which saves 10 ms; their columns are left out too. Of the ways to place points on
    the horizontal axis only one is left. Cells that become columns are
    sorted afterwards, and not before as well. The values that count are read from the table
    ``series`` if it has them; if it has none of them, suspect zeros are excluded from the points
    only.

    Args:
        query: the query.
        values: the values of its parameters.
    """
    query = by_group(query, values)
    sql = query.sql
    if query.name in _SORTED_LATER and query.file is None:
        sql = _LAST_ORDER.sub("", sql)
    if query.file is None and _counts_only_points(values):
        sql = _LISTED.sub("listed AS (FROM series", sql)
    if values.get("suspect_zeros") != "exclude":
        sql = _AS_ASKED.sub(lambda call: _VIEWS[call[1]], sql)
    if values.get("smooth") is None and values.get("window") is None:
        sql = _SMOOTHED.sub(r"unsmoothed_points('\1')", sql)
    sql = _PLACED.sub(_placing(values), sql)
    if not counts_another_value(query, values):
        sql = _COUNTED_AS.sub("", sql)
    if _FROM_POINTS.search(sql) and not counts_points(query, values):
        sql = _FROM_POINTS.sub("again AS (SELECT NULL)", sql)
        sql = _COUNTED_SERIES.sub(r"stored_series('\1',", sql)
    if values.get("smooth") is None:
        sql = sql.replace("FROM counted_from_points(", "FROM counted_from_plain_points(")
    if values.get("at") is None:
        sql = _WITH_OTHERS.sub(r"best_tasks_alone(\1, \2)", sql)
    used = {name for name in values if re.search(rf"\${name}\b", sql)}
    return sql, {name: value for name, value in values.items() if name in used}
