"""Task ids in the address of a page of ClearML's web UI. Pure."""

import re
from typing import Final

from clearml_snapshot.exporter.errors import UsageError

_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)
_TASK: Final = re.compile(r"/(?:experiments|tasks)/([^/?#;\s]+)")
_COMPARED: Final = re.compile(r"/compare-(?:experiments|tasks);ids=([^/?#;\s]+)")
_WITHOUT_SCHEME: Final = re.compile(r"[^/\s]+/(?:projects|pipelines|datasets)/[^/\s]+/")


def ids_in_address(text: str) -> tuple[str, ...] | None:
    """Return the task ids in the address of a task, or of a comparison of tasks.

    Every version of the web UI has ``…/experiments/ID`` or ``…/tasks/ID`` in it, and
    ``…/compare-experiments;ids=ID,ID`` for a comparison.

    Returns:
        None if the text is not an address.

    Raises:
        UsageError: it is the address of something else.
    """
    address = text.strip()
    if not _SCHEME.match(address) and not _WITHOUT_SCHEME.match(address):
        return None
    match = _COMPARED.search(address) or _TASK.search(address)
    if match is not None:
        ids = dict.fromkeys(filter(None, re.split(r"[,\s]|%2C", match[1])))
        return tuple(task_id.lower() for task_id in ids)
    if not _SCHEME.match(address):
        return None
    raise UsageError(
        f"{text!r} is not the address of a task; copy it from the browser while the task is open"
    )
