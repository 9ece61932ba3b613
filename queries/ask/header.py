"""Reads query files: one SELECT per file, described by its header.

A header is the block of comments that a file starts with: a title line, an empty comment, any text,
a line ``:param name  text`` per parameter, and a line ``:example`` with options to try. A line
``:shard`` describes how the question may be divided into parts, see ``Shard``; a line ``:answer``
names the columns that tables never leave out, see ``answer_columns``. The SQL gives a
parameter's type (``$name::TYPE``); its text gives the choices (``a|b: …``) and, with
``(default: …)``, that it may be omitted. Reading this does not need DuckDB; ``check`` does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import near_names, no_such
from clearml_snapshot.exporter.store.engine.sql_text import read_sql
from clearml_snapshot.queries.ask.answer_columns import (
    EVERY_COLUMN,
    AnswerColumns,
    parse_answer,
)
from clearml_snapshot.queries.ask.shard import Shard, parse_shard

if TYPE_CHECKING:
    import duckdb

_PARAM: Final = re.compile(r":param (\w+)\s+(.+)")
_EXAMPLE: Final = re.compile(r":example\b\s*(.*)")
_SHARD: Final = re.compile(r":shard\b\s*(.*)")
_ANSWER: Final = re.compile(r":answer\b\s*(.*)")
_TAGS: Final = {
    "param": (_PARAM, ":param name  text"),
    "example": (_EXAMPLE, ":example options to try"),
    "shard": (_SHARD, ":shard series"),
    "answer": (_ANSWER, ":answer column, column"),
}
"""The words of a header, each with its line and what that looks like."""
_BY_GROUP: Final = {"curve": "ask/curve_by_group.sql"}
"""Queries that have other SQL if their tasks are grouped."""
_TAG_LIKE: Final = re.compile(r":(\w+)(:?)")
_CHOICES: Final = re.compile(r"(\w+(?:\|\w+)+): ")
_LINE: Final = r" \(line (\d+), at .*\)$"


class BrokenQueryError(UsageError):
    """A query file that cannot be used; names the line and the problem."""

    def __init__(self, query: str, line: int, problem: str) -> None:
        self.line: Final = line
        """From 1."""
        self.problem: Final = problem
        super().__init__(f"query {query}, line {line}: {problem}")


@dataclass(frozen=True)
class Param:
    """A parameter of a query."""

    name: str
    type: str
    """DuckDB's, in capitals: VARCHAR, VARCHAR[], BIGINT, DOUBLE, BOOLEAN, TIMESTAMPTZ."""
    text: str
    choices: tuple[str, ...] = ()
    """The allowed values; empty allows any."""

    @property
    def optional(self) -> bool:
        """Whether it may be omitted; it is NULL then."""
        return "(default" in self.text

    @property
    def many(self) -> bool:
        """Whether its value is a list."""
        return self.type.endswith("[]")

    @property
    def option(self) -> str:
        """Return its option; ``for_`` is ``--for``, as a parameter cannot be a Python keyword."""
        return "--" + self.name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class Query:
    """A query file."""

    name: str
    title: str
    """One line."""
    text: str
    """The rest of the header, its lines unchanged."""
    params: tuple[Param, ...]
    sql: str
    """The complete file, including the header."""
    example: str | None = None
    """Options to try; None if the file has no example."""
    shard: Shard | None = None
    """None: it is not divided into parts."""
    answer: AnswerColumns = EVERY_COLUMN
    """The columns that tables never leave out."""
    file: Path | None = None
    """Its path; None for a query that comes with the package."""
    by_group: "Query | None" = None
    """The query with the same parameters that answers instead if its tasks are grouped."""

    @property
    def has_long_answer(self) -> bool:
        """Whether its answer is as long as the points or series, so that rows are streamed."""
        shard = self.shard
        return shard is not None and shard.follows and (shard.key != "metric" or shard.is_long)

    def param(self, name: str) -> Param:
        """Find a parameter.

        Raises:
            UsageError: the query has no parameter of this name.
        """
        for param in self.params:
            if param.name == name:
                return param
        listed = ", ".join(param.name for param in self.params) or "none"
        raise UsageError(f"query {self.name} has no parameter {name!r}; it has {listed}")


@cache
def names() -> tuple[str, ...]:
    """List the queries that come with the package, in alphabetical order, without reading them."""
    folder = files("clearml_snapshot.queries.catalogue")
    sql_files = (entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(sorted(name.removesuffix(".sql") for name in sql_files))


def queries() -> Mapping[str, Query]:
    """Read the queries that come with the package, by name, in alphabetical order."""
    return {name: find(name) for name in names()}


@cache
def find(name: str) -> Query:
    """Find one query.

    Raises:
        NoSuchNameError: no query has this name.
    """
    if name not in names():
        raise no_such("query", name, names())
    query = parse(name, read(f"catalogue/{name}.sql"))
    if name not in _BY_GROUP:
        return query
    by_group = parse(f"{name} by group", read(_BY_GROUP[name]))
    return replace(query, by_group=replace(by_group, params=query.params))


def read(file_name: str) -> str:
    """Read a file of SQL that comes with the package."""
    return read_sql("clearml_snapshot.queries", file_name)


def parse(name: str, sql: str, file: Path | None = None) -> Query:
    """Read a query file's header.

    Raises:
        BrokenQueryError: it has no title, a parameter has no type in the SQL or a wrong name, or a
            line has a tag that does not exist.
    """
    header = list(_header(sql))
    if not header or not header[0]:
        raise BrokenQueryError(name, 1, "no title; start with `-- What it answers.`")
    _refuse_other_tags(name, header)
    params = tuple(
        _param(name, number, match, sql)
        for number, line in enumerate(header, 1)
        if (match := _PARAM.match(line))
    )
    examples = [match[1] for line in header if (match := _EXAMPLE.match(line))]
    lines = (line for line in header[1:] if not any(tag.match(line) for tag, _ in _TAGS.values()))
    text = "\n".join(lines).strip()
    example = examples[0] if examples else None
    shard = _shard(name, header, params, sql)
    answer = _answer(name, header, params)
    return Query(name, header[0], text, params, sql, example, shard, answer, file)


def check(query: Query, connection: "duckdb.DuckDBPyConnection") -> None:
    """Check that a query is one SELECT with the parameters of its header.

    Raises:
        BrokenQueryError: it is not one SELECT, or the parameters differ.
    """
    statements = _statements(query, connection)
    begin = 1 + sum(1 for _ in _header(query.sql))
    if not statements or statements[0].type.name != "SELECT":
        raise BrokenQueryError(query.name, begin, "a query file must contain exactly one SELECT")
    if len(statements) > 1:
        second = query.sql.count("\n", 0, query.sql.rfind(statements[1].query.strip())) + 1
        raise BrokenQueryError(query.name, second, "a query file must contain exactly one SELECT")
    in_sql = set(statements[0].named_parameters)
    in_header = {param.name for param in query.params}
    for param in sorted(in_sql ^ in_header):
        mark = rf"\${param}\b" if param in in_sql else rf"--\s*:param {param}\b"
        line = line_of(mark, query.sql)
        complaint = "header has no `:param" if param in in_sql else "SQL does not use the"
        tail = f"{param}  …`" if param in in_sql else f"parameter {param}"
        raise BrokenQueryError(query.name, line, f"the {complaint} {tail}")


def _statements(query: Query, connection: "duckdb.DuckDBPyConnection") -> "list[duckdb.Statement]":
    import duckdb

    from clearml_snapshot.queries.duckdb_errors import in_one_line

    try:
        return connection.extract_statements(query.sql)
    except duckdb.Error as error:
        text = in_one_line(error)
        at = re.search(_LINE, text)
        raise BrokenQueryError(query.name, int(at[1]) if at else 1, text) from error


def line_of(pattern: str, sql: str) -> int:
    """Return the number of the first line with a match, from 1."""
    match = re.search(pattern, sql, re.MULTILINE)
    return sql.count("\n", 0, match.start()) + 1 if match else 1


def _header(sql: str) -> Iterator[str]:
    for line in sql.splitlines():
        if not line.startswith("--"):
            return
        yield line.removeprefix("--").strip()


def _refuse_other_tags(query: str, header: Sequence[str]) -> None:
    """Check that each line that looks like a tag is one, and that only parameters are repeated.

    A word between two colons, as in ``:monitor:``, is text if it is not like a word of a header.
    """
    seen = set[str]()
    for number, line in enumerate(header, 1):
        match = _TAG_LIKE.match(line)
        if match is None:
            continue
        word = match[1]
        if word not in _TAGS:
            near = near_names(word.lower(), _TAGS)
            if match[2] and not near:
                continue
            hint = f"did you mean :{near[0]}?" if near else f"there are :{', :'.join(_TAGS)}"
            raise BrokenQueryError(query, number, f"no header line starts with :{word}; {hint}")
        tag, form = _TAGS[word]
        if match[2] or not tag.match(line):
            raise BrokenQueryError(query, number, f"write `{form}`")
        if word in seen and tag is not _PARAM:
            raise BrokenQueryError(query, number, f"there is another :{word}; write one line")
        seen.add(word)


def _shard(query: str, header: Sequence[str], params: Sequence[Param], sql: str) -> Shard | None:
    for number, line in enumerate(header, 1):
        if tag := _SHARD.match(line):
            shard = parse_shard(tag[1])
            if shard is None:
                raise BrokenQueryError(query, number, "write `:shard metric`, series or task")
            if problem := shard.problem(params, sql):
                raise BrokenQueryError(query, number, problem)
            return shard
    return None


def _answer(query: str, header: Sequence[str], params: Sequence[Param]) -> AnswerColumns:
    names = {param.name for param in params}
    for number, line in enumerate(header, 1):
        if tag := _ANSWER.match(line):
            answer = parse_answer(tag[1])
            if answer is None:
                raise BrokenQueryError(query, number, "write `:answer column, column, mean ± std`")
            if unknown := {param for _, param, _ in answer.conditions} - names:
                raise BrokenQueryError(query, number, f"the query has no parameter {min(unknown)}")
            return answer
    return EVERY_COLUMN


def _param(query: str, line: int, match: re.Match[str], sql: str) -> Param:
    name, text = match[1], match[2]
    if iskeyword(name):
        raise BrokenQueryError(query, line, f"{name} is a Python keyword; name it {name}_")
    typed = re.search(rf"\${name}::(\w+(?:\[\])?)", sql)
    if typed is None:
        raise BrokenQueryError(
            query, line, f"write ${name}::TYPE once in the SQL, so that {name} has a type"
        )
    choices = _CHOICES.match(text)
    return Param(name, typed[1].upper(), text, tuple(choices[1].split("|")) if choices else ())
