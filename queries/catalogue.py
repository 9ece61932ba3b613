"""The queries: one SELECT a file, and what its header says of it.

A header is the block of comments that a file starts with: a title line, an empty comment, any
text, and a line ``:param name  text`` a parameter. The SQL says a parameter's type
(``$name::TYPE``); its text says the choices (``a|b: …``) and, with ``(default: …)``, that it may
be left out. Reading this needs no DuckDB; ``check`` does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.filters import no_such

if TYPE_CHECKING:
    import duckdb

_PARAM: Final = re.compile(r":param (\w+)\s+(.+)")
_CHOICES: Final = re.compile(r"(\w+(?:\|\w+)+): ")


@dataclass(frozen=True)
class Param:
    """A parameter of a query."""

    name: str
    type: str
    """DuckDB's, in capitals: VARCHAR, VARCHAR[], BIGINT, DOUBLE, BOOLEAN, TIMESTAMPTZ."""
    text: str
    choices: tuple[str, ...] = ()
    """The only values; empty is any."""

    @property
    def optional(self) -> bool:
        """Whether it may be left out, and is NULL then."""
        return "(default" in self.text

    @property
    def many(self) -> bool:
        """Whether it takes a list."""
        return self.type.endswith("[]")


@dataclass(frozen=True)
class Query:
    """A query file."""

    name: str
    title: str
    """One line."""
    text: str
    """The rest of the header, its lines as they stand."""
    params: tuple[Param, ...]
    sql: str
    """The whole file, header included."""

    def param(self, name: str) -> Param:
        """Find a parameter.

        Raises:
            UsageError: the query has none of this name.
        """
        for param in self.params:
            if param.name == name:
                return param
        known = ", ".join(param.name for param in self.params) or "none"
        raise UsageError(f"query {self.name} has no parameter {name!r}; it has {known}")


@cache
def queries() -> Mapping[str, Query]:
    """Read the queries that come with the package, by name, in alphabetical order."""
    folder = files("clearml_snapshot.queries")
    names = sorted(
        entry.name.removesuffix(".sql")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql") and not entry.name.startswith("_")
    )
    return {name: parse(name, read(f"{name}.sql")) for name in names}


def find(name: str) -> Query:
    """Find one query.

    Raises:
        NoSuchNameError: there is none of this name.
    """
    if name not in queries():
        raise no_such("query", name, queries())
    return queries()[name]


def read(file_name: str) -> str:
    """Read a file of SQL that comes with the package."""
    return files("clearml_snapshot.queries").joinpath(file_name).read_text(encoding="utf-8")


def parse(name: str, sql: str) -> Query:
    """Read a query file's header.

    Raises:
        UsageError: it has no title, or a parameter has no type in the SQL.
    """
    header = list(_header(sql))
    if not header or not header[0]:
        raise UsageError(f"query {name}: line 1 is no title; start with `-- What it answers.`")
    params = tuple(
        _param(name, found[1], found[2], sql) for line in header if (found := _PARAM.match(line))
    )
    text = "\n".join(line for line in header[1:] if not _PARAM.match(line)).strip()
    return Query(name, header[0], text, params, sql)


def check(query: Query, connection: "duckdb.DuckDBPyConnection") -> None:
    """Check that a query is one SELECT whose parameters are its header's.

    Raises:
        UsageError: it is not.
    """
    from clearml_snapshot.queries.messages import speaking

    with speaking():
        statements = connection.extract_statements(query.sql)
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        raise UsageError(f"query {query.name}: a query file holds exactly one SELECT")
    in_sql = set(statements[0].named_parameters)
    in_header = {param.name for param in query.params}
    if in_sql != in_header:
        differing = ", ".join(sorted(in_sql ^ in_header))
        raise UsageError(f"query {query.name}: header and SQL differ in the parameters {differing}")


def _header(sql: str) -> Iterator[str]:
    for line in sql.splitlines():
        if not line.startswith("--"):
            return
        yield line.removeprefix("--").strip()


def _param(query: str, name: str, text: str, sql: str) -> Param:
    typed = re.search(rf"\${name}::(\w+(?:\[\])?)", sql)
    if typed is None:
        raise UsageError(f"query {query}: write ${name}::TYPE once, so that {name} has a type")
    choices = _CHOICES.match(text)
    return Param(name, typed[1].upper(), text, tuple(choices[1].split("|")) if choices else ())
