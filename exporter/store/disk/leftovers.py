"""Removes this process's temporary files when it ends, even if it must end at once."""

import atexit
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PATHS: Final[set[Path]] = set()


def remove_at_end(path: Path) -> None:
    """Remove a file or folder when the process ends; it need not exist yet."""
    _PATHS.add(path)


def is_removed(path: Path) -> None:
    """Forget a path that has been removed."""
    _PATHS.discard(path)


@contextmanager
def temporary(path: Path) -> Iterator[None]:
    """Remove a path if the process ends inside the block; the block itself removes it otherwise."""
    _PATHS.add(path)
    try:
        yield
    finally:
        _PATHS.discard(path)


def remove_leftovers() -> None:
    """Remove all of them now; for exits that run no ``finally`` and no ``atexit``."""
    for path in tuple(_PATHS):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


atexit.register(remove_leftovers)
