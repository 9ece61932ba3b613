"""Reads and writes ``SHA256SUMS``: the hash of every file of a snapshot, as sha256sum does.

All other checks rely on it: ``snapshot.json`` has the hashes of the Parquet files, and this file
also has those of ``snapshot.json`` and of every text beside it. Its own hash is the snapshot's
content id.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.store.disk.disk_errors import reading
from clearml_snapshot.exporter.store.disk.files import FileEntry, sha256, write_text
from clearml_snapshot.exporter.store.format.layout import SHA256SUMS, TEXTS

_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write_sums(root: Path, entries: Iterable[FileEntry]) -> str:
    """Write ``SHA256SUMS`` of a folder whose other files are final; returns its content id.

    Args:
        root: the folder.
        entries: its Parquet files, whose hashes are known.
    """
    hashes = {entry.path: entry.sha256 for entry in entries}
    for name in TEXTS:
        if (root / name).is_file():
            with reading(root / name):
                hashes[name] = sha256(root / name)
    text = _listed(hashes)
    write_text(root / SHA256SUMS, text)
    return content_id(text.encode())


def read_sums(content: bytes) -> dict[str, str]:
    """Read ``SHA256SUMS``: the hash of each file by its path in the snapshot.

    Raises:
        DatasetError: it is not exactly in the form that is written here.
    """
    try:
        text = content.decode()
        matches = [_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
        hashes = {match[2]: match[1] for match in matches if match is not None}
    except UnicodeDecodeError:
        text, hashes = "", {}
    if not hashes or _listed(hashes) != text:
        raise DatasetError(f"{SHA256SUMS} is damaged; copy the snapshot again")
    return hashes


def content_id(content: bytes) -> str:
    """Return the content id of a snapshot: the hash of its ``SHA256SUMS``, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def _listed(hashes: Mapping[str, str]) -> str:
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(hashes.items()))
