"""Text that an option names: task ids in a file or on stdin, SQL in a file."""

import sys
from collections.abc import Iterable
from pathlib import Path

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.disk.places import refuse_address


def read_ids(texts: Iterable[str], option: str = "--task") -> tuple[str, ...]:
    """Replace ``@FILE`` and ``-`` by the ids in them, one per line; ``#`` starts a comment.

    Raises:
        UsageError: the file cannot be read, or no id was given.
    """
    ids: list[str] = []
    for text in texts:
        if text == "-":
            ids += _ids_in(read_stdin())
        elif text.startswith("@"):
            ids += _ids_in(read_text(Path(text[1:]), option))
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


def _ids_in(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


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
