"""Query files: their headers declare exactly what their SQL takes."""

import duckdb
import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError
from clearml_snapshot.queries.ask.header import BrokenQueryError, check, find, parse, queries, read

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
def test_built_in_queries_match_their_headers(name: str) -> None:
    query = queries()[name]
    check(query, duckdb.connect())
    assert "ORDER BY" in query.sql or "FROM best_tasks(" in query.sql  # which orders its rows
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
        ("SELECT 1;", "line 1: no title"),
        ("--\n-- Title.\nSELECT 1;", "line 1: no title"),
        ("-- Title.\n--\n-- :param x  Text.\nSELECT 1;", r"line 3: write \$x::TYPE once"),
        ("-- T.\n-- :shard project\nSELECT 1;", "line 2: write `:shard metric`, series or task"),
        (
            "-- T.\n-- :shard task; 2 times the points, 3 times if k a\nSELECT 1;",
            "line 2: the query has no parameter k",
        ),
        ("-- T.\n-- :shard metric, sorted\nSELECT 1;", "line 2: the SQL has no ORDER BY"),
        (
            "-- T.\n-- :shard metric; 4 times the points without k\nSELECT 1;",
            "line 2: the query has no parameter k",
        ),
        (
            "-- T.\n-- :shard series, metric if k a\nSELECT 1;",
            "line 2: the query has no parameter k",
        ),
        (
            "-- T.\n-- :shard metric, only if k a and no l\nSELECT 1;",
            "line 2: the query has no parameter k",
        ),
        (
            "-- T.\n-- :param k  a|c: which.\n-- :shard metric, only if k a or m b and no k\n"
            "SELECT $k::TEXT;",
            "line 3: the query has no parameter m",
        ),
        (
            "-- T.\n-- :shard metric; k a|b at once\nSELECT 1;",
            r"line 2: a\|b at once: k must be a list",
        ),
        (
            "-- T.\n-- :param k  a|c: which.\n-- :shard metric; k a|b at once\nSELECT $k::TEXT[];",
            r"line 3: a\|b at once: k must be a list, and have these among its choices",
        ),
        (
            "-- T.\n-- :param k  a|b: which.\n-- :shard metric; k a|b at once\nSELECT $k::TEXT;",
            r"line 3: a\|b at once: k must be a list",
        ),
        ("-- Title.\n-- :param for  K.\nSELECT $for::INT;", "line 2: for is a Python keyword"),
        ("-- Title.\nSELECT\n$x::INT;", "line 3: the header has no `:param x"),
        ("-- T.\n-- :param x  Text.\nSELECT 1; -- $x::INT", "line 2: the SQL does not use the p"),
        (
            "-- Title.\nSELECT 1;\n\nSELECT 2;",
            "line 4: a query file must contain exactly one SELECT",
        ),
        (
            "-- Title.\nCOPY (SELECT 1) TO 'x';",
            "line 2: a query file must contain exactly one SELECT",
        ),
        (
            "-- T.\n-- :anwser x\nSELECT 1;",
            "line 2: no header line starts with :anwser; did you mean :answer",
        ),
        ("-- T.\n-- :Example --top 3\nSELECT 1;", "line 2: .* :Example; did you mean :example"),
        ("-- T.\n--:params x  X.\nSELECT $x::INT;", "line 2: .* :params; did you mean :param"),
        ("-- T.\n-- :shards: metric\nSELECT 1;", "line 2: .* :shards; did you mean :shard"),
        (
            "-- T.\n-- :zzz 1\nSELECT 1;",
            "line 2: .* :zzz; there are :param, :example, :shard, :answer",
        ),
        ("-- T.\n-- :param x\nSELECT $x::INT;", "line 2: write `:param name  text`"),
        ("-- T.\n-- :answer: x\nSELECT 1;", "line 2: write `:answer column, column`"),
        (
            "-- T.\n-- :answer x\n-- :answer y\nSELECT 1;",
            "line 3: there is another :answer; write one line",
        ),
        ("-- T.\n-- :answer x if k a\nSELECT 1;", "line 2: the query has no parameter k"),
        ("-- Title.\n", "line 2: a query file must contain exactly one SELECT"),
        ("-- Title.\nSELECT 1,\n\nSELEC 1 1;", "line 4: syntax error"),
    ],
)
def test_a_broken_file_is_refused_with_a_reason(sql: str, complaint: str) -> None:
    with pytest.raises(BrokenQueryError, match=complaint):
        check(parse("broken", sql), duckdb.connect())


def test_a_word_between_colons_is_text() -> None:
    text = ":monitor: metrics are\n:zzz:1 not tags, nor is : this"
    query = parse("points", "-- T.\n--\n" + "".join(f"-- {line}\n" for line in text.split("\n")))
    assert query.text == text


def test_inner_files_are_not_queries() -> None:
    assert {"max", "min", "last"} <= set(queries())
    assert read("views.sql")
    with pytest.raises(NoSuchNameError, match="no query '_views'"):
        find("_views")


def test_options_are_named_after_parameters() -> None:
    assert find("first").param("for_").option == "--for"
    assert find("max").param("suspect_zeros").option == "--suspect-zeros"


def test_each_query_has_an_example_to_try() -> None:
    assert all(query.example is not None for query in queries().values())
    assert find("max").example == "--metric accuracy --at loss"
    assert ":example" not in find("max").text
    assert parse("bare", "-- Title.\nSELECT 1").example is None
