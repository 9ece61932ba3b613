"""Text that an option names: task ids in a file or on stdin, SQL in a file."""

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.places import refuse_address

_ID_COLUMN: Final = "task_id"
"""The column of ids in the tables that this program writes."""
_OTHER_COLUMNS: Final = frozenset(
    [
        "id",
        "iteration",
        "mean",
        "metric",
        "name",
        "parameter",
        "place",
        "project",
        "status",
        "tags",
        "task",
        "user",
        "value",
        "variant",
    ]
)
"""Columns of such tables: where one of them is a head and ``task_id`` is not, ids are missing."""
_DELIMITERS: Final = (",", "\t")


def read_ids(texts: Iterable[str], option: str = "--task") -> tuple[str, ...]:
    """Replace ``@FILE`` and ``-`` by the ids in them, one per line; ``#`` starts a comment.

    A table in CSV or TSV whose header has a column ``task_id`` is understood too: that is how this
    program writes its answers.

    Raises:
        UsageError: the file cannot be read, no id was given, or a table has no ids.
    """
    ids: list[str] = []
    for text in texts:
        if text == "-":
            ids += _ids_in(read_stdin(), f"{option} -")
        elif text.startswith("@"):
            ids += _ids_in(read_text(Path(text[1:]), option), f"{option} {text}")
        else:
            ids.append(text)
    if not ids and list(texts):
        raise UsageError(f"{option}: the input contains no task id")
    return tuple(dict.fromkeys(ids))


def read_stdin() -> str:
    """Read all of stdin.

    Raises:
        UsageError: it is closed, or it is not UTF-8 text.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed; nothing to read")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("stdin is not UTF-8 text") from None


def _ids_in(text: str, where: str) -> list[str]:
    from_table = _ids_in_table(text)
    if from_table is not None:
        return from_table
    accepted = f"give one task per line, or a CSV with a column {_ID_COLUMN}"
    if _is_table(text):
        raise UsageError(f"{where}: this CSV has no column {_ID_COLUMN}; {accepted}")
    if _is_json(text):
        raise UsageError(f"{where}: cannot read tasks from JSON; {accepted}")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _is_table(text: str) -> bool:
    """Return whether the first line has heads of an answer: names of tasks may contain commas."""
    first = text.partition("\n")[0]
    heads = {head.strip().lower() for mark in _DELIMITERS for head in _fields(first, mark)}
    return bool(heads & _OTHER_COLUMNS)


def _is_json(text: str) -> bool:
    """Return whether the text, or its first line, is an object or a list of objects."""
    for part in (text, text.strip().partition("\n")[0]):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, dict):
            return True
    return False


def _ids_in_table(text: str) -> list[str] | None:
    """Read the column of ids of a table with a header; None if the text is not such a table."""
    for delimiter in _DELIMITERS:
        if _ID_COLUMN not in _fields(text.partition("\n")[0], delimiter):
            continue
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [task_id for row in rows if (task_id := (row[_ID_COLUMN] or "").strip())]
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip()], delimiter=delimiter), [])


def read_text(path: Path, option: str) -> str:
    """Read a file that an option names.

    Raises:
        UsageError: it cannot be read.
    """
    refuse_address(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{option}: cannot read {path}: {reason}") from None
