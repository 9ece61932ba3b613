"""Checks that SQL is a single SELECT before DuckDB runs it."""

import duckdb

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries.duckdb_errors import translating_errors


def one_select(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Return the single SELECT without semicolons, which a relation does not accept.

    Args:
        connection: parses the statement.
        statement: the statement as typed.

    Raises:
        UsageError: it is not a single SELECT, or DuckDB cannot parse it.
    """
    with translating_errors():
        statements = connection.extract_statements(statement)
    if not statements:
        raise UsageError("no SQL statement; give one SELECT")
    if len(statements) > 1:
        raise UsageError(f"{len(statements)} SQL statements; give a single SELECT")
    kind = _kind(statements[0])
    if kind == "MULTI":
        raise UsageError("a PIVOT without a list of values is not a single SELECT; add IN (…)")
    if kind != "SELECT":
        raise UsageError(
            f"{kind} is not allowed, because a snapshot never changes; give one SELECT"
        )
    return _between_semicolons(statement)


def _kind(statement: duckdb.Statement) -> str:
    """Return a statement's kind; DuckDB's parser knows kinds that its Python package does not."""
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
