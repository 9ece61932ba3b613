"""Names: those that exist, globs of them, and near matches for one that does not exist. Pure."""

import difflib
import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.errors import NoSuchNameError

_NAMES_LISTED: Final = 6
"""Existing names that an error lists if none is similar to the one that was typed."""
_GLOB: Final = re.compile(r"[*?\[]")
_END: Final = "(?![\\s\\S])"
"""The very end of a text, in regular expressions of Python and of MongoDB."""


@dataclass(frozen=True)
class Names:
    """What exists on a server or in a snapshot."""

    projects: Mapping[str, str]
    """Full name by project id."""
    users: Mapping[str, str]
    """Name by user id."""
    tags: Collection[str]
    me: str | None = None
    """The id of the user who is logged in."""


def is_glob(text: str) -> bool:
    """Return whether the text contains a character with a meaning in globs."""
    return bool(_GLOB.search(text))


def glob_pattern(glob: str) -> str:
    """Translate a glob (``*`` crosses ``/``) for both Python and MongoDB, without anchors."""
    return re.sub(r"\\[zZ]$", "", fnmatch.translate(glob))


def names_pattern(texts: Iterable[str]) -> str | None:
    """Join names and globs with OR to one anchored pattern; None if there are none."""
    parts = [part for text in texts for part in _readings(text)]
    # A pattern that contains NUL cannot be sent to MongoDB.
    return f"^(?:{'|'.join(parts)}){_END}".replace("\0", "\\x00") if parts else None


def _readings(text: str) -> Iterator[str]:
    """Yield the pattern of a name or glob; with a bracket, as ``run [1]``, it can be both."""
    if is_glob(text):
        yield glob_pattern(text)
    if "[" in text or not is_glob(text):
        yield re.escape(text)


def no_such(kind: str, text: str, names: Iterable[str]) -> NoSuchNameError:
    """Make the error for a name that does not exist, with near matches."""
    candidates = sorted({name for name in names if name})
    lowered = {name.casefold(): name for name in candidates}
    close = difflib.get_close_matches(text.casefold(), lowered, n=3, cutoff=0.5)
    near = [lowered[name] for name in close]
    near += [name for name in candidates if text.casefold() in name.casefold() and name not in near]
    if near:
        hint = "did you mean " + " or ".join(repr(name) for name in near[:3]) + "?"
    elif candidates:
        shown = ", ".join(repr(name) for name in candidates[:_NAMES_LISTED])
        hint = f"there are {shown}" + (" …" if len(candidates) > _NAMES_LISTED else "")
    else:
        hint = "there are none"
    return NoSuchNameError(f"no {kind} {text!r}; {hint}")
