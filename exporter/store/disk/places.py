"""Checks that a path is on this machine and not an address."""

import os
import re
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import UsageError

_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]+(.*)", re.DOTALL)
"""A scheme has two letters or more, a drive of Windows has one. ``Path`` makes one / of //."""

_COPIED: Final = frozenset({"s3", "gs", "az"})
"""The stores that ``copy`` knows."""
_READ: Final = frozenset({"https", "http"})
"""What ``copy`` only reads."""


def is_about(name: str, folder: Path) -> bool:
    """Return whether a path is a folder, is inside it, or is one of its parents.

    Both the names and the resolved paths count.
    """
    path = Path(name)
    pairs = ((path.absolute(), folder.absolute()), (path.resolve(), folder.resolve()))
    return any(
        first.is_relative_to(second) or second.is_relative_to(first) for first, second in pairs
    )


def refuse_address(path: str | os.PathLike[str]) -> None:
    """Check that a path is not an address such as ``s3://bucket/data``; ``a:b`` is a local name.

    Raises:
        UsageError: it is an address, and there is no local folder of that name.
    """
    text = os.fspath(path)
    match = _ADDRESS.fullmatch(text)
    if match is None or Path(f"{match[1]}:").is_dir():
        return
    scheme, rest = match.groups()
    if scheme.lower() == "file":
        raise UsageError(f"file://{rest} is an address; give only the path: /{rest.lstrip('/')}")
    way = "copy it to a local folder and use that"
    if scheme.lower() in _READ:
        way = "clearml-snapshot copy brings a dataset from there to a folder"
    if scheme.lower() in _COPIED:
        way = "clearml-snapshot copy brings a dataset from there to a folder, and back"
    raise UsageError(
        f"{scheme}://{rest} is an address, but this reads and writes files on this machine only; "
        f"{way}"
    )
