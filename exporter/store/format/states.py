"""How completely a task is stored: the states of ``tasks.state`` and their descriptions.

Pure functions, no I/O.
"""

from collections.abc import Collection, Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "complete": "every point that the server counted for the requested metrics is stored",
    "failed": "its points could not be read; see the reason",
    "partial": "some points are not stored yet; see the reason",
    "unread": "selected, but the export ended before its points were read",
    "lost": "the server lost points before they could be read; the remaining ones are stored",
    "shrunk": "the server has lost points since then; they are still stored here",
    "gone": "the server no longer has the task; everything stored before is kept",
}
"""What each state means; those that another export can repair come first."""

MISSING: Final = ("failed", "partial", "unread")
"""States of tasks whose points are on the server and not all here."""

_WORDS: Final[Mapping[str, str]] = {
    "failed": "failed to export",
    "unread": "not read yet",
    "lost": "with points that the server lost",
    "shrunk": "shrunk on the server",
    "gone": "gone from the server",
}


def incomplete(states: Mapping[str, int]) -> dict[str, int]:
    """Choose the tasks that are not complete, by state."""
    return {state: n for state, n in states.items() if n and state != "complete"}


def in_words(states: Mapping[str, int], which: Collection[str] = tuple(MEANINGS)) -> str:
    """Format how many tasks are in each state, such as ``1 partial, 490 not read yet``.

    Args:
        states: tasks by state.
        which: the states to name; ``complete`` is left out.

    Returns:
        The counts above 0 in the order of ``MEANINGS``, unknown states last; empty for none.
    """
    listed = [state for state in MEANINGS if state in which and state != "complete"]
    counts = [(states.get(state, 0), _WORDS.get(state, state)) for state in listed]
    return ", ".join(f"{count:,} {words}" for count, words in counts if count)
