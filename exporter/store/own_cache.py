"""Finds the cache folder of this user: readers write there, never to the dataset."""

import os
import re
import shutil
from pathlib import Path

import platformdirs

from clearml_snapshot.exporter.store.permissions.modes import PRIVATE


def own_cache(*below: str) -> Path | None:
    """Make a folder in this user's cache; None for a user without a writable home.

    Args:
        below: names of folders inside it.
    """
    try:
        cache = Path(platformdirs.user_cache_dir("clearml-snapshot", appauthor=False), *below)
        if not cache.is_absolute():
            return None
        cache.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter: no HOME, and the user has no name
        return None
    return cache


def spill_folder() -> Path | None:
    """Return the path of a new folder for what exceeds memory; None as for ``own_cache``.

    No two connections share one, because DuckDB numbers the files in it, and one process may open
    several datasets. DuckDB creates and removes it. Folders that killed processes of this machine
    left are removed.
    """
    cache = own_cache()
    if cache is None:
        return None
    machine = os.uname().nodename if os.name == "posix" else ""
    prefix = "spill-" + re.sub(r"[^\w.-]", "_", machine) + "-"
    for left in cache.glob("spill-*"):
        process = left.name.removeprefix(prefix).partition("-")[0]
        if left.name.startswith(prefix) and not _is_running(process):
            shutil.rmtree(left, ignore_errors=True)
    return cache / f"{prefix}{os.getpid()}-{os.urandom(4).hex()}"


def _is_running(process: str) -> bool:
    if os.name == "nt" or not re.fullmatch(r"[1-9]\d{0,9}", process):
        return True  # unknown: there, a signal of number 0 ends a process
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user
        return True
    return True
