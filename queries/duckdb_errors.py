"""Translates DuckDB errors into one-line messages.

DuckDB is loaded where it is used: the output of other commands imports this module too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.settings import own_table
from clearml_snapshot.exporter.store.disk.disk_errors import way_to_read
from clearml_snapshot.exporter.store.disk.reserve import is_out_of_room
from clearml_snapshot.exporter.store.engine.file_names import spelt
from clearml_snapshot.exporter.store.engine.reading_errors import of_elsewhere
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.queries.limits import more_memory

if TYPE_CHECKING:
    import duckdb

Params = Mapping[str, Any] | Sequence[Any] | None
"""The values of a statement: by name, or in their order."""

_KIND: Final = r"^[A-Z][\w ]*? Error: "
_POSITION: Final = r"(?m)^LINE (\d+): (.*)\n([ ]*)\^+"
_INTERRUPTED: Final = "Query interrupted"
"""The text of the RuntimeError that DuckDB raises after Ctrl-C."""
_BUSY: Final = "connection is busy with another call"
_STREAMING: Final = "connection has an open result"
_UNKNOWN_TABLE: Final = r'Table with name "?(?P<name>.+?)"? does not exist'
_SYSTEM_TABLE: Final = r' Did you mean "(?:pg|duckdb|sqlite|pragma|information_schema)[_.][^"]*"\?'
"""What DuckDB suggests although no dataset has it."""
_SDK_WORDS: Final = {"title": "metric", "series": "variant"}
_UNKNOWN_COLUMN: Final = (
    r'(?i)(?:column "|does not have a column named "|column named )"?(title|series)"'
)


@contextmanager
def translating_errors(*, opening: bool = False, located: bool = True) -> Iterator[None]:
    """Translate DuckDB's errors in the block into errors of clearml-snapshot.

    Args:
        opening: the statements are not the user's, so an unknown column means damage.
        located: the position refers to what the user typed, so the message includes it.

    Raises:
        UsageError: the statement is wrong, or reads what is not allowed.
        DatasetError: a file of the snapshot cannot be read.
        SnapshotError: memory or disk is full, or DuckDB failed.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise translated(error, opening=opening, located=located) from error
    except UnicodeDecodeError as error:  # DuckDB quotes the bytes of a damaged file
        raise DatasetError("the snapshot cannot be read; run clearml-snapshot verify") from error
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        raise KeyboardInterrupt from None


@contextmanager
def of_a_stream() -> Iterator[None]:
    """Give the errors of DuckDB their kind back, which Arrow passes on as texts.

    Raises:
        duckdb.Error: DuckDB failed while Arrow read from it.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = str(error)
        kinds = {
            "Out of Memory Error": duckdb.OutOfMemoryException,
            "IO Error": duckdb.IOException,
            "INTERNAL Error": duckdb.InternalException,
            "FATAL Error": duckdb.FatalException,
        }
        kind = kinds.get(text.partition(":")[0], duckdb.InvalidInputException)
        raise kind(text) from error


def translated(
    error: duckdb.Error, *, opening: bool = False, located: bool = True
) -> SnapshotError:
    """Translate one DuckDB error; see ``translating_errors``."""
    import duckdb

    if known := of_elsewhere(error):
        return known
    text = in_one_line(error, located=located)
    if _BUSY in text:
        return UsageError(
            "another thread is reading a relation of this thread; make and read each relation in "
            "one thread"
        )
    if _STREAMING in text:
        return UsageError(
            "a stream of an earlier answer is still open in this thread; read it to its end or "
            "delete it, or query in another thread"
        )
    if is_out_of_room(error):
        return SnapshotError(
            "the disk is full, and the query does not fit into memory; free space in "
            f"the cache folder (XDG_CACHE_HOME), {more_memory()}"
        )
    if isinstance(error, duckdb.PermissionException):
        return UsageError(f"SQL can read only the views of the snapshot: {text}")
    if _is_damage(error) or (opening and isinstance(error, duckdb.BinderException)):
        way = way_to_read(text, "copy or export it again")
        return DatasetError(f"the snapshot cannot be read: {text}; {way}")
    if isinstance(error, duckdb.OutOfMemoryException):
        short = text.partition(" Possible solutions:")[0]
        return SnapshotError(f"out of memory: {short}; {more_memory()}")
    if isinstance(error, duckdb.ConnectionException):
        return UsageError("this dataset is closed; open it again")
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        return SnapshotError(f"DuckDB failed: {text}")
    return UsageError(f"SQL: {_other_table(text)}{_hint(text)}")


def _is_damage(error: duckdb.Error) -> bool:
    """Return whether a file is missing or not Parquet; DuckDB has three kinds of errors for it."""
    import duckdb

    if isinstance(error, duckdb.IOException) or type(error) is duckdb.Error:
        return True
    return isinstance(error, duckdb.InvalidInputException) and "parquet" in str(error).lower()


def in_one_line(error: duckdb.Error, *, located: bool = True) -> str:
    """Keep the problem and its position; drop the kind of the error and the quoted line."""
    text = spelt(str(error))
    position = re.search(_POSITION, text)
    what = re.sub(_KIND, "", text[: position.start()] if position else text)
    line = " ".join(what.split())
    if position is None or not located:
        return line
    near = position[2][max(0, len(position[3]) - len(f"LINE {position[1]}: ")) :]
    return f"{line} (line {position[1]}, at {near[:30].strip()!r})"


def _other_table(text: str) -> str:
    """Replace DuckDB's suggestion of a system table by what a statement can read."""
    match = re.search(_UNKNOWN_TABLE, text)
    if match is None:
        return text
    of_dataset = re.sub(_SYSTEM_TABLE, "", text, count=1)
    if hint := own_table(match["name"]):
        return f"{of_dataset}; {hint}"
    if of_dataset == text:
        return text
    return f"{of_dataset}; the tables are {', '.join(TABLE_NAMES)}"


def _hint(text: str) -> str:
    match = re.search(_UNKNOWN_COLUMN, text)
    if match is None:
        return ""
    word = match[1].lower()
    return f"; ClearML's {word} is the column {_SDK_WORDS[word]}"


def located(
    connection: duckdb.DuckDBPyConnection, statement: str, params: Params, error: duckdb.Error
) -> SnapshotError:
    """Find where in the statement an error is: relations do not report that, EXPLAIN does."""
    try:
        connection.execute(f"EXPLAIN {statement}", bindable(params))
    except type(error) as located:
        return translated(located)
    return translated(error)


def bindable(params: Params) -> dict[str, Any] | list[Any]:
    """Return the values of a statement as DuckDB takes them."""
    if params is None:
        return []
    return dict(params) if isinstance(params, Mapping) else list(params)
