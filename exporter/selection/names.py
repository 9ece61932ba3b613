"""Names: those that exist, globs of them, and near matches for one that does not exist. Pure."""

import fnmatch
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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
    types: Collection[str] = ()
    """Task types, besides those that every server knows."""
    has_all_tags: bool = True
    """Whether a tag that is not listed does not exist; a server may not list all."""


def canonical(text: str) -> str:
    """Return the composed form (NFC), in which two spellings of one name are equal.

    A Mac types and names files in the other one (NFD): ``é`` as ``e`` and an accent.
    """
    return unicodedata.normalize("NFC", text)


def forms(text: str) -> tuple[str, ...]:
    """Return the text, and both Unicode forms of it, without repetitions."""
    both = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((text, *both)))


def same_names(text: str, names: Iterable[str]) -> set[str]:
    """Return the names that are the text: itself if it exists, else in another Unicode form."""
    wanted, same = canonical(text), set[str]()
    for name in names:
        if name == text:
            return {name}
        if canonical(name) == wanted:
            same.add(name)
    return same


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
    for form in forms(text):
        if is_glob(form):
            yield glob_pattern(form)
        if "[" in form or not is_glob(form):
            yield re.escape(form)


def exact_pattern(texts: Iterable[str]) -> str:
    """Join names, none of them a glob, to one pattern as ``names_pattern`` does."""
    parts = [re.escape(form) for text in texts for form in forms(text)]
    return f"^(?:{'|'.join(parts)}){_END}".replace("\0", "\\x00")


def near_names(text: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that may have been meant: longer, similar or containing ones."""
    import difflib  # only for a mistyped name

    candidates = sorted({name for name in names if name})
    lowered = {name.casefold(): name for name in candidates}
    close = difflib.get_close_matches(text.casefold(), lowered, n=3, cutoff=0.5)
    near = [lowered[name] for name in close]
    near += [name for name in candidates if text.casefold() in name.casefold() and name not in near]
    near.sort(key=lambda name: not name.casefold().startswith(text.casefold()))
    return near[:3]


def did_you_mean(near: Iterable[str]) -> str:
    """Ask whether one of these was meant."""
    return f"did you mean {' or '.join(map(repr, near))}?"


def glob_around(text: str) -> str | None:
    """Return the glob that matches whatever contains a name or what a glob has between its stars.

    None if that would be the same, or would match everything.
    """
    core = text.strip("*")
    return None if not core or is_glob(core) or text == f"*{core}*" else f"*{core}*"


def no_such(
    kind: str, text: str, names: Iterable[str], *, plural: str | None = None
) -> NoSuchNameError:
    """Make the error for a name that does not exist, with near matches.

    Args:
        kind: what it would be a name of.
        text: what was typed; names match as a whole.
        names: those that exist.
        plural: of the kind, if a glob is understood: then one that matches several is suggested.
    """
    candidates = sorted({name for name in names if name})
    near = near_names(text, candidates)
    glob = glob_around(text) if plural else None
    matching = sum(glob.strip("*") in name for name in candidates) if glob else 0
    if matching > 1:
        shown = " or ".join(map(repr, near[:2]))
        hint = f"did you mean {shown}{', or ' * bool(shown)}{glob!r} ({matching:,} {plural})?"
    elif near:
        hint = did_you_mean(near)
    elif candidates:
        shown = ", ".join(repr(name) for name in candidates[:_NAMES_LISTED])
        hint = f"there are {shown}" + (" …" if len(candidates) > _NAMES_LISTED else "")
    else:
        hint = "there are none"
    return NoSuchNameError(f"no {kind} {text!r}; {hint}", kind=kind, name=text, near=near)


LISTED: Final = 5
"""Tasks that an error lists; an ellipsis stands for the others."""


class DescribedTask(NamedTuple):
    """A task as an error describes it."""

    task_id: str
    day: str | None = None
    """On which it was created."""
    user: str | None = None
    project: str | None = None

    def __str__(self) -> str:
        known = ", ".join(part for part in (self.day, self.user, self.project) if part)
        return f"{self.task_id} ({known})" if known else self.task_id


def several_tasks(text: str, tasks: Sequence[DescribedTask]) -> str:
    """Say that a text matches several tasks, and list the first of them."""
    listed = ", ".join(map(str, tasks[:LISTED])) + " …" * (len(tasks) > LISTED)
    return f"task {text!r} matches {len(tasks):,} tasks: {listed}"
