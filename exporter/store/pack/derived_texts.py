"""Compares the texts beside the tables with freshly generated ones.

``open.sql``, ``README.md``, ``datapackage.json`` and a pack's ``index.html``, ``summary.csv`` and
``report.html`` are functions of ``snapshot.json`` and the tables. People run, open and trust them,
and anyone who changes one can also write its hash into ``SHA256SUMS``. So a correct hash proves
only that nothing was damaged in transfer. Each version has its own wording: a text of another
version that differs is reported as not proven, and one of this version must have the same bytes.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.exporter.store.disk.files import sha256
from clearml_snapshot.exporter.store.disk.scratch import scratch_in
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.datapackage import descriptor
from clearml_snapshot.exporter.store.format.readme import open_sql, readme
from clearml_snapshot.exporter.store.pack.contents import opened, read_archive
from clearml_snapshot.exporter.store.pack.report_digest import report_digest
from clearml_snapshot.exporter.store.snapshots import Snapshot, read_header
from clearml_snapshot.exporter.store.untrusted.plain_files import NotARegularFileError, PlainFolder
from clearml_snapshot.exporter.store.untrusted.zip_reader import blocks

MakePages = Callable[[Path, Sequence[str], Path], None]
"""Write texts that need the rows, ``PAGES`` by name, of a snapshot folder into another folder.

Raises SnapshotError where it cannot. The store does not query, so its callers provide this.
"""

PAGES: Final = (layout.INDEX_HTML, layout.SUMMARY_CSV, layout.REPORT_HTML)
"""The texts that need the rows; only packs have them, the last one if it was asked for."""

_MADE: Final = (layout.OPEN_SQL, layout.README, layout.DATAPACKAGE, *PAGES)
_AT_ONCE: Final = 2**20
_SHOWN: Final = 40
"""Characters that are shown of the version that wrote a snapshot."""


@dataclass(frozen=True, slots=True)
class TextsFound:
    """The result of comparing the texts of a snapshot."""

    problems: tuple[str, ...] = ()
    """One line for each text that this version would have written differently."""
    unproven: tuple[str, ...] = ()
    """One sentence for texts that could not be compared; what to do."""


def compare_texts(snapshot: Snapshot, make_pages: MakePages | None) -> TextsFound:
    """Generate the texts of a snapshot again and compare them with the stored ones.

    Args:
        snapshot: one whose tables are intact, in a folder; a pack's texts are read from its
            archive. Missing texts are not reported here.
        make_pages: writes the texts of ``PAGES``; None leaves them unproven.

    Raises:
        DatasetError: a text cannot be read.
        SnapshotError: there is no space for the texts.
    """
    if snapshot.format_version < layout.SUMS_SINCE:
        return TextsFound()  # they have no hashes either, as verify reports
    there = _hashes(snapshot)
    pages = [name for name in PAGES if name in there]
    made = _small(snapshot)
    if make_pages is not None and pages:
        made |= _pages(snapshot, pages, make_pages)
    skipped = _unchecked([] if make_pages else pages)
    wrong = {name: made[name] for name in there if name in made and made[name] != there[name]}
    if not _is_of_this_version(snapshot):
        return TextsFound((), (*_of_another(snapshot, [*wrong]), *skipped))
    return TextsFound(tuple(_problem(name, digest) for name, digest in wrong.items()), skipped)


def refuse_forged(snapshot: Snapshot, make_pages: MakePages | None) -> tuple[str, ...]:
    """Compare the texts of a snapshot that is about to be unpacked or merged.

    Args:
        snapshot: as for ``compare_texts``.
        make_pages: as there.

    Returns:
        What could not be proven, one sentence each.

    Raises:
        DatasetError: a text is not what this version writes, or cannot be read.
        SnapshotError: there is no space for the texts.
    """
    comparison = compare_texts(snapshot, make_pages)
    for problem in comparison.problems:
        raise DatasetError(f"{snapshot.location}: {problem}; get another copy of it")
    return comparison.unproven


def _problem(name: str, made: str | None) -> str:
    if made is None:
        return f"cannot be generated from snapshot.json and the tables: {name}"
    return f"differs from what snapshot.json and the tables give: {name}"


def _is_of_this_version(snapshot: Snapshot) -> bool:
    written = (snapshot.tool_version, snapshot.format_version)
    return written == (version("clearml-snapshot"), layout.FORMAT_VERSION)


def _of_another(snapshot: Snapshot, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (
        f"{_listed(names)}: written by clearml-snapshot {snapshot.tool_version[:_SHOWN]}, and "
        f"this is {version('clearml-snapshot')}, which writes them differently; trust the tables, "
        "or have clearml-snapshot pack write them again",
    )


def _unchecked(names: Sequence[str]) -> tuple[str, ...]:
    return (f"{_listed(names)}: not compared with the tables",) if names else ()


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _hashes(snapshot: Snapshot) -> dict[str, str]:
    """Hash the existing texts, in the order in which they are reported."""
    try:
        return _packed(snapshot.pack) if snapshot.pack else _in_folder(snapshot.root)
    except NotARegularFileError as error:
        raise DatasetError(
            f"{error.filename} is {error.strerror}; copy the snapshot again"
        ) from error
    except OSError as error:
        name = error.filename or snapshot.location
        raise SnapshotError(f"cannot read {name}: {reason(error)}; check the disk") from error


def _in_folder(root: Path) -> dict[str, str]:
    there = [name for name in _MADE if os.path.lexists(root / name)]
    folder = PlainFolder(root)
    for name in there:
        folder.status(name)
    return {name: _file_digest(root / name) for name in there}


def _packed(path: Path) -> dict[str, str]:
    with opened(path) as stream:
        files = read_archive(stream).files
        return {name: _digest(blocks(stream, files[name]), name) for name in _MADE if name in files}


def _file_digest(path: Path) -> str:
    if path.name != layout.REPORT_HTML:
        return sha256(path)
    with path.open("rb") as stream:
        return report_digest(iter(lambda: stream.read(_AT_ONCE), b""))


def _digest(content: Iterable[bytes], name: str = "") -> str:
    if name == layout.REPORT_HTML:
        return report_digest(content)
    digest = hashlib.sha256()
    for block in content:
        digest.update(block)
    return digest.hexdigest()


def _small(snapshot: Snapshot) -> dict[str, str | None]:
    """Generate the texts that need no rows; None if ``snapshot.json`` does not allow one."""
    header = read_header(snapshot.root)
    makers: dict[str, Callable[[], str]] = {
        layout.OPEN_SQL: open_sql,
        layout.README: lambda: readme(header),
        layout.DATAPACKAGE: lambda: descriptor(header, snapshot.files),
    }
    return {name: _made(maker) for name, maker in makers.items()}


def _made(maker: Callable[[], str]) -> str | None:
    try:
        return _digest([maker().encode()])
    except (KeyError, TypeError, ValueError, AttributeError):  # snapshot.json is of unknown origin
        return None


def _pages(
    snapshot: Snapshot, names: Sequence[str], make_pages: MakePages
) -> dict[str, str | None]:
    try:
        with scratch_in(Path(tempfile.gettempdir()), "clearml-snapshot-texts-") as scratch:
            make_pages(snapshot.root, names, scratch)
            return {name: _file_digest(scratch / name) for name in names}
    except DatasetError:  # the page cannot be made of its rows or snapshot.json
        return dict.fromkeys(names)
    except OSError as error:
        raise SnapshotError(
            f"cannot generate the texts of {snapshot.location}: {error.strerror}; free some space "
            f"at {tempfile.gettempdir()}, or set TMPDIR to another folder"
        ) from error
