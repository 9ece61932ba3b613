"""Combines what several writers changed in the selections that a dataset remembers. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def combined(before: Any, ours: Any, theirs: Any) -> list[Any]:
    """Apply our changes to the selections of a newer snapshot.

    What either side has added is there; what either has removed is not. The number of tasks that a
    selection matched is ours if we have it.

    Args:
        before: the selections from which ours were made.
        ours: what we want to write.
        theirs: what another writer has written since.
    """
    old, mine, other = _by_content(before), _by_content(ours), _by_content(theirs)
    kept = {key: mine.get(key, entry) for key, entry in other.items()}
    removed = old.keys() - mine.keys()
    added = {key: entry for key, entry in mine.items() if key not in old}
    return list({k: e for k, e in {**kept, **added}.items() if k not in removed}.values())


def _by_content(selections: Any) -> dict[str, Any]:
    return {_content(entry): entry for entry in selections or ()}


def _content(entry: Any) -> str:
    if isinstance(entry, Mapping):
        entry = {name: value for name, value in entry.items() if name != "matched"}
    return json.dumps(entry, sort_keys=True)
