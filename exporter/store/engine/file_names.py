r"""Provides names of files that DuckDB takes literally, whatever the folders above them are called.

DuckDB takes ``*``, ``?`` and ``[`` in a path for a pattern and reads the files that match it; it
takes a folder ``key=value`` for a partition, whose column replaces the one in the file; it takes
``\`` for ``/``, and ``~`` at the beginning of a relative path for the home folder. Quoting does
not help: its patterns know no character that would do so in every position. So a file below such
a folder gets another name, by which the same folder is reached.
"""

import os
import re
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.store.disk.leftovers import remove_at_end

_MEANINGFUL: Final = re.compile(
    r"[*?\[\]{}=\ud800-\udfff" + ("" if os.sep == "\\" else r"\\") + "]"
)
"""Braces have no meaning yet; bytes that are not UTF-8 (surrogates) have no place in SQL."""

_SEP: Final = re.escape(os.sep)
_OWN: Final = re.compile(rf"(?:{_SEP}scalars{_SEP}project_id=[^{_SEP}]*)?{_SEP}[^{_SEP}]*$")
"""The end of a path that the on-disk format names: it holds one ``=``, which is a partition."""

_names: Final[dict[tuple[int, int], str]] = {}
"""By device and inode of a folder its other name; both live as long as the process."""
_folders: Final[dict[str, str]] = {}
"""By its other name a folder's own, for messages."""


def literal(path: str | os.PathLike[str]) -> str:
    """Return the name under which DuckDB reads, or writes, exactly this file; absolute.

    It is the path itself unless the name of a folder in it has a special meaning.

    Args:
        path: a file or folder, which need not exist; the folders above it must.

    Raises:
        OSError: such a folder cannot be opened.
        SnapshotError: it cannot be given another name.
    """
    full = os.fspath(path)
    if not os.path.isabs(full):  # noqa: PTH117  # 10,000 files; see Snapshot.paths
        full = str(Path(full).absolute())
    own = _OWN.search(full)
    last = 0
    for match in _MEANINGFUL.finditer(full, 0, own.start() if own else len(full)):
        last = match.end()
    if not last:
        return full
    end = full.find(os.sep, last)
    return _other_name(full[:end]) + full[end:]


def literals(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the names of several files; see ``literal``."""
    return [literal(path) for path in paths]


def spelt(text: str) -> str:
    """Put the folders' real names back into a message of DuckDB."""
    for name, folder in _folders.items():
        text = text.replace(f"{name}/", f"{folder}/")
    return text


def is_pattern(path: str) -> bool:
    """Return whether DuckDB takes a path, as a user writes it in SQL, for a pattern."""
    return bool({"*", "?", "["}.intersection(path))


def can_hold_database(path: Path) -> bool:
    """Return whether DuckDB can keep a database there: its log is named after the folder."""
    return not {"?", "" if os.sep == "\\" else "\\"}.intersection(str(path.absolute()))


def _other_name(folder: str) -> str:
    """Return a folder's other name: the same as before if it still leads there."""
    status = os.stat(folder)  # noqa: PTH116  # the path is a text everywhere here
    key = (status.st_dev, status.st_ino)
    name = _names.get(key)
    if name is None or not _leads_to(name, status):
        name = _names[key] = _descriptor_of(folder) or _link_to(folder)
        _folders[name] = folder
    return name


def _leads_to(name: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(name), status)  # noqa: PTH116  # as above
    except OSError:
        return False


def _descriptor_of(folder: str) -> str | None:
    """Name a folder by an open descriptor, which needs no write permission; Linux only.

    The descriptor stays open: a view may open its files at any time.
    """
    flag: int | None = getattr(os, "O_PATH", None)
    if flag is None:
        return None
    descriptor = os.open(folder, flag | os.O_DIRECTORY)
    name = f"/proc/self/fd/{descriptor}"
    if Path(name).is_dir():
        return name
    os.close(descriptor)
    return None


def _link_to(folder: str) -> str:
    """Name a folder by a link in the system's folder for temporary files."""
    try:
        link = Path(tempfile.mkdtemp(prefix="folder-", dir=_links())) / "it"
        link.symlink_to(folder, target_is_directory=True)
    except (OSError, NotImplementedError) as error:
        raise _nameless(folder) from error
    if _MEANINGFUL.search(str(link)):
        raise _nameless(folder)
    return str(link)


@cache
def _links() -> str:
    folder = tempfile.mkdtemp(prefix="clearml-snapshot-")
    remove_at_end(Path(folder))
    return folder


def _nameless(folder: str) -> SnapshotError:
    return SnapshotError(
        f"DuckDB cannot read inside {folder}: its name contains one of * ? [ ] {{ }} = "
        "or a backslash; rename it"
    )
