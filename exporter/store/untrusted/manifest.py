"""What ``snapshot.json`` says, read with distrust: it may have come from anywhere."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.retention import Retention

MOST_BYTES: Final = 64 * 2**20

_MOST_VALUES: Final = 2_000_000
"""Two for each value of a hundred thousand files; they take 400 MB at the worst."""

_MOST: Final = 2**63 - 1
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def loaded(content: bytes) -> Any:
    """Decode JSON that is strict and of a sane size.

    Raises:
        ValueError: it is neither.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("it holds too much")
    text = content.decode()
    try:
        found = json.loads(text, parse_constant=_refuse)
        if "\\ud" in text.lower():  # half a character, that no file can hold
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def count(value: object) -> int:
    """Read a number of things; a bool is none.

    Raises:
        ValueError: it is no count that 64 bits hold.
    """
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"{_short(value)} is no count")
    return value


def counts(value: object) -> dict[str, int]:
    """Read numbers of things by name.

    Raises:
        ValueError: a value is not a count.
        TypeError: it is not an object.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{_short(value)} is not an object")
    return {name: count(number) for name, number in value.items()}


def moment(value: object) -> datetime:
    """Read a time with its zone.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(value) if isinstance(value, str) else None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{_short(value)} is no time with a zone")
    return found


def selections(value: object) -> Any:
    """Read which selections an export repeats; their later readers trust the types.

    Raises:
        ValueError: a part of one is of the wrong kind.
    """
    for one in value if isinstance(value, list) else ():
        parts = one if isinstance(one, dict) else {"filter": one}
        narrowing, matched = parts.get("filter", {}), parts.get("matched")
        if not isinstance(narrowing, dict) or not all(map(_is_typed, narrowing.values())):
            raise ValueError(f"{_short(one)} is no selection")
        if not all(_are_texts(parts.get(name, [])) for name in ("metrics", "exclude_metrics")):
            raise ValueError(f"{_short(one)} is no selection")
        if matched is not None:
            count(matched)
    return value


def keep(value: object) -> str | None:
    """Read the retention that exports repeat; None is none.

    Raises:
        ValueError: it is not one.
    """
    if value is None:
        return None
    try:
        return Retention.parse(str(value)).text
    except ValueError:
        raise ValueError(f"{_short(value)} is not a retention") from None


def _is_typed(value: object) -> bool:
    return value is None or isinstance(value, str | int) or _are_texts(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def entry(written: Mapping[str, Any]) -> FileEntry:
    """Read what is said of one file; its later readers trust the types.

    Raises:
        ValueError: a value cannot be.
        TypeError: one is missing, one too many, or of the wrong kind.
    """
    found = FileEntry(**written)
    if not isinstance(found.table, str) or not isinstance(found.path, str):
        raise TypeError(f"a file has the path {_short(found.path)}")
    if not isinstance(found.sha256, str) or not _HASH.fullmatch(found.sha256):
        raise ValueError(f"{_short(found.path)} has the sha256 {_short(found.sha256)}")
    count(found.rows)
    count(found.bytes)
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN: Final = 80
