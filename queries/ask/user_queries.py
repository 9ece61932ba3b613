"""Loads a user's own queries: files in the same format as the catalogue, from chosen folders.

Folders come from ``--queries``, from ``CLEARML_SNAPSHOT_QUERIES`` and from ``queries/`` beside a
dataset's ``snapshots/``. A file that cannot be used is reported with its line, and the others still
work. These queries run with the same restrictions as ``sql``.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.format.layout import SNAPSHOT_JSON
from clearml_snapshot.queries.ask.answer_columns import MADE, AnswerColumns
from clearml_snapshot.queries.ask.header import (
    BrokenQueryError,
    Query,
    check,
    line_of,
    parse,
    queries,
)

QUERIES_VARIABLE: Final = "CLEARML_SNAPSHOT_QUERIES"
BESIDE: Final = "queries"
"""The folder beside ``snapshots/`` that is always searched."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class UserQueries:
    """The queries in the folders."""

    queries: Mapping[str, Query]
    """By name, in alphabetical order; none has the name of a query in the catalogue."""
    problems: tuple[str, ...]
    """One line per file that cannot be used: which file, where, what to do."""


def folders(
    typed: Sequence[Path], data: Path, environment: Mapping[str, str] = os.environ
) -> tuple[Path, ...]:
    """List the folders to search, those on the command line first.

    Args:
        typed: the arguments of ``--queries``.
        data: the dataset's folder.
        environment: its ``CLEARML_SNAPSHOT_QUERIES`` is a list as in ``PATH``.

    Raises:
        UsageError: a path is not a folder.
    """
    listed = environment.get(QUERIES_VARIABLE, "").split(os.pathsep)
    named = [*typed, *(Path(folder) for folder in listed if folder)]
    for folder in named:
        refuse_address(folder)
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder of queries; create it, or choose another")
    beside = data / BESIDE
    to_search = [*named, beside] if _is_dataset(data) and beside.is_dir() else named
    once: dict[Path, Path] = {}
    for folder in to_search:
        once.setdefault(folder.resolve(), folder)
    return tuple(once.values())


def _is_dataset(data: Path) -> bool:
    """Return whether this is a dataset; queries beside a snapshot from someone else are ignored."""
    return (data / "snapshots").is_dir() and not (data / SNAPSHOT_JSON).exists()


def load(folders: Iterable[Path], *, reserved: Collection[str] = ()) -> UserQueries:
    """Read the ``*.sql`` files of some folders; names that start with ``_`` are skipped.

    Args:
        folders: the folders; subfolders are not searched.
        reserved: names that a parameter must not have, such as options that every query has.
    """
    loaded: dict[str, Query] = {}
    problems = []
    for file in _files(folders):
        try:
            query = _read(file, reserved)
            _refuse_shadow(query, loaded)
            loaded[query.name] = query
        except BrokenQueryError as broken:
            problems.append(f"{file}, line {broken.line}: {broken.problem}")
        except UsageError as unusable:
            problems.append(f"{file}: {unusable}")
    return UserQueries(dict(sorted(loaded.items())), tuple(problems))


def unknown_columns(query: Query, answer: AnswerColumns, columns: Sequence[str]) -> list[str]:
    """Report the columns that a query's ``:answer`` names and that its answer does not have.

    Args:
        query: the query of a user.
        answer: its columns for the values of its parameters.
        columns: the names of the columns that it has.
    """
    at = f"{query.file}, line {line_of('^-- *:answer', query.sql)}, :answer"
    unknown = [name for name in answer.names if name not in {*columns, MADE}]
    return [f"{at}: {no_such('column', name, columns)}" for name in unknown]


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(
            file
            for file in folder.glob("*.sql")
            if file.is_file() and not file.name.startswith(("_", "."))
        )


def _read(file: Path, reserved: Collection[str]) -> Query:
    if not _NAME.fullmatch(file.stem):
        raise UsageError(
            "the name of a query may contain only lower case letters, digits, - and _; rename the "
            "file"
        )
    try:
        sql = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{error.strerror}; make it readable, or move it away") from error
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8 text; save it as UTF-8") from error
    query = parse(file.stem, sql, file)
    _check(query)
    for param in query.params:
        if param.name in reserved:
            raise UsageError(f"every query has an option {param.option}; rename the parameter")
    return query


def _check(query: Query) -> None:
    import duckdb

    with duckdb.connect(config={"enable_external_access": False}) as connection:
        check(query, connection)


def _refuse_shadow(query: Query, loaded: Mapping[str, Query]) -> None:
    if query.name in queries():
        raise UsageError(f"{query.name} is a query that comes with clearml-snapshot; rename yours")
    if query.name in loaded:
        raise UsageError(f"{loaded[query.name].file} has this name already; rename one of them")
