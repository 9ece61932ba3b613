"""Recognises by name the files that systems and copying tools leave in folders and archives."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

_LITTER: Final = (
    r"\.DS_Store|\._.*|\.localized|Icon\r|__MACOSX|\.AppleDouble|\.Spotlight-V100|\.Trashes"
    r"|\.fseventsd|(?:eh)?thumbs\.db|desktop\.ini|@eaDir|\.nfs[0-9a-f]{8,}|\.directory"
    r"|\.fuse_hidden[0-9a-f]{8,}|\.dropbox(?:\.attr|\.cache)?|\..*\.icloud|.*\.sync-conflict-.*"
    r"|.* \(.*conflicted copy.*\).*|\.sync(?:thing\..*|_[0-9a-f]+\.db.*|\.ffs_db)?|\.stfolder"
    r"|\.stversions|\.~lock\..*#|~\$.*|.*~|\.part-\d{6,}-\d{5}\.parquet\.\w{6}|lost\+found"
)


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name was left by a system or a copying tool.

    Args:
        name: without the folders above it.
    """
    return re.fullmatch(_LITTER, name, re.IGNORECASE | re.DOTALL) is not None


def is_below_litter(path: str) -> bool:
    """Return whether a path, with ``/``, is litter or is in a folder that is."""
    return any(map(is_litter, PurePosixPath(path).parts))


def is_unused(target: Path) -> bool:
    """Return whether something new may be written to a path: nothing, or a folder of litter."""
    if not target.exists():
        return True
    return target.is_dir() and all(is_litter(entry.name) for entry in target.iterdir())


def is_read_by_globs(name: str) -> bool:
    """Return whether ``*.parquet`` matches a file: in DuckDB and Polars hidden files too."""
    return name.endswith(".parquet")
