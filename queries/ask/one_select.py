"""Checks that SQL is a single SELECT before DuckDB runs it."""

import duckdb

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.duckdb_errors import translating_errors


def one_select(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Give the one SELECT without the semicolons around it, which a relation does not take.

    Args:
        connection: parses it.
        statement: as it was typed.

    Raises:
        UsageError: it is not a single SELECT, or DuckDB cannot parse it.
    """
    with translating_errors():
        statements = connection.extract_statements(statement)
    if not statements:
        raise UsageError("there is no SQL statement; give one SELECT")
    if len(statements) > 1:
        raise UsageError(f"these are {len(statements)} SQL statements; give one SELECT")
    kind = _kind(statements[0])
    if kind == "MULTI":
        raise UsageError("a PIVOT that finds its columns by itself is not one SELECT; list IN")
    if kind != "SELECT":
        raise UsageError(f"{kind} is not allowed; give one SELECT, a snapshot never changes")
    return _between_semicolons(statement)


def _kind(statement: duckdb.Statement) -> str:
    """Name a statement's kind; DuckDB's parser has some that its Python does not know."""
    try:
        return statement.type.name
    except ValueError:
        return "this statement"


def _between_semicolons(statement: str) -> str:
    text = statement.encode()  # DuckDB counts bytes
    kinds = dict(duckdb.tokenize(statement))
    tokens = [at for at, kind in kinds.items() if kind != duckdb.token_type.comment]
    words = [at for at in tokens if text[at : at + 1] != b";"]
    before = [at for at in tokens if at < words[0]]
    behind = [at for at in tokens if at > words[-1]]
    return text[before[-1] + 1 if before else 0 : behind[0] if behind else None].decode()
