"""The folder that readers write to: their own cache, never the dataset."""

from pathlib import Path

import platformdirs

from clearml_snapshot.exporter.store.modes import PRIVATE


def own_cache(*below: str) -> Path | None:
    """Make a folder in this user's cache; None for a user without a home to write to.

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
