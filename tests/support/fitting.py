"""Texts and hashes that fit a snapshot.json which a test has changed."""

import json
from pathlib import Path

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.format.datapackage import descriptor
from clearml_snapshot.exporter.store.format.readme import readme


def write_fitting(root: Path) -> None:
    """Write what a faulty writer would have written with this snapshot.json."""
    header = json.loads((root / "snapshot.json").read_text(encoding="utf-8"))
    entries = [FileEntry(**entry) for entry in header["files"]]
    write_sums(root, entries)
    (root / "README.md").write_text(readme(header), encoding="utf-8")
    (root / "datapackage.json").write_text(descriptor(header, entries), encoding="utf-8")
    write_sums(root, entries)
