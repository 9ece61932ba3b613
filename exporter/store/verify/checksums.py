"""Checks ``SHA256SUMS``: texts by their hashes, the rest against snapshot.json."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.files import sha256
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import content_id, read_sums
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.untrusted.manifest import MOST_BYTES
from clearml_snapshot.exporter.store.untrusted.plain_files import (
    NotARegularFileError,
    PlainFolder,
    read_plain,
)

_ALWAYS: Final = (layout.SNAPSHOT_JSON, layout.README, layout.OPEN_SQL, layout.DATAPACKAGE)
_SHORT_HASH: Final = 12


def has_sums(snapshot: Snapshot) -> bool:
    """Return whether a snapshot's format has ``SHA256SUMS``."""
    return snapshot.format_version >= layout.SUMS_SINCE


def stored_content_id(root: Path) -> str | None:
    """Return the content id of a snapshot folder; None for a format that has none."""
    path = root / layout.SHA256SUMS
    try:
        return content_id(read_plain(path, MOST_BYTES))
    except OSError:
        return None


def sums_problems(snapshot: Snapshot) -> Iterator[str]:
    """Check the texts of a snapshot and that its file lists agree; one line per problem."""
    try:
        sums = read_sums(read_plain(snapshot.root / layout.SHA256SUMS, MOST_BYTES))
    except FileNotFoundError:
        yield f"missing: {layout.SHA256SUMS}"
        return
    except OSError as error:
        yield f"cannot be read ({error.strerror}): {layout.SHA256SUMS}"
        return
    except DatasetError:
        yield f"changed since it was written: {layout.SHA256SUMS}"
        return
    for name in layout.TEXTS:
        yield from _text_problem(snapshot.root, name, sums.get(name))
    listed = {entry.path: entry.sha256 for entry in snapshot.files}
    for path in sorted({*listed, *sums} - {*layout.TEXTS}):
        if listed.get(path) != sums.get(path):
            yield f"SHA256SUMS and snapshot.json disagree: {path}"


def _text_problem(root: Path, name: str, expected: str | None) -> Iterator[str]:
    path = root / name
    if expected is None:
        if os.path.lexists(path) or name in _ALWAYS:
            yield f"not listed in SHA256SUMS: {name}"
        return
    try:
        PlainFolder(root).status(name)
    except NotARegularFileError as error:
        yield f"{error.strerror}: {name}"
        return
    except OSError:  # reported below, with the system's reason
        pass
    problem = hash_problem(path, name, expected)
    if problem is not None:
        yield problem


def hash_problem(path: Path, name: str, expected: str) -> str | None:
    """Compare a file with its hash; one line when it differs or cannot be read."""
    try:
        actual = sha256(path)
    except FileNotFoundError:
        return f"missing: {name}"
    except OSError as error:
        return f"cannot be read ({error.strerror}): {name}"
    if actual == expected:
        return None
    short = f"{actual[:_SHORT_HASH]}… instead of {expected[:_SHORT_HASH]}…"
    return f"content changed (sha256 {short}): {name}"
