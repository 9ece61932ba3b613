"""What ``sql`` takes for one SELECT, and how it refuses the rest."""

import duckdb
import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.ask.one_select import one_select


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        (";SELECT 1", 1),
        ("; ;\n;SELECT 1;", 1),
        ("SELECT 1;;", 1),
        ("-- a; b\n;SELECT 1 -- c;", 1),
        ("SELECT ';';", ";"),
        (";FROM (VALUES ('é;')) ;", "é;"),
    ],
)
def test_semicolons_around_one_select(statement: str, answer: object) -> None:
    with duckdb.connect() as connection:
        select = one_select(connection, statement)
        assert connection.sql(select).fetchall() == [(answer,)]


@pytest.mark.parametrize("statement", ["", ";", " ;; ", "-- nothing"])
def test_no_statement(statement: str) -> None:
    with duckdb.connect() as connection, pytest.raises(UsageError, match="no SQL statement"):
        one_select(connection, statement)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE EXTENSIONS", "update extensions (json)", "CHECKPOINT", "LOAD json", "PRAGMA version"],
)
def test_statements_that_are_not_allowed(statement: str) -> None:
    with duckdb.connect() as connection, pytest.raises(UsageError, match="is not allowed"):
        one_select(connection, statement)
