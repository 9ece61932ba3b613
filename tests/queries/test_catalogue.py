"""Query files: what their headers say is what their SQL takes."""

import duckdb
import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries.catalogue import check, find, parse, queries, read

GOOD = """-- Points of a metric.
--
-- Some more
-- of it.
--
-- :param metric   Metric title.
-- :param tail     How many (default: all).
-- :param way      up|down: where to (default: up).
SELECT $metric::VARCHAR, $tail::BIGINT, $way::VARCHAR, $metric ORDER BY ALL;
"""


@pytest.mark.parametrize("name", queries())
def test_our_queries_hold_what_their_headers_say(name: str) -> None:
    query = queries()[name]
    check(query, duckdb.connect())
    assert "ORDER BY" in query.sql
    assert query.title.endswith(".")


def test_a_header_is_read() -> None:
    query = parse("points", GOOD)
    assert (query.title, query.text) == ("Points of a metric.", "Some more\nof it.")
    metric, tail, way = query.params
    assert (metric.name, metric.type, metric.optional, metric.many) == (
        "metric",
        "VARCHAR",
        False,
        False,
    )
    assert (tail.type, tail.optional) == ("BIGINT", True)
    assert way.choices == ("up", "down")
    check(query, duckdb.connect())
    assert find("max").param("metric").many


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT 1;", "line 1 is no title"),
        ("-- Title.\n-- :param x  Text.\nSELECT 1;", r"write \$x::TYPE once"),
        ("-- Title.\nSELECT $x::INT;", "differ in the parameters x"),
        ("-- Title.\nSELECT 1; SELECT 2;", "exactly one SELECT"),
        ("-- Title.\nCOPY (SELECT 1) TO 'x';", "exactly one SELECT"),
        ("-- Title.\nSELEC 1;", "syntax error"),
    ],
)
def test_a_broken_file_is_refused_with_a_reason(sql: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check(parse("broken", sql), duckdb.connect())


def test_inner_files_are_no_queries() -> None:
    assert {"max", "min", "last"} <= set(queries())
    assert read("_views.sql")
    with pytest.raises(NoSuchNameError, match="no query '_views'"):
        find("_views")
