"""Recognises an earlier pack in a folder, so that a new one may replace it."""

import os
import stat
from pathlib import Path

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.store.disk.files import sha256
from clearml_snapshot.exporter.store.disk.litter import is_below_litter, is_unused
from clearml_snapshot.exporter.store.disk.targets import check_parent
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.checksums import read_sums
from clearml_snapshot.exporter.store.snapshots import read_header


def check_folder(target: Path, option: str) -> None:
    """Check that a pack may be written to a folder: nothing is there, or only an earlier pack.

    Args:
        target: the path.
        option: the beginning of the message.

    Raises:
        UsageError: something else is there, or something was added to the pack or changed in it.
    """
    check_parent(target, option)
    if is_unused(target):
        return
    problem = difference_from_pack(target)
    if problem:
        raise UsageError(
            f"{option} {target} already exists, and is not a pack as it was written: {problem}; "
            "use a new or an empty folder"
        )


def difference_from_pack(folder: Path, *, hashes: bool = True) -> str | None:
    """Find what makes a folder anything but a pack as it was written; None if nothing does.

    Files that systems leave in folders do not count.

    Args:
        folder: any path.
        hashes: compare the contents of the files too, and not only their names.
    """
    try:
        if not folder.is_dir():
            return "it is not a folder"
        if "packed" not in read_header(folder):
            return "it is a snapshot that was not packed"
        sums = read_sums((folder / layout.SHA256SUMS).read_bytes())
        found = _files(folder)
    except (OSError, DatasetError):
        return "it has no readable snapshot.json and SHA256SUMS"
    for name, is_plain in found.items():
        if not is_plain or name not in {*sums, layout.SHA256SUMS}:
            return f"{name} does not belong to it"
    if missing := sums.keys() - found.keys():
        return f"{min(missing)} is missing"
    try:
        changed = (name for name in sums if hashes and sha256(folder / name) != sums[name])
        first = next(changed, None)
    except OSError as error:
        return f"{error.filename} cannot be read"
    return None if first is None else f"{first} was changed"


def _files(folder: Path) -> dict[str, bool]:
    """List what is in a folder that may not be lost, and whether it is a plain file.

    Empty folders count as well, as something that someone else has made.
    """
    found: dict[str, bool] = {}
    for root, folders, names in os.walk(folder):
        here = Path(root)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in [*names, *links]:
            path = here / name
            relative = path.relative_to(folder).as_posix()
            is_plain = stat.S_ISREG(path.lstat().st_mode)
            if not (is_plain and is_below_litter(relative)):
                found[relative] = is_plain
        if not folders and not names:
            found[here.relative_to(folder).as_posix()] = False
    return found
